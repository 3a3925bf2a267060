"""A catalogue is proposed by one person, approved by another, and reaches the signers exactly once."""

import datetime as dt
import json

import pytest

from sapwood.accounts.api import actor_for
from sapwood.channel import api as channel
from sapwood.commons.releases import actions, api
from sapwood.commons.releases.data import PROJECTS, SameEyesError, seed
from sapwood.commons.releases.models import CatalogueRevision, State
from sapwood.core.errors import ForbiddenError
from sapwood.core.models import AuditRow
from sapwood.formats.catalogue import publishable, validate
from sapwood.formats.documents import parse
from sapwood.formats.tests.catalogue_cases import small_data

pytestmark = pytest.mark.django_db
RAW = seed(PROJECTS[0])


def edited(**changes):
    return json.dumps(json.loads(RAW) | changes).encode()


def staged_documents():
    return [state for state in channel.signatures_due() if state.role.startswith("releases")]


def test_until_something_is_approved_the_shipped_catalogue_is_in_use():
    catalogue = api.current_catalogue()
    assert catalogue.project == "openedx"
    assert publishable(validate(catalogue))


def test_publishing_in_one_go_reaches_the_signers_and_a_second_time_changes_nothing(actors, repository, now):
    bob, erin = actors
    first = api.publish_catalogue(RAW, actor=bob, second=erin, now=now)
    again = api.publish_catalogue(RAW, actor=bob, second=erin, now=now + dt.timedelta(days=1))
    assert (again.pk, again.number, again.state, again.staged_at) == (first.pk, 1, State.APPROVED, now)
    assert staged_documents()
    assert CatalogueRevision.objects.count() == 1
    channel.sign(now=now)
    channel.publish(now=now)
    assert api.publish_catalogue(RAW, actor=bob, second=erin, now=now).pk == first.pk


def test_old_content_is_not_published_over_what_followed_it(actors, repository, now):
    bob, erin = actors
    api.publish_catalogue(RAW, actor=bob, second=erin, now=now)
    newer = api.publish_catalogue(edited(title="Edited"), actor=bob, second=erin, now=now)
    assert newer.number == 2
    assert api.publish_catalogue(RAW, actor=bob, second=erin, now=now).pk == newer.pk
    assert api.current_catalogue().title == "Edited"


def test_a_revision_keeps_its_uuid_and_counts_up(actors, repository, now):
    bob, erin = actors
    first = api.publish_catalogue(RAW, actor=bob, second=erin, now=now)
    changed = edited(title="Edited", uuid="11111111-1111-4111-8111-111111111111", revision=99)
    second = api.publish_catalogue(changed, actor=bob, second=erin, now=now)
    one, two = (parse(bytes(row.raw)).document for row in (first, second))
    assert (one.uuid, two.revision) == (two.uuid, 2)


def test_nobody_approves_their_own_proposal(actors, now):
    bob, _erin = actors
    row = api.propose(RAW, actor=bob, now=now)
    with pytest.raises(SameEyesError):
        api.approve(row.pk, sha256=row.sha256, actor=bob, now=now)
    row.refresh_from_db()
    assert row.state == State.PROPOSED
    assert not AuditRow.objects.filter(action="releases.approved").exists()


def test_only_exactly_what_was_looked_at_is_approved(actors, now):
    bob, erin = actors
    row = api.propose(RAW, actor=bob, now=now)
    with pytest.raises(api.OutdatedProposalError):
        api.approve(row.pk, sha256="0" * 64, actor=erin, now=now)


def test_a_proposal_is_outdated_once_another_was_approved(actors, now):
    bob, erin = actors
    one = api.propose(edited(title="One"), actor=bob, now=now)
    two = api.propose(edited(title="Two"), actor=bob, now=now)
    api.approve(one.pk, sha256=one.sha256, actor=erin, now=now)
    with pytest.raises(api.OutdatedProposalError):
        api.approve(two.pk, sha256=two.sha256, actor=erin, now=now)


def test_a_decided_proposal_stays_decided(actors, now):
    bob, erin = actors
    row = api.propose(RAW, actor=bob, now=now)
    api.refuse(row.pk, sha256=row.sha256, actor=bob, now=now)
    with pytest.raises(api.OutdatedProposalError):
        api.approve(row.pk, sha256=row.sha256, actor=erin, now=now)
    assert api.newest_approved() is None


def test_a_catalogue_with_an_error_is_kept_out(actors, now):
    data = json.loads(RAW)
    data["lines"][21]["cut"] = "2026-04-23"
    with pytest.raises(api.RefusedCatalogueError) as caught:
        api.propose(json.dumps(data).encode(), actor=actors[0], now=now)
    assert "verawood" in caught.value.message
    assert not CatalogueRevision.objects.exists()


def test_the_same_content_again_is_no_proposal(actors, repository, now):
    bob, erin = actors
    api.publish_catalogue(RAW, actor=bob, second=erin, now=now)
    with pytest.raises(api.NothingChangedError):
        api.propose(edited(revision=7), actor=bob, now=now)


def test_an_auditor_neither_proposes_nor_approves(frank, actors, now):
    with pytest.raises(ForbiddenError):
        api.propose(RAW, actor=actor_for(frank), now=now)
    row = api.propose(RAW, actor=actors[0], now=now)
    with pytest.raises(ForbiddenError):
        api.approve(row.pk, sha256=row.sha256, actor=actor_for(frank), now=now)


def test_what_was_approved_before_there_was_a_channel_is_handed_over_later(
    actors, now, tmp_path, monkeypatch, django_capture_on_commit_callbacks
):
    bob, erin = actors
    monkeypatch.setenv("SAPWOOD_CHANNEL_FOLDER", str(tmp_path / "later"))
    row = api.propose(RAW, actor=bob, now=now)
    with django_capture_on_commit_callbacks(execute=True):
        api.approve(row.pk, sha256=row.sha256, actor=erin, now=now)
    row.refresh_from_db()
    assert (row.state, row.staged_at) == (State.APPROVED, None)
    assert actions.hand_over_waiting(actor=bob, now=now) == 0
    channel.init_repository(now=now)
    assert actions.hand_over_waiting(actor=bob, now=now) == 1
    row.refresh_from_db()
    assert row.staged_at == now
    assert actions.hand_over_waiting(actor=bob, now=now) == 0


def test_approval_hands_over_on_commit(actors, repository, now, django_capture_on_commit_callbacks):
    bob, erin = actors
    row = api.propose(RAW, actor=bob, now=now)
    with django_capture_on_commit_callbacks(execute=True):
        api.approve(row.pk, sha256=row.sha256, actor=erin, now=now)
    row.refresh_from_db()
    assert row.staged_at == now


def test_every_step_is_audited(actors, repository, now):
    bob, erin = actors
    api.publish_catalogue(RAW, actor=bob, second=erin, now=now)
    rows = AuditRow.objects.filter(action__startswith="releases.").order_by("seq")
    assert [row.action for row in rows] == ["releases.proposed", "releases.approved"]


def test_a_catalogue_of_another_project_stands_on_its_own(actors, repository, now):
    bob, erin = actors
    api.publish_catalogue(RAW, actor=bob, second=erin, now=now)
    other = api.publish_catalogue(json.dumps(small_data()).encode(), actor=bob, second=erin, now=now)
    assert (other.project, other.number) == ("example", 1)
    assert api.current_catalogue().project == "openedx"
