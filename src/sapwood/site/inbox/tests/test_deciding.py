import datetime as dt

import pytest
from click.testing import CliRunner

from sapwood.core.data import Actor
from sapwood.core.errors import UsageError
from sapwood.core.models import AuditRow
from sapwood.formats.logic import Answer
from sapwood.site.inbox import api
from sapwood.site.inbox.actions.deciding import DecidedError
from sapwood.site.inbox.cli import inbox, people
from sapwood.site.inbox.data import Choices, Decision, Upstream, Verdict
from sapwood.site.inbox.models import Item, Rule
from sapwood.site.inbox.tests.given import DAY, NOW, SiteSays, announcement, received, retraction

pytestmark = pytest.mark.django_db
IF_OLD = {"fact": "release", "op": "<", "value": "ulmo.1"}


def test_a_snoozed_item_comes_back_in_its_time(arrive, rita, by):
    item = arrive(announcement())
    api.snooze(item.pk, until=NOW + DAY, actor=by(rita), now=NOW)
    item.refresh_from_db()
    assert (item.decision, item.raised_at) == (Decision.SNOOZED, None)
    assert api.wake_snoozed(now=NOW + DAY - dt.timedelta(seconds=1), actor=Actor.system("t")) == 0
    assert api.wake_snoozed(now=NOW + DAY, actor=Actor.system("t")) == 1
    item.refresh_from_db()
    assert (item.decision, item.raised_at) == (Decision.NEW, NOW + DAY)


@pytest.mark.parametrize("until", [NOW, NOW - DAY, NOW + 400 * DAY])
def test_a_snooze_ends_between_now_and_a_year(until, arrive, rita, by):
    item = arrive(announcement())
    with pytest.raises(UsageError):
        api.snooze(item.pk, until=until, actor=by(rita), now=NOW)


@pytest.mark.parametrize("what", ["reject", "archive"])
def test_an_approved_item_is_withdrawn_not_overwritten(what, arrive, alice, by):
    item = arrive(announcement())
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    with pytest.raises(DecidedError):
        getattr(api, what)(item.pk, actor=by(alice), now=NOW)


def test_a_withdrawn_item_can_be_approved_again(arrive, alice, by):
    item = arrive(announcement())
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    api.withdraw(item.pk, actor=by(alice), now=NOW)
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    item.refresh_from_db()
    assert item.decision == Decision.APPROVED


def test_every_decision_is_in_the_audit_log(arrive, alice, by):
    item = arrive(announcement())
    api.start_review(item.pk, actor=by(alice), now=NOW)
    api.snooze(item.pk, until=NOW + DAY, actor=by(alice), now=NOW)
    api.reject(item.pk, actor=by(alice), now=NOW, reason="not for us")
    actions = list(AuditRow.objects.filter(subject=item.subject).order_by("seq").values_list("action", flat=True))
    assert actions == ["inbox.arrive", "inbox.in_review", "inbox.snoozed", "inbox.rejected"]
    assert AuditRow.objects.get(action="inbox.rejected").details["reason"] == "not for us"


def test_an_item_that_an_upgrade_fixed_retires_and_comes_back_after_a_downgrade(arrive):
    item = arrive(announcement(condition=IF_OLD, severity="high"))
    assert api.retire(now=NOW, facts=SiteSays(Answer.NO)) == 1
    item.refresh_from_db()
    assert (item.upstream, item.decision, item.raised_at) == (Upstream.FIXED_HERE, Decision.ARCHIVED, None)
    assert item.verdict == Verdict.NO
    assert api.retire(now=NOW + DAY, facts=SiteSays(Answer.YES)) == 1
    item.refresh_from_db()
    assert (item.upstream, item.decision, item.raised_at) == (Upstream.CURRENT, Decision.NEW, NOW + DAY)


