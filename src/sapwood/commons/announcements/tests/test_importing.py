"""Importing feeds of strangers: the hard cases through the front door. Items become drafts, one by one."""

import datetime as dt
import random

import pytest
from django.db import IntegrityError, transaction
from tests.fakes import FakeHttp

from sapwood.commons.announcements import api
from sapwood.commons.announcements.documents import read_document
from sapwood.commons.announcements.errors import TrustError
from sapwood.commons.announcements.models import Announcement, ImportedEntry, Revision, Source, State
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError
from sapwood.core.models import AuditRow
from sapwood.formats.phrase import recalled

pytestmark = pytest.mark.django_db
URL = "https://blog.example.org/feed.xml"
DAY = dt.timedelta(days=2)


def rss(*items):
    body = "".join(f"<item>{item}</item>" for item in items)
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Blog</title>{body}</channel></rss>'


def item(
    guid="post-1",
    title="Hello",
    body="Some words.",
    link="https://blog.example.org/hello",
    date="Mon, 02 Nov 2026 10:00:00 GMT",
):
    guid_tag = f'<guid isPermaLink="false">{guid}</guid>' if guid else ""
    date_tag = f"<pubDate>{date}</pubDate>" if date else ""
    text = f"<description><![CDATA[{body}]]></description>"
    return f"<title><![CDATA[{title}]]></title>{guid_tag}<link>{link}</link>{date_tag}{text}"


class Reader:
    """Reads one source again and again, as the worker does."""

    def __init__(self, source, now):
        self.source, self.now = source, now

    def read(self, body, *, content_type="application/rss+xml", later=DAY, url=URL):
        self.now += later
        http = FakeHttp().answer(url, body, headers={"content-type": content_type})
        return api.import_source(
            self.source, http=http, chance=random.Random(1), actor=Actor.system("poll"), now=self.now
        )


@pytest.fixture
def blog(now, bob):
    return api.add_source(Source(name="blog", url=URL), actor=bob, now=now)


@pytest.fixture
def reader(blog, now):
    return Reader(blog, now)


def drafts():
    return {row.title: row for row in Revision.objects.select_related("announcement")}


def body_of(revision):
    return read_document(revision.raw)["texts"]["en"]["body"]


def test_items_become_drafts_with_their_link(reader):
    report = reader.read(rss(item()))
    assert (report["new"], report["refused"]) == (1, [])
    [revision] = drafts().values()
    assert (revision.state, revision.channel, revision.kind) == (State.DRAFT, "community", "news")
    assert read_document(revision.raw)["links"][0]["url"] == "https://blog.example.org/hello"
    assert AuditRow.objects.filter(action="announcements.import").exists()


def test_case_17_and_19_scripts_and_tracking_pixels_do_not_reach_a_draft(reader):
    hostile = '<p>Hi<script>alert(1)</script><svg onload=alert(1)></svg><img src="https://t.example/p.gif"></p>'
    hostile += "<style>@import url(x)</style>"
    reader.read(rss(item(title="<script>alert(1)</script>Hello", body=hostile)))
    [revision] = Revision.objects.all()
    stored = bytes(revision.raw).decode()
    assert not any(word in stored for word in ("<script", "onload", "p.gif", "@import"))
    assert "Hi" in body_of(revision)


@pytest.mark.parametrize("link", ["javascript:alert(1)", "//evil.example/x", "https://openedx.org@evil.example/"])
def test_case_18_dangerous_links_are_removed_and_listed(reader, link):
    reader.read(rss(item(body=f'<a href="{link}">x</a>', link=link)))
    entry = ImportedEntry.objects.get()
    assert entry.url == ""
    assert any("removed" in problem for problem in entry.problems)
    assert "links" not in read_document(Revision.objects.get().raw)


def test_case_20_and_21_misleading_characters_go_and_braces_stay(reader):
    reader.read(rss(item(title="a\u202eb\u200b {p} {{x}} %s" + "z" * 10_000)))
    title = Revision.objects.get().title
    assert "\u202e" not in title
    assert "{p} {{x}} %s" in title
    assert len(title) <= 200


