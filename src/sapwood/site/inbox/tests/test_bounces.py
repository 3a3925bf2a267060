"""The bounce list: by hand, and from what mail servers send back; anybody may send something that looks like it."""

import io
import json
import mailbox
import sys
from email.message import EmailMessage
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes import FakeHttp

from sapwood.accounts.api import one_time_link
from sapwood.config.cli import main
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.core.errors import ForbiddenError
from sapwood.core.models import AuditName, AuditRow
from sapwood.site.inbox import addresses, api
from sapwood.site.inbox.data import Audience, Choices, DeliveryState, OutletKind
from sapwood.site.inbox.models import Bounce, Delivery, Mailing, Person
from sapwood.site.inbox.notices import MAX_BYTES, read_notices
from sapwood.site.inbox.tests.given import NOW, announcement

CLI = Actor.command()
FRANK = "frank@riverside.example"


def notice(message_id, recipient=FRANK, *, action="failed", status="5.1.1", original="", headers_only=True):
    """A delivery status notification as RFC 3464 describes it."""
    report = MIMEMultipart("report", **{"report-type": "delivery-status"})
    report["From"], report["To"] = "MAILER-DAEMON@mx.elsewhere.example", "sapwood@riverside.example"
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report.attach(MIMEText("I could not deliver it."))
    about = MIMEBase("message", "delivery-status")
    mail_fields, person_fields = EmailMessage(), EmailMessage()
    mail_fields["Reporting-MTA"] = "dns; mx.elsewhere.example"
    if original:
        person_fields["Original-Recipient"] = f"rfc822;{original}"
    person_fields["Final-Recipient"] = f"rfc822; {recipient}"
    person_fields["Action"], person_fields["Status"] = action, status
    about.set_payload([mail_fields, person_fields])
    report.attach(about)
    if headers_only:
        returned = MIMEText(f"Message-ID: {message_id}\nTo: {recipient}\n")
        returned.replace_header("Content-Type", "text/rfc822-headers")
    else:
        whole = EmailMessage()
        whole["Message-ID"], whole["To"] = message_id, recipient
        whole.set_content("What you sent.")
        returned = MIMEMessage(whole)
    report.attach(returned)
    return report.as_bytes()


@pytest.fixture
def sent(db, arrive, alice, by, clock):
    """Frank was sent one mail; its record."""
    row = api.add_person(FRANK, Audience.ADMINISTRATORS, actor=by(alice), now=NOW)
    Person.objects.filter(pk=row.pk).update(threshold="none")
    item = arrive(announcement(severity="high"))
    api.approve(item.pk, Choices(outlets=(OutletKind.MAIL,)), actor=by(alice), now=NOW)
    api.deliver_due(clock=clock, http=FakeHttp())
    assert len(mail.outbox) == 1
    return Mailing.objects.get()


def take(*mails):
    report = api.read_notices(mails, actor=CLI, now=NOW).as_dict()
    return {name: count for name, count in report.items() if count and name != "mails"}


@pytest.mark.parametrize("headers_only", [True, False])
def test_a_mail_that_came_back_for_good_is_the_last_one(sent, headers_only):
    assert take(notice(sent.message_id, headers_only=headers_only)) == {"hard": 1}
    row = Delivery.objects.get()
    assert (row.state, row.reason) == (DeliveryState.FAILED, "The mail came back for good")
    assert addresses.bounces(FRANK)
    (entry,) = AuditRow.objects.filter(action="people.bounced")
    assert (entry.subject, entry.details) == (sent.person.subject, {"status": "5.1.1", "refused_from_now_on": True})
    assert FRANK not in str(list(AuditRow.objects.values())) + str(list(AuditName.objects.values()))


def test_the_next_mail_to_such_an_address_is_not_sent(sent, arrive, alice, by, clock):
    take(notice(sent.message_id))
    item = arrive(announcement(severity="high"))
    api.approve(item.pk, Choices(outlets=(OutletKind.MAIL,)), actor=by(alice), now=NOW)
    api.deliver_due(clock=clock, http=FakeHttp())
    assert len(mail.outbox) == 1
    assert Delivery.objects.order_by("-pk").first().state == DeliveryState.CANCELLED


