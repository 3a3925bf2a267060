import csv
import io

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from tests.fakes import FakeHttp
from tests.people import sign_in

from sapwood.core import audit, paths
from sapwood.core.clock import system_clock
from sapwood.core.errors import ForbiddenError, UsageError
from sapwood.core.models import AuditRow, Job
from sapwood.core.worker import run_worker
from sapwood.site.inbox import addresses, api, tokens
from sapwood.site.inbox.actions.people import StreamClosedError
from sapwood.site.inbox.actions.people_files import CsvError
from sapwood.site.inbox.data import Audience, Choices, DeliveryState, OutletKind
from sapwood.site.inbox.models import Delivery, Person
from sapwood.site.inbox.tests.given import DAY, HOUR, NOW, announcement
from sapwood.site.inbox.tokens import BadLinkError

pytestmark = pytest.mark.django_db
CAROL = "carol@riverside.example"


def subscribe(django_capture_on_commit_callbacks, email=CAROL, now=NOW):
    with django_capture_on_commit_callbacks(execute=True):
        api.subscribe(email, Audience.INSTRUCTORS, now=now)


def test_a_subscription_counts_once_its_link_was_used(django_capture_on_commit_callbacks):
    subscribe(django_capture_on_commit_callbacks)
    (message,) = mail.outbox
    assert "announcements/confirm/" in message.body
    person = Person.objects.get()
    assert person.confirmed_at is None
    token = tokens.confirm(person, now=NOW)
    api.confirm(token, now=NOW + HOUR)
    person.refresh_from_db()
    assert person.confirmed_at == NOW + HOUR
    with pytest.raises(BadLinkError):
        api.confirm(token, now=NOW + HOUR)


def test_a_link_that_is_too_old_or_for_something_else_confirms_nothing(django_capture_on_commit_callbacks):
    subscribe(django_capture_on_commit_callbacks)
    person = Person.objects.get()
    with pytest.raises(BadLinkError):
        api.confirm(tokens.confirm(person, now=NOW), now=NOW + 8 * DAY)
    with pytest.raises(BadLinkError):
        api.confirm(tokens.unsubscribe(person), now=NOW)
    with pytest.raises(BadLinkError):
        api.confirm("rubbish", now=NOW)


def test_opening_the_link_confirms_nothing_only_the_button_does(client, django_capture_on_commit_callbacks):
    from sapwood.core.clock import system_clock

    subscribe(django_capture_on_commit_callbacks)
    person = Person.objects.get()
    address = reverse("inbox:confirm", args=[tokens.confirm(person, now=system_clock().now())])
    assert client.get(address).status_code == 200
    person.refresh_from_db()
    assert person.confirmed_at is None
    assert client.post(address).status_code == 302
    person.refresh_from_db()
    assert person.confirmed_at is not None


