import datetime as dt

import pytest

from sapwood.core.data import Actor
from sapwood.core.errors import ForbiddenError, UsageError
from sapwood.core.models import AuditRow
from sapwood.site.inbox import api
from sapwood.site.inbox.actions.approving import (
    ChannelClosedError,
    NotApprovableError,
    SamePersonError,
    StaleError,
    SurveyClosedError,
    UnseenError,
)
from sapwood.site.inbox.actions.deciding import DecidedError
from sapwood.site.inbox.data import (
    Audience,
    Choices,
    Decision,
    DeliveryState,
    OutletKind,
    Reader,
    Text,
    Upstream,
    Window,
)
from sapwood.site.inbox.models import Approval, Delivery, Dispatch, ImmutableError, Item
from sapwood.site.inbox.tests.given import DAY, HOUR, NOW, announcement, retraction, revised

pytestmark = pytest.mark.django_db
ADMINS = Reader(Audience.ADMINISTRATORS, "en")
INSTRUCTORS = Choices(audience=Audience.INSTRUCTORS)
LEARNERS = Choices(audience=Audience.LEARNERS)


def seen(item: Item) -> str:
    return api.review(item.pk).seen


def open_to(channel, audience, alice, by):
    for stage in (Audience.INSTRUCTORS, Audience.LEARNERS):
        if stage.reach <= audience.reach:
            api.open_channel(channel, stage, actor=by(alice), now=NOW)


def test_what_is_approved_stands_on_the_announcements_page(arrive, alice, by):
    item = arrive(announcement())
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW, seen=seen(item))
    (shown,) = api.announcements(ADMINS, now=NOW).items
    assert shown.texts["en"].title == "Ulmo is here"
    assert shown.brand["site_name"] == "Riverside College"
    item.refresh_from_db()
    assert (item.decision, item.raised_at) == (Decision.APPROVED, None)


def test_nothing_stands_on_the_page_before_approval(arrive):
    arrive(announcement())
    assert api.announcements(ADMINS, now=NOW).items == []


def test_an_approval_for_administrators_is_not_read_by_instructors(arrive, alice, by):
    item = arrive(announcement())
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    assert api.announcements(Reader(Audience.INSTRUCTORS, "en"), now=NOW).items == []
    assert api.announcements(Reader(None, "en"), now=NOW).items == []


def test_a_reviewer_may_not_approve(arrive, rita, by):
    item = arrive(announcement())
    with pytest.raises(ForbiddenError):
        api.approve(item.pk, Choices(), actor=by(rita), now=NOW)
    assert not Approval.objects.exists()


def test_hard_case_29_an_upstream_change_between_reading_and_approving_is_a_conflict(arrive, alice, by):
    document = announcement()
    item = arrive(document)
    read = seen(item)
    arrive(revised(document, texts={"en": {"title": "Changed"}}))
    with pytest.raises(StaleError):
        api.approve(item.pk, Choices(), actor=by(alice), now=NOW, seen=read)
    assert not Approval.objects.exists()


def test_a_local_edit_between_reading_and_approving_is_a_conflict(arrive, alice, rita, by):
    item = arrive(announcement())
    read = seen(item)
    api.save_text(item.pk, "en", Text("Edited"), actor=by(rita), now=NOW)
    with pytest.raises(StaleError):
        api.approve(item.pk, Choices(), actor=by(alice), now=NOW, seen=read)


def test_beyond_administrators_the_approval_names_what_was_read(arrive, alice, by):
    item = arrive(announcement())
    open_to("community", Audience.INSTRUCTORS, alice, by)
    with pytest.raises(UnseenError):
        api.approve(item.pk, INSTRUCTORS, actor=by(alice), now=NOW)


def test_a_channel_that_is_not_open_refuses_instructors(arrive, alice, by):
    item = arrive(announcement())
    with pytest.raises(ChannelClosedError):
        api.approve(item.pk, INSTRUCTORS, actor=by(alice), now=NOW, seen=seen(item))


def test_hard_case_35_the_same_person_is_not_two_approvers(arrive, alice, erin, by):
    item = arrive(announcement())
    open_to("community", Audience.LEARNERS, alice, by)
    row = api.approve(item.pk, LEARNERS, actor=by(alice), now=NOW, seen=seen(item))
    item.refresh_from_db()
    assert item.decision == Decision.IN_REVIEW
    with pytest.raises(SamePersonError):
        api.second(item.pk, digest=row.digest, actor=by(alice), now=NOW)
    assert api.announcements(Reader(Audience.LEARNERS, "en"), now=NOW).items == []
    api.second(item.pk, digest=row.digest, actor=by(erin), now=NOW)
    assert len(api.announcements(Reader(Audience.LEARNERS, "en"), now=NOW).items) == 1


