"""Reading a WordPress site: all its posts, then only what became different, whatever happens on the way."""

import datetime as dt
import random

import pytest
from django.urls import reverse

from sapwood.commons.announcements import api
from sapwood.commons.announcements.actions import polling
from sapwood.commons.announcements.documents import read_document
from sapwood.commons.announcements.models import ImportedEntry, Revision, Source, State
from sapwood.commons.announcements.tests.fake_wordpress import SITE, FakeWordPress, Post
from sapwood.commons.announcements.tests.test_authoring import sign_in
from sapwood.core.data import Actor
from sapwood.core.feeds import wordpress
from sapwood.core.http import Response, TooSlowError

pytestmark = pytest.mark.django_db
HOUR = dt.timedelta(hours=1)


class Reader:
    """Reads the site again and again, as the worker does."""

    def __init__(self, source, now, site):
        self.source, self.now, self.site = source, now, site

    def read(self, *, later=dt.timedelta(days=2), **kwargs):
        self.now += later
        self.source = Source.objects.get(pk=self.source.pk)
        self.site.asked.clear()
        actor = Actor.system("poll")
        return api.import_source(
            self.source, http=self.site, chance=random.Random(1), actor=actor, now=self.now, **kwargs
        )

    @property
    def pause(self):
        return self.source.next_poll_at - self.now


@pytest.fixture
def site(monkeypatch):
    """A site that is read five posts at a time."""
    monkeypatch.setattr(wordpress, "PAGE_SIZE", 5)
    return FakeWordPress()


@pytest.fixture
def reader(site, now, bob):
    return Reader(api.add_source(Source(name="wp", url=SITE, kind="WORDPRESS"), actor=bob, now=now), now, site)


def posts(first, last, **more):
    return [Post(number, **more) for number in range(first, last + 1)]


def titles():
    return {row.title for row in Revision.objects.all()}


def body_of(title):
    return read_document(Revision.objects.get(title=title).raw)["texts"]["en"]["body"]


def test_every_post_is_read_page_after_page(reader, site):
    site.posts = posts(1, 12)
    report = reader.read()
    assert (report["new"], report["same"], report["problems"]) == (12, 0, [])
    assert site.asked == [{}, {"offset": "4"}, {"offset": "8"}]
    assert len(titles()) == 12


def test_later_only_what_was_changed_or_published_since_is_asked_for_and_hourly(reader, site):
    site.posts = posts(1, 7, date="2026-10-01T10:00:00")
    site.posts[6].modified = "2026-11-01T10:00:00"
    reader.read()
    assert HOUR <= reader.pause <= HOUR * 1.25
    site.posts[3].modified, site.posts[3].body = "2026-11-22T12:30:00", "<p>Better words.</p>"
    site.clock = "2026-11-24T12:00:00"
    report = reader.read()
    assert (report["edited"], report["new"]) == (1, 0)
    assert body_of("Post 4") == "Better words."
    assert site.asked == [{"modified_after": "2026-11-01T08:00:00Z"}, {"after": "2026-10-30T10:00:00Z"}]
    assert HOUR <= reader.pause <= HOUR * 1.25
    reader.read()
    assert site.asked == [{"modified_after": "2026-11-22T10:30:00Z"}, {"after": "2026-11-20T12:30:00Z"}]


def test_many_changes_and_many_new_posts_are_read_page_after_page_too(reader, site):
    site.posts = [Post(1)]
    reader.read()
    site.posts += posts(2, 8, date="2026-11-20T10:00:00", modified="2026-09-01T10:00:00")
    site.posts += posts(9, 15, date="2026-09-01T10:00:00", modified="2026-11-20T10:00:00")
    site.clock = "2026-11-24T12:00:00"
    assert reader.read()["new"] == 14
    assert [question.get("offset") for question in site.asked] == [None, "4", None, "4"]
    reader.read()
    assert site.asked[0] == {"modified_after": "2026-11-20T08:00:00Z"}


def test_a_planned_post_that_appears_without_a_change_is_seen(reader, site):
    site.posts = [Post(1, date="2026-11-20T10:00:00")]
    reader.read()
    site.posts.append(Post(2, title="Planned", date="2026-11-19T10:00:00", modified="2026-10-01T10:00:00"))
    assert reader.read()["new"] == 1
    assert "Planned" in titles()


def test_an_edit_in_the_hour_that_comes_twice_is_seen(reader, site):
    """WordPress compares the site's clock: after it is turned back, a later edit looks like an earlier one."""
    site.posts = [Post(1, date="2026-11-01T05:40:00"), Post(2, date="2026-10-01T10:00:00")]
    reader.read()
    site.posts[1].modified, site.posts[1].body = "2026-11-01T05:20:00", "<p>Better words.</p>"
    assert reader.read()["edited"] == 1


