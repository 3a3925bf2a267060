import datetime as dt
import smtplib

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from tests.fakes import FakeHttp

from sapwood.core.clock import FixedClock
from sapwood.core.http import Response, UnreachableError
from sapwood.site.inbox import addresses, api
from sapwood.site.inbox.actions import delivering
from sapwood.site.inbox.actions.repeating import NotRepeatableError
from sapwood.site.inbox.data import Audience, Choices, Decision, DeliveryState, OutletKind, Window
from sapwood.site.inbox.models import Bounce, Delivery, Dispatch, Mailing, Person, StreamOptIn, WebhookDeadLetter
from sapwood.site.inbox.outlets.webhook import secret_of, signature
from sapwood.site.inbox.tests.given import DAY, HOUR, NOW, SiteSays, announcement

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]
MAIL = Choices(outlets=(OutletKind.MAIL,))
HOOK = Choices(outlets=(OutletKind.WEBHOOK,))
URL = "https://hooks.riverside.example/in"


class Picky(EmailBackend):
    """A mail server that fails as the test says, before or after it took the mail."""

    before: Exception | None = None
    after: Exception | None = None
    unreachable = False

    def open(self):
        if Picky.unreachable:
            raise ConnectionRefusedError("refused")
        return True

    def send_messages(self, messages):
        if Picky.before is not None:
            raise Picky.before
        count = super().send_messages(messages)
        if Picky.after is not None:
            raise Picky.after
        return count


class Watch(EmailBackend):
    """A mail server that notes what stood in the database when the mail came."""

    seen: list[tuple[str, str]] = []

    def send_messages(self, messages):
        Watch.seen.append((Delivery.objects.get().state, Mailing.objects.get().message_id))
        return super().send_messages(messages)


@pytest.fixture
def server(settings):
    settings.EMAIL_BACKEND = f"{__name__}.Picky"
    Picky.before = Picky.after = None
    Picky.unreachable = False
    yield Picky
    Picky.before = Picky.after = None
    Picky.unreachable = False


@pytest.fixture
def frank(alice, by):
    """An operator on the list, who wants everything at once."""
    row = api.add_person("frank@riverside.example", Audience.ADMINISTRATORS, actor=by(alice), now=NOW)
    Person.objects.filter(pk=row.pk).update(threshold="none")
    return Person.objects.get(pk=row.pk)


@pytest.fixture
def hook(alice, by):
    return api.add_webhook("chat", URL, Audience.ADMINISTRATORS, actor=by(alice), now=NOW)


def states(outlet=None):
    rows = Delivery.objects.order_by("pk")
    return [row.state for row in (rows.filter(outlet=outlet) if outlet else rows)]


def test_a_mail_above_the_personal_threshold_goes_at_once(arrive, alice, by, frank, clock):
    item = arrive(announcement(severity="high"))
    api.approve(item.pk, MAIL, actor=by(alice), now=NOW)
    api.deliver_due(clock=clock, http=FakeHttp())
    (message,) = mail.outbox
    assert message.to == ["frank@riverside.example"]
    assert message.subject == "Riverside College: Ulmo is here"
    assert "{{" not in message.body
    assert states() == [DeliveryState.SENT]


