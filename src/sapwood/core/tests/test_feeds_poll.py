"""Polite polling: validators, pauses, back-off, moves and farewells."""

import datetime as dt
import random
from dataclasses import replace

import pytest
from tests.fakes import FakeHttp

from sapwood.core.feeds import FeedState, Outcome, Walk, poll
from sapwood.core.http import Response, TooSlowError

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
URL = "https://openedx.org/feed"
FEED = b'<rss version="2.0"><channel><title>T</title><item><title>t</title><guid>1</guid></item></channel></rss>'
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


@pytest.fixture
def http():
    return FakeHttp()


def ask(http, state=None, now=NOW, seed=1):
    return poll(state or FeedState(URL), http, now=now, chance=random.Random(seed))


def pause(polled, now=NOW):
    return polled.state.next_allowed_at - now


def test_validators_go_back_word_for_word(http):
    http.answer(URL, FEED, headers={"ETag": 'W/"a-\'b"', "Last-Modified": "Sun, 01 Nov 2026 10:00:00 GMT"})
    first = ask(http)
    assert first.changed
    assert first.feed.entries[0].guid == "1"
    http.answer(URL, status=304)
    second = ask(http, replace(first.state, next_allowed_at=None))
    assert http.requests[1].headers["If-None-Match"] == 'W/"a-\'b"'
    assert http.requests[1].headers["If-Modified-Since"] == "Sun, 01 Nov 2026 10:00:00 GMT"
    assert (second.outcome, second.feed) == (Outcome.UNCHANGED, None)
    assert second.state.etag == first.state.etag
    assert "If-None-Match" not in http.requests[0].headers


def test_a_feed_with_validators_is_asked_hourly_at_most_and_one_without_daily(http):
    http.answer(URL, FEED, headers={"ETag": '"a"'})
    http.answer(URL, FEED + b" ")
    assert HOUR <= pause(ask(http)) <= HOUR * 1.25
    assert DAY <= pause(ask(http)) <= DAY * 1.25


def test_a_feed_that_is_not_due_is_not_asked(http):
    state = FeedState(URL, next_allowed_at=NOW + HOUR)
    polled = ask(http, state)
    assert (polled.outcome, polled.state, http.requests) == (Outcome.NOT_DUE, state, [])


def test_an_unchanged_body_without_validators_is_unchanged(http):
    http.answer(URL, FEED)
    first = ask(http)
    second = ask(http, replace(first.state, next_allowed_at=None))
    assert (first.outcome, second.outcome) == (Outcome.NEW, Outcome.UNCHANGED)


def test_chance_spreads_the_sites_but_never_shortens_the_pause(http):
    http.answer(URL, FEED, headers={"ETag": '"a"'})
    pauses = {pause(ask(http, seed=seed)) for seed in range(20)}
    assert len(pauses) > 10
    assert min(pauses) >= HOUR


@pytest.mark.parametrize("status", [429, 503, 200])
@pytest.mark.parametrize(
    ("value", "expected"),
    [("7200", 2 * HOUR), ("Sun, 22 Nov 2026 15:00:00 GMT", 3 * HOUR), ("999999999", 7 * DAY), ("-5", HOUR), ("soon",
     HOUR),
     ("Sun, 22 Nov 2020 15:00:00 GMT", HOUR), ("²", HOUR)],
)  # fmt: skip
def test_a_pause_that_the_host_asks_for_is_kept(http, status, value, expected):
    http.answer(URL, FEED, status=status, headers={"Retry-After": value, "ETag": '"a"'})
    polled = ask(http)
    assert polled.outcome is (Outcome.NEW if status == 200 else Outcome.FAILED)
    assert expected <= pause(polled) <= max(expected, HOUR * 1.25)


