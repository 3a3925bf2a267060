"""Asking a feed for news as its owner would like to be asked.

Validators go back exactly as they came; an answer that names a pause is obeyed; without validators a feed is
asked once a day, with them once an hour; failures wait longer each time. Chance spreads the sites over the hour.
"""

import datetime as dt
import hashlib
import random
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Self

from sapwood.core.feeds.data import MAX_FEED_BYTES, Feed, FeedError
from sapwood.core.feeds.read import read_feed
from sapwood.core.http import BadResponseError, HttpClient, NetworkError, Request, Response
from sapwood.formats.errors import SapwoodError

WITH_VALIDATORS = dt.timedelta(hours=1)
WITHOUT_VALIDATORS = dt.timedelta(days=1)
LONGEST_BACK_OFF = dt.timedelta(days=1)
LONGEST_PAUSE = dt.timedelta(days=7)
JITTER = 0.25
TIMEOUT_S = 60.0
_MAX_VALIDATOR_CHARS = 1024
_OK, _NOT_MODIFIED, _GONE = 200, 304, 410
_ACCEPT = (
    "application/feed+json, application/atom+xml, application/rss+xml, application/json;q=0.9, "
    "application/xml;q=0.8, text/xml;q=0.8, */*;q=0.1"
)


class FeedGoneError(FeedError):
    """The feed's owner says that it is gone for good."""

    code = "feed.gone"


class FeedAnswerError(FeedError):
    """The feed's host answers, but not with the feed."""

    code = "feed.bad_answer"


class Outcome(StrEnum):
    """What one poll came to."""

    NEW = "new"
    UNCHANGED = "unchanged"
    NOT_DUE = "not_due"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True)
class FeedState:
    """What to remember between two polls of one feed.

    `url` is asked; `moved_to` is where the host says that the feed has gone for good, for a person to confirm.
    A feed that is `gone` is not asked again. `digest` tells an unchanged body where the host gives no validators.
    `conditional` says that the address itself asks only for news. `pause_until` is a pause that the host asked for,
    `next_allowed_at` the end of the longer one that we keep by ourselves.
    """

    url: str
    etag: str = ""
    last_modified: str = ""
    digest: str = ""
    conditional: bool = False
    next_allowed_at: dt.datetime | None = None
    pause_until: dt.datetime | None = None
    failures: int = 0
    moved_to: str = ""
    gone: bool = False
    allow_private: bool = False
    allow_http: bool = False

    def without_validators(self) -> Self:
        """The same, to ask for something of which no answer is known."""
        return replace(self, etag="", last_modified="", digest="")


@dataclass(frozen=True)
class Polled:
    """What a poll brought; `feed` is there exactly when `changed`, `error` exactly when it failed."""

    outcome: Outcome
    state: FeedState
    feed: Feed | None = None
    error: SapwoodError | None = None
    answer: Response | None = None

    @property
    def changed(self) -> bool:
        """Whether there is a feed to look at."""
        return self.outcome is Outcome.NEW


def poll(
    state: FeedState, http: HttpClient, *, now: dt.datetime, chance: random.Random, by_hand: bool = False
) -> Polled:
    """Ask for the feed if it may be asked now; never raises for what the other side does.

    A person who asks `by_hand` need not keep our own pauses, only the host's.
    """
    if state.gone:
        return Polled(Outcome.GONE, state)
    due_at = state.pause_until if by_hand else state.next_allowed_at
    if due_at is not None and now < due_at:
        return Polled(Outcome.NOT_DUE, state)
    try:
        response = http.fetch(_request(state))
    except NetworkError as failure:
        return _failed(state, failure, None, now, chance)
    judged = _judged(replace(state, moved_to=response.moved_to or ""), response, now, chance)
    return replace(judged, answer=response)


def _judged(state: FeedState, response: Response, now: dt.datetime, chance: random.Random) -> Polled:
    if response.status == _NOT_MODIFIED and (state.etag or state.last_modified):
        return Polled(Outcome.UNCHANGED, _rested(_with_validators(state, response, keep=True), response, now, chance))
    if response.status == _GONE:
        error = FeedGoneError("The feed is gone for good.", hint="Remove it, or give its new address.")
        return Polled(Outcome.GONE, replace(state, gone=True, next_allowed_at=None), error=error)
    if response.status != _OK:
        return _failed(state, _status_error(response.status), response, now, chance)
    return _read(state, response, now, chance)