def test_case_22_a_feed_with_entities_is_refused_and_said_so(reader):
    bomb = '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaa"><!ENTITY b "&a;&a;">]>' + rss(item(title="&b;"))[21:]
    report = reader.read(bomb)
    assert report["outcome"] == "failed"
    reader.source.refresh_from_db()
    assert reader.source.last_error["code"].startswith("feed.")
    assert Announcement.objects.count() == 0


@pytest.mark.parametrize("date", ["not a date", "Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 02 Nov 2099 10:00:00 GMT", ""])
def test_case_23_a_doubtful_date_is_a_problem_of_that_item_alone(reader, date):
    report = reader.read(rss(item(date=date), item(guid="good", title="Good")))
    assert report["new"] == 2
    doubtful = ImportedEntry.objects.get(guid="post-1")
    assert doubtful.problems
    assert ImportedEntry.objects.get(guid="good").problems == []


def test_case_24_duplicates_and_missing_identifiers(reader):
    reader.read(rss(item(), item(), item(body="Another body."), item(guid="", title="Nameless")))
    assert sorted(row.title for row in Revision.objects.all()) == ["Hello", "Hello", "Nameless"]
    again = reader.read(
        rss(item(), item(body="Another body."), item(guid="", title="Nameless"), item(guid="n", title="New"))
    )
    assert (again["same"], again["new"]) == (3, 1)


def test_case_24_an_identifier_used_again_after_a_year_is_another_item(reader):
    reader.read(rss(item(date="Mon, 02 Nov 2025 10:00:00 GMT")))
    other = item(title="Quite different", body="New words.", link="https://blog.example.org/other")
    for expected in ("reused", "same"):
        report = reader.read(rss(other, item(guid=f"x{expected}", title=f"Filler {expected}")))
        assert report[expected] == 1
    assert {"Hello", "Quite different"} <= set(drafts())
    assert Announcement.objects.count() == 4


def test_case_24_the_same_identifier_in_two_feeds_is_two_items(reader, now, bob):
    other = api.add_source(Source(name="other", url="https://other.example.org/feed"), actor=bob, now=now)
    reader.read(rss(item()))
    Reader(other, now).read(rss(item(title="Other", body="Other words.")), url=other.url)
    assert sorted(drafts()) == ["Hello", "Other"]
    Reader(other, now + DAY).read(rss(item(title="Changed", body="Changed.")), url=other.url)
    assert sorted(drafts()) == ["Changed", "Hello"]


def test_case_25_five_edits_are_one_draft_revision(reader):
    for number in range(5):
        reader.read(rss(item(body=f"Version {number}.")))
    [revision] = Revision.objects.all()
    assert (revision.number, "Version 4" in body_of(revision)) == (1, True)


def test_case_26_a_moved_blog_is_flagged_not_duplicated(reader):
    old = [
        item(
            guid=f"https://old.example/?p={n}",
            title=f"Post {n}",
            body=f"Words {n}.",
            link=f"https://old.example/post-{n}",
        )
        for n in (1, 2)
    ]
    new = [
        item(
            guid=f"https://new.example/?p={n}",
            title=f"Post {n}",
            body=f"Words {n}.",
            link=f"https://new.example/post-{n}",
        )
        for n in (1, 2)
    ]
    reader.read(rss(*old))
    report = reader.read(rss(*new))
    assert (report["moved"], report["new"]) == (2, 0)
    assert Announcement.objects.count() == 2
    assert all("It moved" in recalled(entry.problems[-1]) for entry in ImportedEntry.objects.all())
    assert reader.read(rss(*new, item(guid="z", title="Z")))["same"] == 2


def test_case_27_too_many_and_too_large_items_leave_the_others(reader):
    huge = item(guid="huge", title="Huge", body="<p>" + "x" * 1_200_000 + "</p>")
    report = reader.read(rss(huge, item()))
    assert (len(report["refused"]), report["new"]) == (1, 1)
    assert list(drafts()) == ["Hello"]


def test_case_27_a_feed_beyond_the_limit_is_refused_whole(reader):
    report = reader.read(b"<rss>" + b"x" * (17 * 1024 * 1024))
    assert (report["outcome"], Announcement.objects.count()) == ("failed", 0)