def test_failures_wait_longer_each_time_up_to_a_day_and_success_forgets_them(http):
    http.answer(URL, TooSlowError("too slow"))
    state, waits = FeedState(URL, etag='"a"'), []
    for _ in range(8):
        polled = ask(http, replace(state, next_allowed_at=None))
        state = polled.state
        waits.append(pause(polled))
        assert (polled.outcome, polled.error.code) == (Outcome.FAILED, "http.too_slow")
    assert waits[1] > waits[0]
    assert waits[3] > waits[1]
    assert DAY <= waits[-1] <= DAY * 1.25
    assert (state.failures, state.etag) == (8, '"a"')
    fresh = FakeHttp().answer(URL, FEED)
    assert ask(fresh, replace(state, next_allowed_at=None)).state.failures == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 451, 500, 502])
def test_an_answer_without_a_feed_is_a_failure_with_a_reason(http, status):
    http.answer(URL, status=status)
    polled = ask(http)
    assert polled.outcome is Outcome.FAILED
    assert str(status) in polled.error.message
    assert polled.state.failures == 1


def test_a_feed_that_is_gone_is_never_asked_again(http):
    http.answer(URL, status=410)
    polled = ask(http)
    assert (polled.outcome, polled.error.code) == (Outcome.GONE, "feed.gone")
    again = ask(http, polled.state, NOW + 365 * DAY)
    assert (again.outcome, len(http.requests)) == (Outcome.GONE, 1)


def test_a_permanent_move_is_noted_for_a_person_and_the_known_address_stays(http):
    http.answer(URL, FEED, moved_to="https://new.example/feed")
    polled = ask(http)
    assert (polled.state.moved_to, polled.state.url) == ("https://new.example/feed", URL)


def test_an_unreadable_feed_is_a_failure_and_is_fetched_whole_again(http):
    http.answer(URL, b"<!DOCTYPE x><rss/>", headers={"ETag": '"bad"'})
    polled = ask(http, FeedState(URL, etag='"good"'))
    assert (polled.outcome, polled.error.code) == (Outcome.FAILED, "feed.forbidden")
    assert polled.state.etag == ""


def test_a_sign_in_page_is_a_failure_that_says_so(http):
    http.answer(URL, b"<html>sign in", headers={"Content-Type": "text/html"})
    assert ask(http).error.code == "http.captive_portal"


def test_nothing_has_changed_is_no_answer_to_a_first_question(http):
    http.answer(URL, status=304)
    assert ask(http).outcome is Outcome.FAILED


def test_a_validator_that_no_header_can_carry_is_dropped(http):
    http.answer(URL, FEED, headers={"ETag": '"' + "x" * 2000 + '"', "Last-Modified": "caf\xe9"})
    state = ask(http).state
    assert (state.etag, state.last_modified) == ("", "")


def test_an_administrators_leave_reaches_the_request(http):
    http.answer(URL, lambda request: Response(200, {}, FEED, request.url))
    ask(http, FeedState(URL, allow_private=True, allow_http=True))
    assert (http.requests[0].allow_private, http.requests[0].allow_http) == (True, True)


def test_wordpress_posts_are_asked_for_in_the_order_of_their_numbers():
    pretty = Walk(since=NOW, offset=98).url("https://openedx.org/blog/")
    assert pretty.startswith("https://openedx.org/blog/wp-json/wp/v2/posts?")
    assert {"orderby=id", "order=asc", "offset=98", "modified_after=2026-11-22T10%3A00%3A00Z"} <= set(
        pretty.partition("?")[2].split("&")
    )
    plain = Walk(pretty=False).url("https://openedx.org")
    assert plain.startswith("https://openedx.org/?rest_route=%2Fwp%2Fv2%2Fposts&")
    assert "modified_after" not in plain


def test_a_person_waits_for_the_host_s_pause_and_not_for_ours(http):
    http.answer(URL, FEED, headers={"ETag": '"a"'})
    http.answer(URL, b"", status=503, headers={"Retry-After": "7200"})
    first = ask(http)
    assert poll(first.state, http, now=NOW, chance=random.Random(1)).outcome is Outcome.NOT_DUE
    second = poll(first.state, http, now=NOW, chance=random.Random(1), by_hand=True)
    assert second.outcome is Outcome.FAILED
    later = NOW + dt.timedelta(hours=1)
    assert poll(second.state, http, now=later, chance=random.Random(1), by_hand=True).outcome is Outcome.NOT_DUE