def _read(state: FeedState, response: Response, now: dt.datetime, chance: random.Random) -> Polled:
    digest = hashlib.sha256(response.body).hexdigest()
    if digest == state.digest:
        state = _rested(_with_validators(state, response, keep=False), response, now, chance)
        return Polled(Outcome.UNCHANGED, state)
    try:
        feed = read_feed(response.body, response.headers.get("content-type", ""), now)
    except SapwoodError as error:
        # Validators of a body that could not be read would hide its repair.
        return _failed(replace(state, etag="", last_modified=""), error, response, now, chance)
    state = replace(_with_validators(state, response, keep=False), digest=digest)
    return Polled(Outcome.NEW, _rested(state, response, now, chance), feed)


def _request(state: FeedState) -> Request:
    headers = {"Accept": _ACCEPT}
    if state.etag:
        headers["If-None-Match"] = state.etag
    if state.last_modified:
        headers["If-Modified-Since"] = state.last_modified
    return Request(
        "GET", state.url, headers, max_bytes=MAX_FEED_BYTES, timeout_s=TIMEOUT_S,
        allow_private=state.allow_private, allow_http=state.allow_http,
    )  # fmt: skip


def _with_validators(state: FeedState, response: Response, *, keep: bool) -> FeedState:
    """The answer's validators, word for word; a 304 may leave out what has not changed."""
    etag, last_modified = (_validator(response, name) for name in ("etag", "last-modified"))
    if keep:
        etag, last_modified = etag or state.etag, last_modified or state.last_modified
    return replace(state, etag=etag, last_modified=last_modified)


def _validator(response: Response, name: str) -> str:
    value = response.headers.get(name, "")
    printable = len(value) <= _MAX_VALIDATOR_CHARS and value.isascii() and value.isprintable()
    return value if printable else ""


def _rested(state: FeedState, response: Response, now: dt.datetime, chance: random.Random) -> FeedState:
    often = state.etag or state.last_modified or state.conditional
    pause = _spread(WITH_VALIDATORS if often else WITHOUT_VALIDATORS, chance)
    return _paused(replace(state, failures=0), pause, _retry_after(response, now), now)


def _paused(state: FeedState, ours: dt.timedelta, theirs: dt.timedelta, now: dt.datetime) -> FeedState:
    return replace(state, next_allowed_at=now + max(ours, theirs), pause_until=now + theirs if theirs else None)


def _failed(
    state: FeedState, error: SapwoodError, response: Response | None, now: dt.datetime, chance: random.Random
) -> Polled:
    doubled = WITH_VALIDATORS * 2 ** min(state.failures, 10)
    pause = _spread(min(doubled, LONGEST_BACK_OFF), chance)
    asked = _retry_after(response, now) if response is not None else dt.timedelta()
    state = _paused(replace(state, failures=state.failures + 1), pause, asked, now)
    return Polled(Outcome.FAILED, state, error=error)


def _spread(pause: dt.timedelta, chance: random.Random) -> dt.timedelta:
    """Never less than the pause, so that chance cannot break a promise."""
    return pause * (1 + JITTER * chance.random())


def _retry_after(response: Response, now: dt.datetime) -> dt.timedelta:
    """The pause that an answer asks for, in seconds or as a date (RFC 9110, section 10.2.3), up to a week."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return dt.timedelta(seconds=min(int(value[:9]), LONGEST_PAUSE.total_seconds()))
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return dt.timedelta()
    until = until if until.tzinfo else until.replace(tzinfo=dt.UTC)
    return min(max(until - now, dt.timedelta()), LONGEST_PAUSE)


def _status_error(status: int) -> SapwoodError:
    if status == _NOT_MODIFIED:
        return BadResponseError("The host says that nothing has changed, though nobody asked since when.")
    if status in {429, 503}:
        return FeedAnswerError(f"The host asks for a pause (status {status}).", hint="It is asked again later.")
    if status in {401, 403, 451}:
        return FeedAnswerError(f"The host does not let us read the feed (status {status}).", hint=_HINT)
    if status == 404:  # noqa: PLR2004 - as everybody knows it
        return FeedAnswerError("There is no feed at this address (status 404).", hint=_HINT)
    return FeedAnswerError(f"The host answers with status {status}.", hint="It is asked again later.")


_HINT = "Check the address, and whether the feed is public."