def test_a_mail_that_came_back_for_now_fails_and_the_address_stays_good(sent):
    assert take(notice(sent.message_id, status="4.2.2")) == {"soft": 1}
    assert Delivery.objects.get().state == DeliveryState.FAILED
    assert not addresses.bounces(FRANK)


@pytest.mark.parametrize(("action", "status"), [("delayed", "4.4.1"), ("relayed", "2.1.5"), ("delivered", "2.0.0")])
def test_a_mail_that_is_late_or_arrived_changes_nothing(sent, action, status):
    assert take(notice(sent.message_id, action=action, status=status)) == {"late": 1}
    assert Delivery.objects.get().state == DeliveryState.SENT


def test_a_notice_counts_once_even_after_the_address_was_allowed_again(sent):
    raw = notice(sent.message_id)
    assert take(raw, raw) == {"hard": 1, "known": 1}
    api.allow_mail(FRANK, actor=CLI, now=NOW)
    assert take(raw) == {"known": 1}
    assert not addresses.bounces(FRANK)


def test_an_address_that_was_forwarded_is_known_by_the_original_one(sent):
    assert take(notice(sent.message_id, "frank@elsewhere.example", original="Frank@Riverside.example")) == {"hard": 1}


@pytest.mark.parametrize(
    ("message_id", "recipient"),
    [
        ("<made-up@127.0.0.1>", FRANK),
        ("", FRANK),
        ("{id}", "erin@riverside.example"),
        ("{id}", "frank@riverside.example.evil.example"),
        ("{id}", "frank@riverside.example\\, erin@riverside.example"),
        ("{upper}", FRANK),
    ],
)
def test_a_forged_notice_counts_for_nobody(sent, alice, by, message_id, recipient):
    api.add_person("erin@riverside.example", Audience.ADMINISTRATORS, actor=by(alice), now=NOW)
    known = message_id.format(id=sent.message_id, upper=sent.message_id.upper())
    assert set(take(notice(known, recipient))) <= {"foreign", "other"}
    assert Delivery.objects.get().state == DeliveryState.SENT
    assert not Bounce.objects.exists()


def test_a_message_id_elsewhere_in_the_mail_counts_for_nobody(sent):
    raw = notice("<x@elsewhere.example>").replace(b"I could not", f"Message-ID: {sent.message_id}\n".encode())
    assert take(raw, raw.replace(b"From:", f"Message-ID: {sent.message_id}\nFrom:".encode())) == {"foreign": 2}


def test_what_does_not_call_itself_a_report_is_none(sent):
    assert take(notice(sent.message_id).replace(b"multipart/report", b"multipart/mixed")) == {"other": 1}


@pytest.mark.parametrize("status", ["5", "5.1", "5.1.1111", "6.1.1", "five", "", "5.1.1\x00", "١.٢.٣"])
def test_a_status_that_is_none_counts_for_nothing(sent, status):
    found = take(notice("{id}").replace(b"{id}", sent.message_id.encode()).replace(b"5.1.1", status.encode()))
    assert set(found) <= {"other", "hard"}
    assert ("hard" in found) == status.startswith("5.1.1\x00")


def test_a_notice_about_an_erased_person_counts_for_nobody(sent, alice, by):
    api.erase_personal(FRANK, actor=by(alice), now=NOW)
    assert take(notice(sent.message_id)) == {"foreign": 1}
    assert not Bounce.objects.exists()