def test_asking_tells_nobody_whether_an_address_is_known_and_floods_nobody(
    alice, by, django_capture_on_commit_callbacks
):
    api.add_person(CAROL, Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    subscribe(django_capture_on_commit_callbacks)
    assert mail.outbox == []
    subscribe(django_capture_on_commit_callbacks, "dave@riverside.example")
    subscribe(django_capture_on_commit_callbacks, "dave@riverside.example")
    assert len(mail.outbox) == 1


def test_nobody_makes_themselves_an_administrator():
    with pytest.raises(UsageError):
        api.subscribe("eve@evil.example", Audience.ADMINISTRATORS, now=NOW)


def test_a_csv_is_confirmed_by_who_imports_it_and_signs_nobody_up_for_a_stream(alice, by):
    raw = b"email,locale\ncarol@riverside.example,es\ndave@riverside.example,\n"
    report = api.import_csv(raw, audience=Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    assert (report.added, report.refused) == (2, ())
    carol = Person.objects.get(email=CAROL)
    assert (carol.confirmed_at, carol.locale, carol.source) == (NOW, "es", "csv")
    assert carol.streams.count() == 0
    again = api.import_csv(raw, audience=Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    assert (again.added, again.unchanged) == (0, 2)


def test_a_csv_brings_nobody_back_who_left(alice, by):
    person = api.add_person(CAROL, Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    api.unsubscribe(tokens.unsubscribe(person), now=NOW)
    api.import_csv(b"email\ncarol@riverside.example\n", audience=Audience.LEARNERS, actor=by(alice), now=NOW)
    assert Person.objects.get().unsubscribed_at == NOW


@pytest.mark.parametrize(
    "line",
    [
        "=cmd|' /C calc'!A0", "+1@evil.example", "@SUM(1)", "not an address", "a@b", "x@y.example,extra,cells,here",
        '"x@y.example\r\nBcc: z@y.example"', "名@例え.example", "x@y.example,gods", "-x@y.example",
    ],
)  # fmt: skip
def test_a_hostile_line_is_refused_on_its_own(line, alice, by):
    raw = f"email,audience\n{line}\ncarol@riverside.example,\n".encode()
    report = api.import_csv(raw, audience=Audience.LEARNERS, actor=by(alice), now=NOW)
    assert report.added == 1
    assert len(report.refused) == 1


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"name\nx\n", b"", b'email\n"open', b"email\n\x00\n"])
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(raw, alice, by):
    with pytest.raises(CsvError):
        api.import_csv(raw, audience=Audience.LEARNERS, actor=by(alice), now=NOW)


def test_a_csv_with_semicolons_and_a_mark_at_its_start_is_read(alice, by):
    raw = "\ufeffEmail;Locale\r\ncarol@riverside.example;es\r\n".encode()
    assert api.import_csv(raw, audience=Audience.LEARNERS, actor=by(alice), now=NOW).added == 1


def test_an_export_runs_no_formula():
    row = Person(email="=HYPERLINK(1)@x.example", audience="learners", source="csv", added_at=NOW)
    (_head, cells) = csv.reader(io.StringIO(api.export_csv([row])))
    assert cells[0] == "'=HYPERLINK(1)@x.example"


def test_only_an_administrator_sees_or_changes_the_list(rita, by, client):
    with pytest.raises(ForbiddenError):
        api.add_person(CAROL, Audience.LEARNERS, actor=by(rita), now=NOW)
    client.force_login(rita)
    assert client.get(reverse("inbox:people")).status_code == 403


def test_instructors_opt_in_to_streams_that_an_administrator_opened_and_to_no_others(arrive, alice, by):
    arrive(announcement())
    person = api.add_person(CAROL, Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    with pytest.raises(StreamClosedError):
        api.choose(person.uuid, api.Wish(streams=("community",)), now=NOW)
    api.open_channel("community", Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    api.choose(person.uuid, api.Wish(streams=("community",)), now=NOW)
    assert person.streams.count() == 1
    api.choose(person.uuid, api.Wish(), now=NOW)
    assert person.streams.count() == 0


def test_an_invitation_to_the_forum_is_accepted_by_who_was_invited(alice, by):
    person = api.add_person(CAROL, Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    api.choose(person.uuid, api.Wish(forum=True), now=NOW)
    person.refresh_from_db()
    assert person.forum_accepted_at is None
    assert api.invite_to_forum([person.uuid], actor=by(alice), now=NOW) == 1
    api.choose(person.uuid, api.Wish(forum=True), now=NOW)
    person.refresh_from_db()
    assert person.forum_accepted_at == NOW


def test_erasing_forgets_the_address_and_keeps_the_count_and_the_chain(arrive, alice, by, clock):
    person = api.add_person("frank@riverside.example", Audience.ADMINISTRATORS, actor=by(alice), now=NOW)
    item = arrive(announcement(severity="critical"))
    api.approve(item.pk, Choices(outlets=(OutletKind.MAIL,)), actor=by(alice), now=NOW)
    api.deliver_due(clock=clock, http=FakeHttp())
    addresses.remember(person.email, "full", now=NOW)
    assert api.export_personal("Frank@riverside.example")["deliveries"][0]["state"] == "sent"
    assert api.erase_personal("frank@riverside.example", actor=by(alice), now=NOW)
    assert api.export_personal("frank@riverside.example") == {}
    row = Delivery.objects.get()
    assert (row.state, row.person, str(person.uuid) in row.target) == (DeliveryState.SENT, None, False)
    assert not addresses.bounces("frank@riverside.example")
    assert not AuditRow.objects.filter(details__icontains="frank").exists()
    assert audit.verify(paths.role_dir() / "none").problems == []


def test_a_signed_in_instructor_joins_with_their_own_address(carol, client, arrive):
    client.force_login(carol)
    assert client.get(reverse("inbox:mine")).status_code == 200
    assert client.post(reverse("inbox:mine")).status_code == 302
    person = Person.objects.get()
    assert (person.email, person.audience, person.source) == (CAROL, "instructors", "oidc")


def test_one_click_needs_no_cookie_and_pressing_twice_changes_nothing(alice, by):
    from django.test import Client

    person = api.add_person(CAROL, Audience.LEARNERS, actor=by(alice), now=NOW)
    strict = Client(enforce_csrf_checks=True)
    address = reverse("inbox:unsubscribe", args=[tokens.unsubscribe(person)])
    for _ in range(2):
        assert strict.post(address, {"List-Unsubscribe": "One-Click"}).status_code == 200
    person.refresh_from_db()
    assert person.unsubscribed_at is not None
    assert AuditRow.objects.filter(action="people.unsubscribe").count() == 1


def test_an_address_that_nobody_confirmed_is_forgotten_when_its_link_is_over(django_capture_on_commit_callbacks):
    subscribe(django_capture_on_commit_callbacks)
    assert api.forget_unconfirmed(now=NOW + 6 * DAY) == 0
    assert api.forget_unconfirmed(now=NOW + 8 * DAY) == 1
    assert not Person.objects.exists()


def test_a_flood_of_asking_ends(django_capture_on_commit_callbacks, monkeypatch):
    from sapwood.site.inbox.actions import people

    monkeypatch.setattr(people, "MAX_ASKS", 2)
    for number in range(2):
        subscribe(django_capture_on_commit_callbacks, f"p{number}@r.example")
    with pytest.raises(people.TooManyAsksError):
        api.subscribe("p3@r.example", Audience.LEARNERS, now=NOW)
    assert len(mail.outbox) == 2


def file_of(count, name="people.csv"):
    text = "email\n" + "".join(f"p{number}@riverside.example\n" for number in range(count)) + "nonsense\n"
    return SimpleUploadedFile(name, text.encode(), "text/csv")


@pytest.fixture
def console(client, alice):
    sign_in(client, alice)
    return client


def test_a_long_file_is_imported_by_the_worker_and_pressing_twice_does_it_once(console, monkeypatch):
    monkeypatch.setattr("sapwood.site.inbox.views.people.AT_ONCE", 3)
    address = reverse("inbox:people_import")
    looked = console.post(address, {"file": file_of(7), "audience": "learners"})
    assert "would be added" in looked.text
    begun = [console.post(address, {"confirmed": "yes"})["Location"] for _ in range(2)]
    assert len(set(begun)) == 1
    assert Person.objects.count() == 0
    page = console.get(begun[0], headers={"accept-language": "es-419"}).text
    assert "refresh" in page
    run_worker(clock=system_clock(), once=True)
    page = console.get(begun[0]).text
    assert "finished" in page
    assert "7 added, 0 changed, 1 refused." in page
    assert Person.objects.filter(audience="learners").count() == 7
    assert not Job.objects.filter(payload__has_key="text").exists()  # the addresses stand on the list and nowhere else
    assert Person.objects.count() == 7


def test_a_long_import_speaks_the_language_of_who_began_it(console, monkeypatch):
    monkeypatch.setattr("sapwood.site.inbox.views.people.AT_ONCE", 0)
    address = reverse("inbox:people_import")
    console.post(address, {"file": file_of(2), "audience": "learners"})
    begun = console.post(address, {"confirmed": "yes"}, headers={"accept-language": "es-419"})["Location"]
    run_worker(clock=system_clock(), once=True)
    assert "2 added" not in console.get(begun, headers={"accept-language": "es-419"}).text


def test_whoever_loses_their_role_before_the_worker_comes_imports_nothing(console, alice, monkeypatch):
    monkeypatch.setattr("sapwood.site.inbox.views.people.AT_ONCE", 0)
    address = reverse("inbox:people_import")
    console.post(address, {"file": file_of(2), "audience": "learners"})
    begun = console.post(address, {"confirmed": "yes"})["Location"]
    alice.grants.all().delete()
    run_worker(clock=system_clock(), once=True)
    job = Job.objects.get(uuid=begun.rstrip("/").rpartition("/")[2])
    assert (job.state, job.error["code"]) == ("FAILED", "jobs.stopped")
    assert Person.objects.count() == 0


def test_a_short_file_is_imported_at_once_and_a_second_press_answers_alike(console):
    address = reverse("inbox:people_import")
    console.post(address, {"file": file_of(2), "audience": "learners"})
    first, second = (console.post(address, {"confirmed": "yes"}) for _ in range(2))
    assert first["Location"] == second["Location"] == reverse("inbox:people")
    page = console.get(reverse("inbox:people")).text
    assert page.count("2 added, 0 changed, 1 refused.") == 2
    assert "Choose the file again" not in page
    assert Person.objects.count() == 2
    assert "Choose the file again" in console.post(address, {"confirmed": "yes"}, follow=True).text


def test_a_file_is_written_and_audited_in_parts_and_whoever_is_killed_between_them_imports_it_again(
    alice, by, monkeypatch
):
    monkeypatch.setattr("sapwood.site.inbox.actions.people_files.BATCH", 3)
    raw = file_of(8).read()

    def killed(done, _total):
        if done == 6:
            raise KeyboardInterrupt

    chosen = {"audience": Audience.LEARNERS, "actor": by(alice), "now": NOW}
    with pytest.raises(KeyboardInterrupt):
        api.import_csv(raw, progress=killed, **chosen)
    assert Person.objects.count() == 6
    report = api.import_csv(raw, **chosen)
    assert (report.added, report.changed, report.unchanged, len(report.refused)) == (2, 0, 6, 1)
    rows = AuditRow.objects.filter(action="people.import").order_by("seq")
    assert [row.details["added"] for row in rows] == [3, 3, 0, 0, 2]
    assert [row.details["refused"] for row in rows] == [1, 0, 1, 0, 0]
