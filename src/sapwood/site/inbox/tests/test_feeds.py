import random

import pytest
from tests.fakes import FakeHttp

from sapwood.core.errors import UsageError
from sapwood.site.inbox import api
from sapwood.site.inbox.actions import feeds
from sapwood.site.inbox.data import Audience, Choices, Decision
from sapwood.site.inbox.models import FeedSubscription, Item
from sapwood.site.inbox.tests.given import DAY, HOUR, NOW, SiteSays

pytestmark = pytest.mark.django_db
URL = "https://blog.example.org/feed.xml"


def rss(*entries):
    items = "".join(
        f"<item><guid>{guid}</guid><title>{title}</title><link>https://blog.example.org/{guid}</link>"
        f"<description>{body}</description><pubDate>{date}</pubDate></item>"
        for guid, title, body, date in entries
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Blog</title>{items}</channel></rss>'


OLD = "Mon, 02 Nov 2026 10:00:00 GMT"
NEW = "Sat, 21 Nov 2026 15:00:00 GMT"


@pytest.fixture
def blog(alice, by):
    return api.subscribe_feed("blog", URL, actor=by(alice), now=NOW)


def ask(body, now):
    FeedSubscription.objects.update(next_at=now)
    row = FeedSubscription.objects.get()
    row.state["next_allowed_at"] = None
    row.save()
    http = FakeHttp().answer(URL, body, headers={"content-type": "application/rss+xml"})
    return feeds.poll_feeds(now=now, http=http, chance=random.Random(1), facts=SiteSays())


def test_an_entry_comes_in_unsigned_for_administrators_and_what_is_old_is_backlog(blog):
    body = rss(("1", "Old news", "x", OLD), ("2", "New post", "A <b>b</b>", NEW))
    assert ask(body, NOW + 4 * HOUR) == 2
    new, old = Item.objects.order_by("title")
    assert (old.decision, new.decision) == (Decision.ARCHIVED, Decision.NEW)
    assert not new.signed
    assert (new.channel, new.severity, new.audience) == ("feed-blog", "none", "administrators")


def test_an_edited_entry_is_a_revision_and_asking_again_is_nothing(blog):
    ask(rss(("2", "New post", "first", NEW)), NOW + 4 * HOUR)
    assert ask(rss(("2", "New post", "first", NEW)), NOW + 5 * HOUR) == 0
    assert ask(rss(("2", "New post", "edited", NEW)), NOW + 6 * HOUR) == 1
    assert Item.objects.get().revision == 2


def test_an_unsigned_item_passes_the_same_gate(blog, alice, by):
    ask(rss(("2", "New post", "x", NEW)), NOW + 4 * HOUR)
    item = Item.objects.get()
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW + DAY)
    from sapwood.site.inbox.data import Reader

    (shown,) = api.announcements(Reader(Audience.ADMINISTRATORS, "en"), now=NOW + DAY).items
    assert not shown.signed


def test_a_broken_feed_says_so_and_stops_no_other(blog):
    assert ask("<html>a captive portal</html>", NOW + HOUR) == 0
    assert FeedSubscription.objects.get().error


@pytest.mark.parametrize(
    "url", ["http://blog.example.org/", "https://127.0.0.1/", "javascript:x", "https://a@b.example/"]
)
def test_an_address_that_cannot_be_read_is_refused(url, alice, by):
    with pytest.raises(UsageError):
        api.subscribe_feed("bad", url, actor=by(alice), now=NOW)


def test_a_feed_cannot_speak_for_a_signed_channel(blog, known_channels):
    from sapwood.site.inbox.actions.importing import know_channel

    assert know_channel("feed-blog", now=NOW, subscription="somebody").channel == "feed-blog@somebody"