def test_hard_case_35_a_persons_token_is_that_person(arrive, alice, by):
    from sapwood.accounts.api import create_token
    from sapwood.core.clock import system_clock
    from sapwood.core.data import ActorKind

    item = arrive(announcement())
    open_to("community", Audience.LEARNERS, alice, by)
    row = api.approve(item.pk, LEARNERS, actor=by(alice), now=NOW, seen=seen(item))
    made = create_token(
        alice, name="script", scopes=["inbox.approve"], actor=by(alice), now=system_clock().now(), ttl=DAY
    )
    token = Actor(ActorKind.TOKEN, str(made.row.uuid), "Alice (script)")
    with pytest.raises(SamePersonError):
        api.second(item.pk, digest=row.digest, actor=token, now=NOW)


def test_the_second_person_approves_what_the_first_one_did_and_nothing_else(arrive, alice, erin, by):
    item = arrive(announcement())
    open_to("community", Audience.LEARNERS, alice, by)
    row = api.approve(item.pk, LEARNERS, actor=by(alice), now=NOW, seen=seen(item))
    with pytest.raises(StaleError):
        api.second(item.pk, digest="0" * 64, actor=by(erin), now=NOW)
    api.save_text(item.pk, "en", Text("Edited in between"), actor=by(alice), now=NOW)
    with pytest.raises(DecidedError):
        api.second(item.pk, digest=row.digest, actor=by(erin), now=NOW)


def test_a_revision_between_the_two_approvals_is_a_conflict(arrive, alice, erin, by):
    document = announcement()
    item = arrive(document)
    open_to("community", Audience.LEARNERS, alice, by)
    row = api.approve(item.pk, LEARNERS, actor=by(alice), now=NOW, seen=seen(item))
    arrive(revised(document, texts={"en": {"title": "Changed"}}))
    with pytest.raises(StaleError):
        api.second(item.pk, digest=row.digest, actor=by(erin), now=NOW)


def test_an_upstream_revision_never_changes_what_was_approved_and_reopens_the_item(arrive, alice, by):
    document = announcement()
    item = arrive(document)
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    item = arrive(revised(document, texts={"en": {"title": "Now different", "body": "Other."}}))
    assert (item.decision, item.upstream) == (Decision.APPROVED, Upstream.REVISED)
    assert item.raised_at is not None
    (shown,) = api.announcements(ADMINS, now=NOW).items
    assert shown.texts["en"].title == "Ulmo is here"
    (three,) = api.review(item.pk).three_way
    assert ("Ulmo is here" in three.base, "Ulmo is here" in three.ours, "Now different" in three.theirs) == (True,) * 3


def test_hard_case_32_a_local_edit_and_an_upstream_edit_show_as_three_texts(arrive, alice, by):
    document = announcement()
    item = arrive(document)
    api.save_text(item.pk, "en", Text("Ulmo at our college", body="Ours."), actor=by(alice), now=NOW)
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    item = arrive(revised(document, texts={"en": {"title": "Ulmo.2", "body": "Theirs."}}))
    (three,) = api.review(item.pk).three_way
    assert "Ulmo is here" in three.base
    assert "Ulmo at our college" in three.ours
    assert "Ulmo.2" in three.theirs
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW, seen=seen(item))
    item.refresh_from_db()
    assert (item.upstream, item.raised_at) == (Upstream.CURRENT, None)
    (shown,) = api.announcements(ADMINS, now=NOW).items
    assert shown.texts["en"].title == "Ulmo at our college"


def test_what_was_approved_can_be_kept(arrive, alice, by):
    document = announcement()
    item = arrive(document)
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    arrive(revised(document, texts={"en": {"title": "Changed"}}))
    api.keep_approved(item.pk, actor=by(alice), now=NOW)
    item.refresh_from_db()
    assert item.raised_at is None
    assert api.announcements(ADMINS, now=NOW).items[0].texts["en"].title == "Ulmo is here"


def test_hard_case_30_retracted_before_its_time_is_held_and_prompts(arrive, alice, by, tap):
    document = announcement(channel="security", severity="low")
    item = arrive(document)
    later = Choices(window=Window(NOW + DAY))
    api.approve(item.pk, later, actor=by(alice), now=NOW)
    tap.pour(retraction(document))
    api.import_received(now=NOW + HOUR, source=tap)
    item.refresh_from_db()
    assert (item.upstream, item.raised_at, item.severity_rank) == (Upstream.RETRACTED, NOW + HOUR, 3)
    from sapwood.core.clock import FixedClock

    api.deliver_due(clock=FixedClock(NOW + 2 * DAY))
    assert not Delivery.objects.filter(state=DeliveryState.SENT).exists()
    assert {row.held_code for row in Dispatch.objects.all()} == {"gate.withdrawn_upstream"}
    assert api.announcements(ADMINS, now=NOW + 2 * DAY).items == []