@pytest.mark.parametrize("severity", ["none", "medium"])
def test_what_was_fixed_comes_back_after_a_downgrade_whatever_its_severity(arrive, severity):
    item = arrive(announcement(condition=IF_OLD, severity=severity))
    api.retire(now=NOW, facts=SiteSays(Answer.NO))
    api.retire(now=NOW + DAY, facts=SiteSays(Answer.YES))
    item.refresh_from_db()
    assert (item.decision, item.raised_at) == (Decision.NEW, NOW + DAY)


@pytest.mark.parametrize("later", [Answer.YES, Answer.UNKNOWN])
@pytest.mark.parametrize("severity", ["high", "critical"])
def test_a_severe_item_of_the_backlog_raises_its_hand_when_facts_come_later(db, tap, severity, later):
    tap.pour(received(announcement(condition=IF_OLD, severity=severity), published_at=NOW - 200 * DAY))
    api.import_received(now=NOW, source=tap, facts=SiteSays(Answer.NO))
    item = Item.objects.get()
    assert (item.decision, item.raised_at) == (Decision.ARCHIVED, None)
    assert api.retire(now=NOW + DAY, facts=SiteSays(Answer.NO)) == 0
    assert api.retire(now=NOW + 2 * DAY, facts=SiteSays(later)) == 1
    item.refresh_from_db()
    assert (item.decision, item.raised_at, item.verdict) == (Decision.NEW, NOW + 2 * DAY, str(later))
    assert api.retire(now=NOW + 3 * DAY, facts=SiteSays(later)) == 0  # nothing nags twice
    assert AuditRow.objects.get(action="inbox.judge").details["decision"] == "new"


def test_a_severe_item_raises_its_hand_before_there_are_facts_and_again_only_when_they_speak(db, tap):
    """Without facts nobody can tell, so it is shown; facts that clear it file it, and others bring it back."""
    tap.pour(received(announcement(condition=IF_OLD, severity="high"), published_at=NOW - 200 * DAY))
    api.import_received(now=NOW, source=tap)
    item = Item.objects.get()
    assert (item.decision, item.raised_at, item.verdict) == (Decision.NEW, NOW, Verdict.UNKNOWN)
    for day, answer, decision in ((1, Answer.NO, Decision.ARCHIVED), (2, Answer.YES, Decision.NEW)):
        api.retire(now=NOW + day * DAY, facts=SiteSays(answer))
        item.refresh_from_db()
        assert item.decision == decision


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"severity": "medium"}, "the backlog is quiet below high"),
        ({"severity": "high", "expires_at": "2026-11-22T00:00:00Z"}, "its time is over"),
    ],
)
def test_what_is_not_severe_or_over_stays_quiet_when_facts_come_later(db, tap, given, why):
    tap.pour(received(announcement(condition=IF_OLD, **given), published_at=NOW - 200 * DAY))
    api.import_received(now=NOW, source=tap, facts=SiteSays(Answer.NO))
    api.retire(now=NOW + 2 * DAY, facts=SiteSays(Answer.YES))
    item = Item.objects.get()
    assert (item.decision, item.raised_at) == (Decision.ARCHIVED, None), why


def test_what_a_person_filed_stays_filed_whatever_the_facts_say(db, tap, alice, by):
    tap.pour(received(announcement(condition=IF_OLD, severity="high"), published_at=NOW - 200 * DAY))
    api.import_received(now=NOW, source=tap, facts=SiteSays(Answer.NO))
    item = Item.objects.get()
    api.archive(item.pk, actor=by(alice), now=NOW)
    assert api.retire(now=NOW + DAY, facts=SiteSays(Answer.YES)) == 0
    item.refresh_from_db()
    assert (item.decision, item.raised_at) == (Decision.ARCHIVED, None)


def test_what_was_taken_back_does_not_come_back(arrive, tap):
    document = announcement(condition=IF_OLD, severity="high")
    item = arrive(document, facts=SiteSays(Answer.NO))
    tap.pour(retraction(document))
    api.import_received(now=NOW, source=tap, facts=SiteSays(Answer.NO))
    api.retire(now=NOW + DAY, facts=SiteSays(Answer.YES))
    item.refresh_from_db()
    assert (item.upstream, item.decision, item.raised_at) == (Upstream.RETRACTED, Decision.ARCHIVED, None)