def test_posts_that_go_while_others_are_read_take_none_with_them(reader, site):
    site.posts = posts(1, 15)

    def shift(asked):
        if asked == 2:
            del site.posts[1:4]

    site.before = shift
    reader.read()
    assert titles() == {f"Post {number}" for number in range(1, 16)}
    assert site.asked == [{}, {"offset": "4"}, {}, {"offset": "4"}, {"offset": "8"}]


def test_posts_that_come_while_others_are_read_are_read_too(reader, site):
    site.posts = [Post(number) for number in range(2, 32, 2)]

    def shift(asked):
        if asked == 2:
            site.posts += [Post(number, date="2026-11-22T11:00:00") for number in (1, 3, 5)]

    site.before = shift
    reader.read()
    assert {f"Post {number}" for number in range(2, 32, 2)} <= titles()
    site.before = lambda _asked: None
    reader.read()
    assert {"Post 1", "Post 3", "Post 5"} <= titles()


def test_an_edit_behind_the_reader_s_back_is_asked_for_next_time(reader, site):
    site.posts = posts(1, 12)

    def edit(asked):
        if asked == 3:
            site.clock = "2026-11-22T19:00:00"
            site.posts[0].modified, site.posts[0].body = "2026-11-22T14:00:00", "<p>Edited behind.</p>"
            site.posts[11].modified = "2026-11-22T19:00:00"

    site.before = edit
    reader.read()
    assert body_of("Post 1") == "Words of 1."
    site.before = lambda _asked: None
    assert reader.read()["edited"] == 1
    assert body_of("Post 1") == "Edited behind."


def test_a_page_that_fails_is_gone_on_with_and_what_was_read_stays(reader, site):
    site.posts = posts(1, 12)

    def fail(asked):
        if asked == 2:
            raise TooSlowError("wp.example.org is too slow.")

    site.before = fail
    report = reader.read()
    assert (report["outcome"], report["new"], len(titles())) == ("failed", 5, 5)
    assert reader.source.last_error["code"] == "http.too_slow"
    site.before = lambda _asked: None
    assert reader.read()["new"] == 7
    assert site.asked == [{"offset": "4"}, {"offset": "8"}]
    assert reader.source.last_error is None


def test_a_large_site_is_read_in_several_turns(reader, site, monkeypatch):
    monkeypatch.setattr(polling, "MOST_PAGES", 2)
    site.posts = posts(1, 24)
    report = reader.read()
    assert (report["new"], "the rest follows" in report["problems"][0]) == (9, True)
    assert HOUR <= reader.pause <= HOUR * 1.25
    assert reader.read()["new"] == 8
    assert (reader.read()["new"], len(titles())) == (7, 24)
    assert reader.source.walk == {}
    reader.read()
    assert site.asked[0] == {"modified_after": "2026-11-01T08:00:00Z"}


def test_the_page_says_in_the_reader_s_language_that_the_rest_follows(reader, site, client, now, monkeypatch):
    monkeypatch.setattr(polling, "MOST_PAGES", 2)
    site.posts = posts(1, 24)
    reader.read()
    sign_in(client, "rita", now, "release_manager")
    page = client.get(reverse("announcements:sources"), headers={"accept-language": "es-419"}).content.decode()
    assert "Se leyeron 2 páginas de entradas; el resto sigue en la próxima lectura." in page


def test_whoever_is_killed_between_two_pages_goes_on_from_there(reader, site):
    site.posts = posts(1, 12)

    def killed(done, _total):
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reader.read(progress=killed)
    assert len(titles()) == 9
    assert reader.read(later=dt.timedelta(minutes=1))["outcome"] == "not_due"  # a reader may still be at it
    assert reader.read(later=dt.timedelta(minutes=15))["new"] == 3
    assert site.asked == [{"offset": "4"}, {"offset": "8"}]


def test_how_far_it_is_can_be_seen(reader, site):
    site.posts = posts(1, 12)
    told = []
    reader.read(progress=lambda done, total: told.append((done, total)))
    assert told == [(5, 12), (9, 12), (12, 12)]


def test_a_host_that_hides_the_number_of_posts_is_read_to_the_end(reader, site):
    site.counts = False
    site.posts = posts(1, 10)
    assert reader.read()["new"] == 10
    assert [question.get("offset") for question in site.asked] == [None, "4", "8", "9"]


@pytest.mark.parametrize("total", ["99999999999999999999", "-1", "many", "²"])
def test_a_host_that_lies_about_the_number_of_posts_does_not_hold_us(reader, site, total):
    site.headers = {"X-WP-Total": total}
    site.posts = posts(1, 6)
    assert reader.read()["new"] == 6
    assert len(site.asked) <= polling.MOST_PAGES


def test_an_old_wordpress_that_does_not_understand_the_question_is_asked_daily(reader, site):
    site.filters = False
    site.posts = [Post(number, date=f"2026-{number:02}-01T10:00:00") for number in range(1, 10)]
    reader.read()
    reader.read()
    assert reader.pause >= dt.timedelta(days=1)