def test_a_retraction_after_publishing_prompts_and_leaves_the_decision_to_a_person(arrive, alice, by, tap):
    document = announcement()
    item = arrive(document)
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    tap.pour(retraction(document))
    api.import_received(now=NOW, source=tap)
    item.refresh_from_db()
    assert item.raised_at is not None
    assert len(api.announcements(ADMINS, now=NOW).items) == 1
    api.withdraw(item.pk, actor=by(alice), now=NOW)
    assert api.announcements(ADMINS, now=NOW).items == []


def test_a_retracted_item_cannot_be_approved(arrive, alice, by, tap):
    document = announcement()
    item = arrive(document)
    tap.pour(retraction(document))
    api.import_received(now=NOW, source=tap)
    with pytest.raises(NotApprovableError):
        api.approve(item.pk, Choices(), actor=by(alice), now=NOW)


def test_an_unreadable_item_cannot_be_approved(arrive, alice, by):
    item = arrive({**announcement(), "version": 99})
    with pytest.raises(NotApprovableError):
        api.approve(item.pk, Choices(), actor=by(alice), now=NOW)


def test_hard_case_50_a_closed_survey_cannot_be_approved(arrive, alice, by):
    item = arrive(
        announcement(
            channel="surveys",
            kind="feedback_request",
            feedback={"question": "How was it?", "closes_at": "2026-11-25T00:00:00Z"},
        )
    )
    with pytest.raises(SurveyClosedError):
        api.approve(item.pk, Choices(), actor=by(alice), now=NOW + 4 * DAY)
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)


def test_a_window_keeps_the_item_back_and_takes_it_down(arrive, alice, by, clock):
    item = arrive(announcement())
    api.approve(item.pk, Choices(window=Window(NOW + DAY, NOW + 2 * DAY)), actor=by(alice), now=NOW)
    assert api.announcements(ADMINS, now=NOW).items == []
    clock.advance(DAY + HOUR)
    api.deliver_due(clock=clock)
    assert len(api.announcements(ADMINS, now=clock.now()).items) == 1
    clock.advance(DAY)
    assert api.announcements(ADMINS, now=clock.now()).items == []


def test_a_window_that_ends_before_it_begins_is_refused(arrive, alice, by):
    item = arrive(announcement())
    with pytest.raises(UsageError):
        api.approve(item.pk, Choices(window=Window(NOW, NOW - HOUR)), actor=by(alice), now=NOW)


def test_hard_case_37_a_double_click_publishes_once(arrive, alice, by):
    item = arrive(announcement())
    read = seen(item)
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW, seen=read)
    with pytest.raises((DecidedError, StaleError)):
        api.approve(item.pk, Choices(), actor=by(alice), now=NOW, seen=read)
    assert Delivery.objects.filter(outlet=OutletKind.PAGE, state=DeliveryState.SENT).count() == 1
    assert Approval.objects.count() == 1


def test_an_approval_cannot_be_changed_or_deleted(arrive, alice, by):
    item = arrive(announcement())
    row = api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    row.content = row.content.replace("Ulmo", "Buy")
    for attempt in (row.save, row.delete, Approval.objects.all().delete, lambda: Approval.objects.update(digest="x")):
        with pytest.raises(ImmutableError):
            attempt()


def test_revoking_trust_takes_instructors_items_off_in_one_press(arrive, alice, by):
    item = arrive(announcement())
    open_to("community", Audience.INSTRUCTORS, alice, by)
    api.approve(item.pk, INSTRUCTORS, actor=by(alice), now=NOW, seen=seen(item))
    reader = Reader(Audience.INSTRUCTORS, "en")
    assert len(api.announcements(reader, now=NOW).items) == 1
    api.revoke_channel("community", actor=by(alice), now=NOW)
    assert api.announcements(reader, now=NOW).items == []


def test_trust_opens_one_stage_at_a_time_and_each_is_audited(arrive, alice, by):
    from sapwood.site.inbox.actions.trust import StageOrderError

    arrive(announcement())
    with pytest.raises(StageOrderError):
        api.open_channel("community", Audience.LEARNERS, actor=by(alice), now=NOW)
    open_to("community", Audience.LEARNERS, alice, by)
    assert AuditRow.objects.filter(action="inbox.open_channel").count() == 2


def test_the_approval_and_its_digest_are_in_the_audit_log(arrive, alice, by):
    item = arrive(announcement())
    row = api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    entry = AuditRow.objects.get(action="inbox.approve")
    assert entry.details["digest"] == row.digest
    assert dt.timedelta(0) == entry.at - NOW
