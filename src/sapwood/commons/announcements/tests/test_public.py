"""The public announcements: only what was published, by audience, release and language; pages and feeds."""

import datetime as dt
import json

import pytest
from django.db import connection

from sapwood.accounts.api import create_person
from sapwood.commons.announcements.actions.outcome import Signed, mark_published, retract
from sapwood.commons.announcements.actions.publishing import publish_folder
from sapwood.commons.announcements.documents import document_bytes
from sapwood.commons.announcements.lines import set_line_order
from sapwood.commons.announcements.models import Announcement, Reference, Relation, Revision, State
from sapwood.commons.announcements.tests.conftest import ADVISORY, PLAIN, SPANISH, UUID_ONE, UUID_TWO
from sapwood.core.data import Actor
from sapwood.formats.canonical import sha256_hex
from sapwood.formats.versions import LineOrder

pytestmark = pytest.mark.django_db


def publish(folder, alice, bob, now):
    publish_folder(folder.path, actor=alice, second=bob, now=now)
    return serve_all(now)


def serve_all(now):
    rows = Revision.objects.select_related("announcement").filter(state=State.STAGED)
    signed = [Signed(row.announcement.uuid, row.number, row.sha256, now) for row in rows]
    return mark_published(signed, actor=Actor.system("test"), now=now)


@pytest.fixture
def clock(monkeypatch, now):
    from sapwood.commons.announcements.views import public
    from sapwood.core.clock import FixedClock

    fixed = FixedClock(now)
    monkeypatch.setattr(public, "system_clock", lambda: fixed)
    return fixed


@pytest.fixture
def lines():
    from sapwood.commons.announcements import lines as module

    before = list(module._sources)
    set_line_order(lambda: LineOrder(("teak", "ulmo", "verawood")))
    yield
    module._sources[:] = before


def titles(client, query=""):
    feed = client.get(f"/announcements/feed.json{query}").json()
    return sorted(item["title"] for item in feed["items"])


def test_only_what_the_channel_serves_is_public(client, folder, now, alice, bob, clock):
    folder.write("verawood.md", PLAIN)
    publish_folder(folder.path, actor=alice, now=now)
    assert titles(client) == []
    assert client.get("/announcements/verawood/").status_code == 404
    assert b"Verawood" not in client.get("/announcements/").content
    wrong = [Signed(Revision.objects.get().announcement.uuid, 1, "0" * 64, now)]
    assert mark_published(wrong, actor=alice, now=now) == 0
    serve_all(now)
    assert titles(client) == ["Verawood is out"]
    assert b"Verawood is out" in client.get("/announcements/").content
    assert client.get("/announcements/verawood/").status_code == 200


def test_pages_and_feeds_need_and_set_no_cookie(client, folder, now, alice, bob, clock):
    folder.write("verawood.md", PLAIN)
    publish(folder, alice, bob, now)
    for path in ("/announcements/feed.atom", "/announcements/feed.json"):
        response = client.get(path)
        assert not response.cookies
        assert "Cookie" not in response.get("Vary", "")
    assert client.get("/announcements/").status_code == 200


def test_an_unpublished_revision_does_not_show_through_a_published_one(client, folder, now, alice, bob, clock):
    folder.write("verawood.md", PLAIN)
    publish(folder, alice, bob, now)
    folder.write("verawood.md", PLAIN.replace("is out", "is secret"))
    publish_folder(folder.path, actor=alice, now=now)
    assert titles(client) == ["Verawood is out"]
    assert b"is secret" not in client.get("/announcements/verawood/").content


def test_an_announcement_appears_when_its_window_opens_and_goes_when_it_ends(client, folder, now, alice, bob, clock):
    window = "kind: news\npublish_at: 2026-11-23\nexpires_at: 2026-11-25"
    folder.write("verawood.md", PLAIN.replace("kind: release_notes", window))
    publish(folder, alice, bob, now)
    assert titles(client) == []
    assert client.get("/announcements/verawood/").status_code == 404
    clock.advance(dt.timedelta(days=1))
    assert titles(client) == ["Verawood is out"]
    clock.advance(dt.timedelta(days=3))
    assert titles(client) == []
    assert "has ended" in client.get("/announcements/verawood/").content.decode()