def test_an_approved_item_that_an_upgrade_fixed_is_raised_after_a_downgrade(arrive, alice, by):
    item = arrive(announcement(condition=IF_OLD, severity="high"))
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    api.retire(now=NOW, facts=SiteSays(Answer.NO))
    api.retire(now=NOW + DAY, facts=SiteSays(Answer.YES))
    item.refresh_from_db()
    assert (item.upstream, item.raised_at) == (Upstream.CURRENT, NOW + DAY)


def test_an_item_whose_time_is_over_asks_for_nothing(arrive):
    item = arrive(announcement(expires_at="2026-11-23T00:00:00Z"))
    api.retire(now=NOW + 3 * DAY, facts=SiteSays())
    item.refresh_from_db()
    assert (item.upstream, item.raised_at) == (Upstream.EXPIRED, None)


def test_a_rule_names_something_and_no_effect_approves(alice, by):
    from django.db import IntegrityError, transaction

    from sapwood.site.inbox.data import RuleEffect

    with pytest.raises(UsageError):
        api.add_rule(RuleEffect.MUTE, actor=by(alice), now=NOW)
    assert {effect.value for effect in RuleEffect} == {"file", "mute"}
    with pytest.raises(IntegrityError), transaction.atomic():
        Rule.objects.create(channel="x", effect="approve", created_at=NOW)


def test_the_command_line_lists_shows_and_approves(arrive):
    import json

    item = arrive(announcement())
    run = CliRunner().invoke
    listed = json.loads(run(inbox, ["list", "--json"]).output)
    assert [row["id"] for row in listed["items"]] == [item.pk]
    shown = json.loads(run(inbox, ["show", str(item.pk), "--json"]).output)
    answer = run(inbox, ["approve", str(item.pk), "--seen", shown["seen"], "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.output)["audience"] == "administrators"
    sent = json.loads(run(inbox, ["deliveries", "--json"]).output)["deliveries"]
    assert {row["state"] for row in sent} == {"sent"}


def test_the_command_line_approves_for_others_only_what_was_read(arrive, alice, by):
    from sapwood.site.inbox.data import Audience

    item = arrive(announcement())
    run = CliRunner().invoke
    assert "instructors" in run(inbox, ["trust", "--open", "community"]).output
    assert run(inbox, ["approve", str(item.pk), "--audience", "instructors"]).exit_code != 0
    seen = api.review(item.pk).seen
    assert run(inbox, ["approve", str(item.pk), "--audience", "instructors", "--seen", seen]).exit_code == 0
    assert "administrators" in run(inbox, ["trust", "--close", "community"]).output
    assert Audience.INSTRUCTORS


def test_the_command_line_keeps_the_list_of_people(tmp_path, db):
    run = CliRunner().invoke
    assert run(people, ["add", "frank@riverside.example"]).exit_code == 0
    file = tmp_path / "people.csv"
    file.write_text("email\ncarol@riverside.example\nnonsense\n")
    imported = run(people, ["import", str(file), "--audience", "learners", "--json"])
    assert imported.exit_code == 3
    assert "frank@riverside.example" in run(people, ["export"]).output
    assert run(people, ["erase", "frank@riverside.example", "--yes"]).exit_code == 0
    assert "frank" not in run(people, ["list"]).output


def test_erasing_an_account_forgets_its_place_on_the_list(carol, alice, by):
    from sapwood.accounts.api import erase_person, export_person
    from sapwood.site.inbox.data import Audience
    from sapwood.site.inbox.models import Person

    api.join_signed_in(carol, Audience.INSTRUCTORS, actor=by(carol), now=NOW)
    assert export_person(carol, actor=by(alice), now=NOW)["inbox"]["audience"] == "instructors"
    erase_person(carol, actor=by(alice), now=NOW)
    assert not Person.objects.exists()