def test_a_mail_carries_a_stable_message_id_and_one_click_unsubscribe(arrive, alice, by, frank, clock, client):
    item = arrive(announcement(severity="high"))
    api.approve(item.pk, MAIL, actor=by(alice), now=NOW)
    api.deliver_due(clock=clock, http=FakeHttp())
    (message,) = mail.outbox
    headers = message.extra_headers
    assert headers["Message-ID"] == Mailing.objects.get().message_id
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = headers["List-Unsubscribe"].strip("<>").removeprefix("http://127.0.0.1:8001")
    assert client.get(address).status_code == 200
    frank.refresh_from_db()
    assert frank.unsubscribed_at is None, "a mail scanner that opens the link unsubscribes nobody"
    answer = client.post(address, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200
    frank.refresh_from_db()
    assert frank.unsubscribed_at is not None


def test_below_the_threshold_it_waits_for_the_digest_and_goes_as_one_mail(arrive, alice, by, frank, clock):
    Person.objects.update(threshold="critical")
    for title in ("One", "Two"):
        item = arrive(announcement(texts={"en": {"title": title}}))
        api.approve(item.pk, MAIL, actor=by(alice), now=NOW)
    api.deliver_due(clock=clock, http=FakeHttp())
    assert mail.outbox == []
    assert api.deliver_digests(clock=clock) == 1
    (message,) = mail.outbox
    assert "One" in message.body
    assert "Two" in message.body
    assert states() == [DeliveryState.SENT] * 2
    assert api.deliver_digests(clock=clock) == 0


def test_hard_case_37_a_task_that_runs_twice_sends_once(arrive, alice, by, frank, hook, clock):
    item = arrive(announcement(severity="high"))
    http = FakeHttp().answer(URL, b"ok")
    choices = Choices(outlets=tuple(OutletKind))
    api.approve(item.pk, choices, actor=by(alice), now=NOW)
    Dispatch.objects.update(done_at=None)
    for _ in range(3):
        api.deliver_due(clock=clock, http=http)
        Dispatch.objects.update(done_at=None)
    assert len(mail.outbox) == 1
    assert len(http.requests) == 1
    assert states() == [DeliveryState.SENT] * 4


def test_the_claim_is_written_before_the_mail_leaves(arrive, alice, by, frank, clock, settings):
    item = arrive(announcement(severity="high"))
    api.approve(item.pk, MAIL, actor=by(alice), now=NOW)
    settings.EMAIL_BACKEND = f"{__name__}.Watch"
    Watch.seen.clear()
    api.deliver_due(clock=clock, http=FakeHttp())
    assert Watch.seen == [(DeliveryState.UNCERTAIN, mail.outbox[0].extra_headers["Message-ID"])]


def test_a_connection_that_breaks_in_flight_leaves_the_mail_uncertain_until_a_person_repeats_it(
    arrive, alice, by, frank, clock, server
):
    item = arrive(announcement(severity="high"))
    api.approve(item.pk, MAIL, actor=by(alice), now=NOW)
    server.after = smtplib.SMTPServerDisconnected("gone")
    api.deliver_due(clock=clock, http=FakeHttp())
    assert states() == [DeliveryState.UNCERTAIN]
    server.after = None
    for _ in range(3):
        clock.advance(DAY)
        api.deliver_due(clock=clock, http=FakeHttp())
        api.deliver_digests(clock=clock)
    assert len(mail.outbox) == 1
    row = Delivery.objects.get()
    api.repeat(row.uuid, actor=by(alice), now=clock.now())
    api.deliver_due(clock=clock, http=FakeHttp())
    assert states() == [DeliveryState.SENT]
    assert len({message.extra_headers["Message-ID"] for message in mail.outbox}) == 1


def test_a_delivery_under_way_is_not_repeated(arrive, alice, by, frank, clock, server):
    item = arrive(announcement(severity="high"))
    api.approve(item.pk, MAIL, actor=by(alice), now=NOW)
    server.after = smtplib.SMTPServerDisconnected("gone")
    api.deliver_due(clock=clock, http=FakeHttp())
    with pytest.raises(NotRepeatableError):
        api.repeat(Delivery.objects.get().uuid, actor=by(alice), now=clock.now())


def test_a_mail_server_that_cannot_be_reached_leaves_everything_waiting(arrive, alice, by, frank, clock, server):
    item = arrive(announcement(severity="high"))
    api.approve(item.pk, MAIL, actor=by(alice), now=NOW)
    server.unreachable = True
    api.deliver_due(clock=clock, http=FakeHttp())
    assert states() == [DeliveryState.WAITING]
    server.unreachable = False
    clock.advance(HOUR)
    api.deliver_due(clock=clock, http=FakeHttp())
    assert states() == [DeliveryState.SENT]


def test_an_address_that_is_refused_for_good_goes_on_the_bounce_list(arrive, alice, by, frank, clock, server):
    item = arrive(announcement(severity="high"))
    api.approve(item.pk, MAIL, actor=by(alice), now=NOW)
    server.before = smtplib.SMTPRecipientsRefused({frank.email: (550, b"no such user")})
    api.deliver_due(clock=clock, http=FakeHttp())
    assert states() == [DeliveryState.FAILED]
    assert addresses.bounces("FRANK@riverside.example")
    assert "frank" not in Bounce.objects.get().address_key
    server.before = None
    other = arrive(announcement(severity="high"))
    api.approve(other.pk, MAIL, actor=by(alice), now=NOW)
    api.deliver_due(clock=clock, http=FakeHttp())
    assert mail.outbox == []
    assert states() == [DeliveryState.FAILED, DeliveryState.CANCELLED]


def test_a_temporary_refusal_is_tried_again(arrive, alice, by, frank, clock, server):
    item = arrive(announcement(severity="high"))
    api.approve(item.pk, MAIL, actor=by(alice), now=NOW)
    server.before = smtplib.SMTPDataError(451, b"try later")
    api.deliver_due(clock=clock, http=FakeHttp())
    assert states() == [DeliveryState.WAITING]
    server.before = None
    clock.advance(HOUR)
    api.deliver_due(clock=clock, http=FakeHttp())
    assert states() == [DeliveryState.SENT]


def test_instructors_get_mail_only_for_streams_that_they_asked_for(arrive, alice, by, clock):
    api.add_person("carol@riverside.example", Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    item = arrive(announcement(severity="critical"))
    api.open_channel("community", Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    to_instructors = Choices(audience=Audience.INSTRUCTORS, outlets=(OutletKind.MAIL,))
    api.approve(item.pk, to_instructors, actor=by(alice), now=NOW, seen=api.review(item.pk).seen)
    api.deliver_due(clock=clock, http=FakeHttp())
    assert mail.outbox == []
    carol = Person.objects.get(email="carol@riverside.example")
    api.choose(carol.uuid, api.Wish(streams=("community",)), now=NOW)
    other = arrive(announcement(severity="critical"))
    api.approve(other.pk, to_instructors, actor=by(alice), now=NOW, seen=api.review(other.pk).seen)
    api.deliver_due(clock=clock, http=FakeHttp())
    assert [message.to for message in mail.outbox] == [["carol@riverside.example"]]


def test_who_leaves_between_listing_and_sending_gets_nothing(arrive, alice, by, frank, clock, server):
    item = arrive(announcement(severity="high"))
    api.approve(item.pk, MAIL, actor=by(alice), now=NOW)
    server.unreachable = True
    api.deliver_due(clock=clock, http=FakeHttp())
    Person.objects.update(unsubscribed_at=NOW)
    server.unreachable = False
    clock.advance(HOUR)
    api.deliver_due(clock=clock, http=FakeHttp())
    assert mail.outbox == []
    assert states() == [DeliveryState.CANCELLED]


def test_a_webhook_is_signed_over_time_and_body_and_carries_its_key(arrive, alice, by, hook, clock):
    http = FakeHttp().answer(URL, b"ok")
    item = arrive(announcement())
    api.approve(item.pk, HOOK, actor=by(alice), now=NOW)
    api.deliver_due(clock=clock, http=http)
    (request,) = http.requests
    row = Delivery.objects.get()
    assert request.headers["Idempotency-Key"] == str(row.uuid)
    stamp = request.headers["Sapwood-Timestamp"]
    assert request.headers["Sapwood-Signature"] == f"v1={signature(hook, stamp, request.body)}"
    assert stamp == str(int(NOW.timestamp()))
    assert b"Ulmo is here" in request.body


def test_a_new_secret_signs_differently(hook, alice, by):
    before = secret_of(hook)
    after = secret_of(api.renew_webhook_secret(hook.uuid, actor=by(alice), now=NOW))
    assert before != after


def test_a_webhook_is_tried_again_with_the_same_key_and_ends_on_the_dead_letter_list(arrive, alice, by, hook, clock):
    http = FakeHttp().answer(URL, b"no", status=500)
    item = arrive(announcement())
    api.approve(item.pk, HOOK, actor=by(alice), now=NOW)
    for _ in range(delivering.MAX_WEBHOOK_ATTEMPTS + 3):
        api.deliver_due(clock=clock, http=http)
        clock.advance(DAY)
    assert len(http.requests) == delivering.MAX_WEBHOOK_ATTEMPTS
    assert len({request.headers["Idempotency-Key"] for request in http.requests}) == 1
    assert states() == [DeliveryState.FAILED]
    letter = WebhookDeadLetter.objects.get()
    assert "500" in letter.last_error
    api.repeat(letter.delivery.uuid, actor=by(alice), now=clock.now())
    good = FakeHttp().answer(URL, b"ok")
    api.deliver_due(clock=clock, http=good)
    assert states() == [DeliveryState.SENT]
    assert good.requests[0].headers["Idempotency-Key"] == http.requests[0].headers["Idempotency-Key"]


def test_a_webhook_waits_longer_after_each_failure(arrive, alice, by, hook, clock):
    http = FakeHttp().answer(URL, UnreachableError("no"))
    item = arrive(announcement())
    api.approve(item.pk, HOOK, actor=by(alice), now=NOW)
    waits = []
    for _ in range(3):
        api.deliver_due(clock=clock, http=http)
        waits.append(Delivery.objects.get().due_at - clock.now())
        clock.advance(waits[-1])
    assert waits[0] < waits[1] < waits[2]


def test_a_webhook_killed_in_flight_goes_again_with_the_same_key(arrive, alice, by, hook, clock):
    item = arrive(announcement())
    api.approve(item.pk, HOOK, actor=by(alice), now=NOW)

    def killed(request):
        raise KeyboardInterrupt

    http = FakeHttp().answer(URL, killed).answer(URL, b"ok")
    with pytest.raises(KeyboardInterrupt):
        api.deliver_due(clock=clock, http=http)
    assert states() == [DeliveryState.UNCERTAIN]
    api.deliver_due(clock=clock, http=http)
    assert states() == [DeliveryState.UNCERTAIN], "not before the hand-over can be over"
    clock.advance(delivering.IN_FLIGHT + dt.timedelta(seconds=1))
    api.deliver_due(clock=clock, http=http)
    assert states() == [DeliveryState.SENT]
    keys = {request.headers["Idempotency-Key"] for request in http.requests}
    assert len(keys) == 1


def test_a_webhook_follows_no_redirect(arrive, alice, by, hook, clock):
    http = FakeHttp().answer(URL, lambda request: Response(302, {"location": "https://evil.example/"}, b"", URL))
    item = arrive(announcement())
    api.approve(item.pk, HOOK, actor=by(alice), now=NOW)
    api.deliver_due(clock=clock, http=http)
    assert http.requests[0].follow_redirects == 0
    assert states() == [DeliveryState.WAITING]


def test_hard_case_34_an_approver_who_loses_the_role_holds_the_scheduled_delivery(
    arrive, alice, erin, by, frank, clock
):
    from sapwood.accounts.api import Role, revoke_role

    item = arrive(announcement(severity="high"))
    choices = Choices(outlets=(OutletKind.PAGE, OutletKind.MAIL), window=Window(NOW + DAY))
    api.approve(item.pk, choices, actor=by(alice), now=NOW)
    revoke_role(alice, role=Role.SITE_ADMINISTRATOR, actor=by(erin), now=NOW)
    clock.advance(DAY + HOUR)
    api.deliver_due(clock=clock, http=FakeHttp())
    assert mail.outbox == []
    assert not Delivery.objects.filter(state=DeliveryState.SENT).exists()
    assert {row.held_code for row in Dispatch.objects.all()} == {"gate.approver"}
    assert len(api.held()) == 2


def test_hard_case_31_what_the_installed_version_fixed_is_hidden_and_sent_no_more(arrive, alice, by, frank, clock):
    from sapwood.formats.logic import Answer
    from sapwood.site.inbox.data import Reader, Upstream

    item = arrive(announcement(condition={"fact": "release", "op": "<", "value": "ulmo.1"}, severity="high"))
    now_and_then = Choices(outlets=(OutletKind.PAGE, OutletKind.MAIL))
    api.approve(item.pk, now_and_then, actor=by(alice), now=NOW)
    delivering.list_recipients(Dispatch.objects.get(outlet="mail").pk, now=NOW)
    reader = Reader(Audience.ADMINISTRATORS, "en")
    assert len(api.announcements(reader, now=NOW).items) == 1
    assert api.retire(now=NOW, facts=SiteSays(Answer.NO)) == 1
    item.refresh_from_db()
    assert (item.upstream, item.decision) == (Upstream.FIXED_HERE, Decision.APPROVED)
    assert api.announcements(reader, now=NOW).items == []
    api.deliver_due(clock=clock, http=FakeHttp())
    assert mail.outbox == []
    assert states("mail") == [DeliveryState.CANCELLED]


def test_revoking_trust_cancels_what_waits(arrive, alice, by, clock):
    carol = api.add_person("carol@riverside.example", Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    item = arrive(announcement(severity="high"))
    api.open_channel("community", Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    StreamOptIn.objects.create(person=carol, channel="community", at=NOW)
    to_instructors = Choices(audience=Audience.INSTRUCTORS, outlets=(OutletKind.MAIL,), window=Window(NOW + DAY))
    api.approve(item.pk, to_instructors, actor=by(alice), now=NOW, seen=api.review(item.pk).seen)
    api.revoke_channel("community", actor=by(alice), now=NOW)
    api.open_channel("community", Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    clock.advance(2 * DAY)
    api.deliver_due(clock=clock, http=FakeHttp())
    assert mail.outbox == []


def test_the_window_ends_and_what_waits_is_cancelled(arrive, alice, by, frank, clock, server):
    item = arrive(announcement(severity="high"))
    api.approve(
        item.pk,
        Choices(outlets=(OutletKind.MAIL,), window=Window(NOW, NOW + HOUR)),
        actor=by(alice),
        now=NOW,
    )
    server.unreachable = True
    api.deliver_due(clock=clock, http=FakeHttp())
    server.unreachable = False
    clock.advance(2 * HOUR)
    api.deliver_due(clock=clock, http=FakeHttp())
    assert mail.outbox == []
    assert states() == [DeliveryState.CANCELLED]


def test_a_mail_is_in_the_readers_language_and_direction(arrive, alice, by, frank, clock):
    Person.objects.update(locale="ar")
    texts = {"en": {"title": "Ulmo is here"}, "ar": {"title": "أولمو هنا", "body": "نص"}}
    item = arrive(announcement(severity="high", texts=texts))
    api.approve(item.pk, MAIL, actor=by(alice), now=NOW)
    api.deliver_due(clock=clock, http=FakeHttp())
    (message,) = mail.outbox
    assert "أولمو هنا" in message.subject
    assert 'dir="rtl"' in message.alternatives[0][0]


def test_a_title_with_a_line_break_cannot_add_a_header(arrive, alice, by, frank, clock):
    from sapwood.site.inbox.data import Text

    item = arrive(announcement(severity="high"))
    api.save_text(item.pk, "en", Text("Hello\r\nBcc: everybody@evil.example"), actor=by(alice), now=NOW)
    api.approve(item.pk, MAIL, actor=by(alice), now=NOW)
    api.deliver_due(clock=clock, http=FakeHttp())
    (message,) = mail.outbox
    assert "\n" not in message.subject
    assert message.recipients() == ["frank@riverside.example"]


def test_giving_up_ends_an_uncertain_delivery(arrive, alice, by, frank, clock, server):
    item = arrive(announcement(severity="high"))
    api.approve(item.pk, MAIL, actor=by(alice), now=NOW)
    server.after = smtplib.SMTPServerDisconnected("gone")
    api.deliver_due(clock=clock, http=FakeHttp())
    api.give_up(Delivery.objects.get().uuid, actor=by(alice), now=NOW)
    assert states() == [DeliveryState.CANCELLED]


def test_the_clock_of_a_delivery_is_handed_in(clock):
    assert isinstance(clock, FixedClock)
    assert api.deliver_due(clock=clock, http=FakeHttp()).sent == 0


def test_who_takes_a_stream_back_between_listing_and_sending_gets_nothing(arrive, alice, by, clock, server):
    carol = api.add_person("carol@riverside.example", Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    item = arrive(announcement(severity="critical"))
    api.open_channel("community", Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    api.choose(carol.uuid, api.Wish(streams=("community",)), now=NOW)
    to_instructors = Choices(audience=Audience.INSTRUCTORS, outlets=(OutletKind.MAIL,))
    api.approve(item.pk, to_instructors, actor=by(alice), now=NOW, seen=api.review(item.pk).seen)
    server.unreachable = True
    api.deliver_due(clock=clock, http=FakeHttp())
    assert states() == [DeliveryState.WAITING]
    api.choose(carol.uuid, api.Wish(), now=NOW)
    server.unreachable = False
    clock.advance(HOUR)
    api.deliver_due(clock=clock, http=FakeHttp())
    assert mail.outbox == []
    assert states() == [DeliveryState.CANCELLED]


def test_who_moves_to_another_audience_gets_nothing_of_the_old_one(arrive, alice, by, frank, clock, server):
    item = arrive(announcement(severity="high"))
    api.approve(item.pk, MAIL, actor=by(alice), now=NOW)
    server.unreachable = True
    api.deliver_due(clock=clock, http=FakeHttp())
    Person.objects.update(audience=Audience.LEARNERS)
    server.unreachable = False
    clock.advance(HOUR)
    api.deliver_due(clock=clock, http=FakeHttp())
    assert mail.outbox == []