@pytest.mark.usefixtures("clock", "lines")
def test_filters_are_plain_get_parameters(client, folder, now, alice, bob):
    condition = "kind: news\naudience: instructors\ncondition:\n  fact: release\n  op: <\n  value: ulmo.1"
    folder.write("verawood.md", PLAIN.replace("kind: release_notes", condition))
    folder.write("verawood.es-419.md", SPANISH)
    folder.write("pdf.md", ADVISORY)
    publish(folder, alice, bob, now)
    everything = ["Update the PDF reader", "Verawood is out"]
    assert titles(client) == everything
    assert titles(client, "?audience=instructors") == ["Verawood is out"]
    assert titles(client, "?release=teak.3") == everything
    assert titles(client, "?release=ulmo.2") == ["Update the PDF reader"]
    assert titles(client, "?lang=es") == ["Salió Verawood"]
    assert titles(client, "?kind=advisory") == ["Update the PDF reader"]
    assert titles(client, "?kind=nonsense&audience='") == everything
    page = client.get("/announcements/?release=;;&lang=%3Cscript%3E").content.decode()
    assert "<script>" not in page.replace("<script src=", "")


def test_the_atom_feed_is_well_formed_and_conditional(client, folder, now, alice, bob, clock):
    from defusedxml.ElementTree import fromstring

    folder.write("verawood.md", PLAIN.replace("Verawood is out", '"A <b> & ]]> title"'))
    publish(folder, alice, bob, now)
    response = client.get("/announcements/feed.atom")
    root = fromstring(response.content)
    entry = root.find("{http://www.w3.org/2005/Atom}entry")
    assert entry.findtext("{http://www.w3.org/2005/Atom}title") == "A <b> & ]]> title"
    assert entry.findtext("{http://www.w3.org/2005/Atom}id") == f"urn:uuid:{UUID_ONE}"
    again = client.get("/announcements/feed.atom", headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    since = client.get("/announcements/feed.atom", headers={"If-Modified-Since": response["Last-Modified"]})
    assert since.status_code == 304


def test_the_json_feed_says_what_programs_want_to_know(client, folder, now, alice, bob, clock):
    folder.write("verawood.md", PLAIN)
    publish(folder, alice, bob, now)
    response = client.get("/announcements/feed.json")
    feed = json.loads(response.content)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    [item] = feed["items"]
    assert item["_sapwood"]["sha256"] == Revision.objects.get().sha256
    assert item["_sapwood"]["revision"] == 1
    assert item["url"].endswith("/announcements/verawood/")
    assert client.get("/announcements/feed.json", headers={"If-None-Match": response["ETag"]}).status_code == 304


def test_you_asked_we_did_stands_on_both_pages(client, folder, now, alice, bob, clock):
    request = "kind: feedback_request\nfeedback:\n  question: What is slow?"
    folder.write("slow.md", PLAIN.replace("kind: release_notes", request).replace("Verawood is out", "What is slow?"))
    answer = PLAIN.replace(UUID_ONE, UUID_TWO).replace("kind: release_notes", "kind: news\ncloses: [slow]")
    folder.write("faster.md", answer.replace("Verawood is out", "It is faster now"))
    publish(folder, alice, bob, now)
    asked = client.get("/announcements/slow/").content.decode()
    answered = client.get("/announcements/faster/").content.decode()
    assert "You asked, we did" in asked
    assert "/announcements/faster/" in asked
    assert "/announcements/slow/" in answered


def test_what_supersedes_replaces_on_the_list(client, folder, now, alice, bob, clock):
    folder.write("verawood.md", PLAIN)
    newer = PLAIN.replace(UUID_ONE, UUID_TWO).replace(
        "kind: release_notes", "kind: news\nchannel: releases\nsupersedes: [verawood]"
    )
    folder.write("newer.md", newer.replace("is out", "is even better"))
    publish(folder, alice, bob, now)
    assert titles(client) == ["Verawood is even better"]


def test_what_supersedes_replaces_only_once_it_is_out_and_in_its_own_channel(client, folder, now, alice, bob, clock):
    folder.write("pdf.md", ADVISORY)
    publish(folder, alice, bob, now)
    newer = PLAIN.replace("kind: release_notes", "kind: news\nsupersedes: [pdf]")
    folder.write("newer.md", newer)
    publish(folder, alice, bob, now)
    assert "Update the PDF reader" in titles(client)
    third = ADVISORY.replace(UUID_TWO, UUID_TWO.replace("0002", "0003")).replace(
        "severity", "supersedes: [pdf]\nseverity"
    )
    folder.write("third.md", third.replace("Update", "Really update"))
    publish_folder(folder.path, actor=alice, second=bob, now=now)
    assert "Update the PDF reader" in titles(client)
    serve_all(now)
    assert titles(client) == ["Really update the PDF reader", "Verawood is out"]


@pytest.mark.usefixtures("clock")
def test_the_public_list_asks_the_database_as_often_for_many_items_as_for_few(
    client, folder, now, alice, bob, django_assert_max_num_queries
):
    for number in range(12):
        text = PLAIN.replace(UUID_ONE, UUID_ONE[:-2] + f"{number + 10}")
        folder.write(f"item-{number}.md", text)
    publish(folder, alice, bob, now)
    with django_assert_max_num_queries(6):
        assert client.get("/announcements/feed.json").status_code == 200


def many_published(first, count, now):
    """Announcements as the publisher leaves them, some with an older one that they replace."""
    rows = Announcement.objects.bulk_create(
        [Announcement(slug=f"many-{number}", created_at=now) for number in range(first, first + count)]
    )
    made = Revision.objects.bulk_create([_published(row, now) for row in rows])
    replacing = zip(made[1::10], made[::10], strict=True)
    Reference.objects.bulk_create(
        [Reference(revision=new, relation=Relation.SUPERSEDES, target=old.announcement.uuid) for new, old in replacing]
    )


def _published(row, now):
    common = {"channel": "community", "kind": "news", "severity": "none", "audience": "administrators"}
    document = {"type": "announcement", "version": 1, "uuid": str(row.uuid), **common}
    raw = document_bytes({**document, "texts": {"en": {"title": row.slug, "body": "x"}}}, revision=1)
    return Revision(
        announcement=row,
        number=1,
        state=State.PUBLISHED,
        raw=raw,
        sha256=sha256_hex(raw),
        title=row.slug,
        locales=["en"],
        updated_at=now,
        published_at=now,
        **common,
    )


@pytest.mark.skipif(connection.vendor != "sqlite", reason="counts the steps of SQLite")
@pytest.mark.parametrize("page", ["/announcements/", "/announcements/feed.json", "/write/", "/"])
def test_ten_times_as_many_announcements_cost_about_ten_times_as_much(client, now, clock, page):
    """Counted in steps of the database's machine, not in time: what grows with the square of the list stands out."""
    user = create_person("bob@commons.example", actor=Actor.command(), now=now, roles=["release_manager"])
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def steps():
        count = [0]

        def tick():
            count[0] += 1
            return 0

        client.get(page)
        connection.connection.set_progress_handler(tick, 100)
        assert client.get(page).status_code == 200
        connection.connection.set_progress_handler(None, 0)
        return count[0]

    many_published(0, 40, now)
    few = steps()
    many_published(40, 360, now)
    assert steps() < 20 * max(few, 1)


def test_a_retracted_announcement_says_so_and_shows_nothing_else(client, folder, now, alice, bob, clock):
    folder.write("verawood.md", PLAIN)
    publish(folder, alice, bob, now)
    row = retract(Revision.objects.get().announcement.uuid, reason="It was wrong.", actor=alice, now=now)
    document = json.loads(bytes(row.raw))
    assert (document["type"], document["retracts"], document["channel"]) == ("retraction", UUID_ONE, "releases")
    assert titles(client) == []
    page = client.get("/announcements/verawood/").content.decode()
    assert "It was wrong." in page
    assert "new catalogue page" not in page


def test_taking_back_a_security_item_needs_a_second_person(folder, now, alice, bob):
    from sapwood.commons.announcements.errors import SecondPersonError

    folder.write("pdf.md", ADVISORY)
    publish(folder, alice, bob, now)
    assert retract(UUID_TWO, reason="Wrong file.", actor=alice, now=now).staged_at is None
    assert Revision.objects.get().state == State.PUBLISHED
    with pytest.raises(SecondPersonError):
        retract(UUID_TWO, reason="Wrong file.", actor=alice, now=now)
    assert retract(UUID_TWO, reason="", actor=bob, now=now).reason == "Wrong file."
    assert Revision.objects.get().state == State.RETRACTED