DEEP = b"".join(b"Content-Type: multipart/report; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000))
HOSTILE = [
    b"",
    b"\x00" * 1000,
    b"From: x\n\nHello, your mail 5.1.1 failed.",
    b"Content-Type: multipart/report; report-type=delivery-status\n\nno parts",
    b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n\n--b--\n",
    b"Content-Type: multipart/report; boundary=b; charset*=utf-8''%ff\n\n--b\nContent-Type: message/rfc822\n\n--b--",
    DEEP,
    b"Content-Type: multipart/report; boundary=b\n\n" + b"--b\n\n" * 50_000,
    b"x" * (MAX_BYTES + 1),
]


@pytest.mark.parametrize("raw", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_mail_is_no_notice(raw):
    assert read_notices(raw) == []


@settings(max_examples=200)
@given(st.binary(max_size=400), st.integers(0, 900))
def test_no_bytes_break_the_reader(noise, at):
    raw = notice("<x@y>")
    read_notices(noise)
    read_notices(raw[:at] + noise + raw[at:])
    read_notices(raw[:at] + noise)


# --- the command ---


@pytest.fixture
def sapwood(capsys):
    def run(*words, expect=0):
        with pytest.raises(SystemExit) as done:
            main(["people", *words, "--json"])
        assert done.value.code == expect, capsys.readouterr()
        return json.loads(capsys.readouterr().out)

    return run


class Pipe(io.TextIOWrapper):
    def isatty(self):
        return False


def test_a_mail_server_pipes_one_mail_in(sent, sapwood, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Pipe(io.BytesIO(notice(sent.message_id))))
    assert sapwood("bounced")["hard"] == 1
    monkeypatch.setattr(sys, "stdin", Pipe(io.BytesIO(b"Subject: out of office\n\nI am away.")))
    none = dict.fromkeys(("hard", "soft", "late", "known", "foreign"), 0)
    assert sapwood("bounced") == {**none, "mails": 1, "other": 1}


@pytest.mark.parametrize("kind", [mailbox.mbox, mailbox.Maildir])
def test_a_mailbox_is_read_and_left_as_it_is(sent, sapwood, tmp_path, kind):
    path = tmp_path / "box"
    box = kind(path)
    for raw in (b"Subject: hello\n\nhi", notice(sent.message_id), b"\xff\xfe", notice("<x@y>")):
        box.add(raw)
    box.close()
    before = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    first = sapwood("bounced", str(path))
    assert (first["mails"], first["hard"], first["foreign"], first["other"]) == (4, 1, 1, 2)
    assert sapwood("bounced", str(path))["known"] == 1
    assert {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()} == before


def test_what_is_no_mailbox_is_one_line(db, sapwood, tmp_path):
    assert sapwood("bounced", str(tmp_path), expect=2)["error"]["code"] == "core.usage"
    assert sapwood("bounced", str(tmp_path / "missing"), expect=2)["error"]["code"] == "core.usage"
    (tmp_path / "rubbish").write_bytes(b"\x00\xff" * 100)
    assert sapwood("bounced", str(tmp_path / "rubbish"))["mails"] == 0


# --- by hand ---


def test_an_address_is_blocked_and_unblocked_by_command(db, alice, by, sapwood):
    api.add_person(FRANK, Audience.ADMINISTRATORS, actor=by(alice), now=NOW)
    assert sapwood("block", FRANK) == {"refused": True}
    assert sapwood("list")["people"][0]["mail_is_refused"] is True
    assert sapwood("block", FRANK) == {"refused": True}
    assert sapwood("unblock", FRANK) == {"refused": False}
    assert sapwood("unblock", FRANK, expect=1)["error"]["code"] == "core.not_found"
    assert sapwood("block", "not an address", expect=2)["error"]["code"] == "core.usage"
    found = AuditRow.objects.filter(action__in=["people.refuse_mail", "people.allow_mail"]).order_by("seq")
    assert [row.action for row in found] == ["people.refuse_mail", "people.allow_mail"]
    assert FRANK not in str(list(AuditRow.objects.values()))


def test_an_address_is_blocked_and_unblocked_on_the_page(db, alice, rita, by):
    api.add_person(FRANK, Audience.ADMINISTRATORS, actor=by(alice), now=NOW)
    client = Client()
    client.post(one_time_link(alice, base_url="http://testserver", now=system_clock().now(), actor=CLI))
    address = reverse("inbox:people_refuse")
    assert "mail is refused" in client.post(address, {"email": FRANK}, follow=True).content.decode()
    assert addresses.bounces(FRANK)
    assert "again" in client.post(address, {"email": FRANK, "what": "allow"}, follow=True).content.decode()
    assert not addresses.bounces(FRANK)
    assert "not refused" in client.post(address, {"email": FRANK, "what": "allow"}, follow=True).content.decode()
    assert "not a mail address" in client.post(address, {"email": "x"}, follow=True).content.decode()
    with pytest.raises(ForbiddenError):
        api.refuse_mail(FRANK, actor=by(rita), now=NOW)