def test_a_site_with_plain_permalinks_is_found(reader, site):
    site.pretty = False
    site.posts = [Post(1)]
    assert reader.read()["new"] == 1
    reader.read()
    plain = [request.url.startswith(f"{SITE}/?rest_route=") for request in site.requests]
    assert plain == [False, True, True, True]  # the address that is not there is not asked for again


def test_a_site_without_posts_to_read_says_what_is_wrong(reader, site):
    site.before = lambda _asked: Response(404, {}, b"<html></html>", SITE)
    assert "404" in reader.read()["error"]["message"]


def test_validators_go_back_where_a_site_gives_them(reader, site):
    site.posts = [Post(1)]
    site.headers = {"etag": '"one"'}
    reader.read()  # the first question is never asked again, so its validators are of no use
    reader.read()
    assert "If-None-Match" not in site.requests[-2].headers
    site.before = lambda asked: Response(304, {}, b"", SITE) if asked == 1 else None
    report = reader.read()
    assert site.requests[-2].headers["If-None-Match"] == '"one"'
    assert "If-None-Match" not in site.requests[-1].headers
    assert report["outcome"] == "unchanged"


def test_validators_of_one_page_among_several_are_not_kept(reader, site):
    site.headers = {"etag": '"one"'}
    site.filters = False  # all posts come again each time
    site.posts = posts(1, 7)
    for _ in range(3):
        reader.read()
    assert not any("If-None-Match" in request.headers for request in site.requests)
    site.posts.append(Post(8))
    assert reader.read()["new"] == 1


def test_the_same_answer_as_last_time_is_not_taken_in_again(reader, site):
    site.posts = [Post(1, date="2026-10-01T10:00:00", modified="2026-11-01T10:00:00")]
    for _ in range(2):
        reader.read()
    ImportedEntry.objects.update(fingerprint="other")  # were it looked at, it would be an edit
    assert reader.read()["edited"] == 0


def test_a_post_that_cannot_be_read_stops_no_other(reader, site):
    site.posts = posts(1, 12)
    site.posts[4] = Post(5, more={"status": "private"})
    site.posts[6] = Post(7, more={"content": {"rendered": "x" * 1_200_000}})
    site.posts[8] = Post(9, more={"status": "draft"})
    report = reader.read()
    assert (report["new"], len(report["refused"])) == (9, 3)
    assert len(site.asked) == 3


def test_a_post_from_the_future_moves_nothing_on(reader, site):
    site.posts = [Post(1), Post(2, modified="2099-01-01T00:00:00")]
    reader.read()
    reader.read()
    assert site.asked[0] == {"modified_after": "2026-11-01T08:00:00Z"}


def test_a_pause_that_the_host_asks_for_in_the_middle_is_kept_also_by_hand(reader, site):
    site.posts = posts(1, 12)
    site.before = lambda asked: Response(429, {"retry-after": "7200"}, b"", SITE) if asked == 2 else None
    assert reader.read()["outcome"] == "failed"
    assert reader.read(later=HOUR, by_hand=True)["not_before"] is not None
    assert site.asked == []
    site.before = lambda _asked: None
    assert reader.read(later=HOUR, by_hand=True)["new"] == 7


def test_a_person_need_not_keep_our_own_pause(reader, site):
    site.posts = [Post(1)]
    reader.read()
    assert reader.read(later=dt.timedelta(minutes=1))["outcome"] == "not_due"
    assert reader.read(later=dt.timedelta(minutes=1), by_hand=True)["outcome"] == "unchanged"


def test_the_backlog_of_a_trusted_site_never_goes_out_by_rule_however_many_turns_it_takes(site, now, bob, monkeypatch):
    source = Source(name="wp", url=SITE, kind="WORDPRESS", trusted=True)
    reader = Reader(api.add_source(source, actor=bob, now=now), now, site)
    site.posts = posts(1, 7)
    with monkeypatch.context() as patch:
        patch.setattr(polling, "MOST_PAGES", 1)
        assert [reader.read()["staged"] for _ in range(2)] == [0, 0]
    site.posts += posts(8, 21, modified="2026-11-23T10:00:00")
    assert reader.read()["staged"] == 5  # however many pages one reading has
    assert Revision.objects.filter(state=State.STAGED).count() == 5


def test_a_source_paused_or_removed_while_it_is_read_stays_so(reader, site):
    site.posts = posts(1, 6)

    def pause(asked):
        if asked == 2:
            Source.objects.update(paused=True)

    site.before = pause
    reader.read()
    assert Source.objects.get().paused
    site.posts = []
    site.before = lambda _asked: Source.objects.all().delete() and None
    reader.read()
    assert not Source.objects.exists()