def test_a_person_s_edit_is_never_overwritten(reader, bob):
    reader.read(rss(item()))
    revision = Revision.objects.select_related("announcement").get()
    document = read_document(revision.raw)
    document["texts"]["en"]["body"] = "Bob's better words."
    api.save_draft(document, slug=revision.announcement.slug, actor=bob, now=reader.now)
    report = reader.read(rss(item(body="The source's new words.")))
    assert report["conflicts"] == 1
    assert body_of(Revision.objects.get()) == "Bob's better words."
    assert ImportedEntry.objects.get().conflict


def test_an_edit_of_what_was_approved_voids_the_approval(reader, bob):
    reader.read(rss(item()))
    revision = Revision.objects.select_related("announcement").get()
    key = revision.announcement.uuid
    api.submit(key, sha256=revision.sha256, actor=bob, now=reader.now)
    api.approve(key, sha256=revision.sha256, actor=bob, now=reader.now)
    reader.read(rss(item(body="Other words.")))
    assert Revision.objects.get().state == State.DRAFT


def test_validators_go_back_and_a_pause_is_obeyed(blog, now):
    http = FakeHttp()
    http.answer(URL, rss(item()), headers={"content-type": "text/xml", "etag": 'W/"1"'})
    http.answer(URL, b"", status=304)
    http.answer(URL, b"", status=429, headers={"retry-after": "86400"})
    results = []
    for step in (0, 1, 3, 24, 4):
        now += dt.timedelta(hours=step)
        results.append(
            api.import_source(blog, http=http, chance=random.Random(1), actor=Actor.system("poll"), now=now)["outcome"]
        )
    assert results == ["new", "not_due", "unchanged", "failed", "not_due"]
    assert http.requests[1].headers["If-None-Match"] == 'W/"1"'


def test_one_trusted_feed_goes_straight_to_the_signers_after_its_backlog(now, bob):
    trusted = api.add_source(Source(name="own", url=URL, trusted=True), actor=bob, now=now)
    reader = Reader(trusted, now)
    reader.read(rss(item()))
    assert Revision.objects.get().state == State.DRAFT
    report = reader.read(
        rss(item(), item(guid="2", title="Second", body="More."), item(guid="3", title="Odd", date="x"))
    )
    assert report["staged"] == 1
    states = {row.title: row.state for row in Revision.objects.all()}
    assert states == {"Hello": State.DRAFT, "Second": State.STAGED, "Odd": State.DRAFT}
    row = AuditRow.objects.filter(action="announcements.approve").get()
    from sapwood.core import audit

    assert audit.names({row.actor_ref})[row.actor_ref] == "rule: trust own"


def test_a_trusted_feed_cannot_flood_the_signers(now, bob):
    reader = Reader(api.add_source(Source(name="own", url=URL, trusted=True), actor=bob, now=now), now)
    reader.read(rss(item()))
    report = reader.read(rss(*(item(guid=f"g{n}", title=f"T{n}", body=f"B{n}") for n in range(20))))
    assert (report["new"], report["staged"]) == (20, 5)


def test_nothing_reaches_security_by_rule(now, bob):
    with pytest.raises(TrustError):
        api.add_source(Source(name="own", url=URL, trusted=True, channel="security"), actor=bob, now=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        Source.objects.create(name="own", url=URL, trusted=True, channel="security")
    reader = Reader(api.add_source(Source(name="own", url=URL, trusted=True), actor=bob, now=now), now)
    reader.read(rss(item()))
    revision = Revision.objects.select_related("announcement").get()
    document = {**read_document(revision.raw), "channel": "security"}
    revision = api.save_draft(document, slug=revision.announcement.slug, actor=Actor.system("x"), now=reader.now)
    ImportedEntry.objects.update(written_sha256=revision.sha256)
    assert reader.read(rss(item(body="Edited.")))["staged"] == 0


def test_only_one_source_is_trusted(now, bob):
    api.add_source(Source(name="own", url=URL, trusted=True), actor=bob, now=now)
    with pytest.raises(TrustError):
        api.add_source(Source(name="second", url="https://b.example.org/f", trusted=True), actor=bob, now=now)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/feed", "file:///etc/passwd", "https://user@x.example/", "gopher://x"]
)
def test_an_address_that_could_reach_inside_is_refused(now, bob, url):
    with pytest.raises(ConflictError):
        api.add_source(Source(name="bad", url=url), actor=bob, now=now)
