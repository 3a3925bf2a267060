"""Asking a source for news: a feed in one answer, a WordPress site page by page."""

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from sapwood.commons.announcements.actions.importing import take_in
from sapwood.commons.announcements.models import Source, SourceKind
from sapwood.core import audit, jobs
from sapwood.core.data import Actor
from sapwood.core.feeds import Feed, FeedState, Outcome, Polled, Sighting, Walk, poll
from sapwood.core.http import HttpClient
from sapwood.formats.canonical import JSON
from sapwood.formats.phrase import Phrase, recorded

STRAIGHT_PER_POLL: Final = 5
REPORTED: Final = 50
# With 50 posts to a page: as many as of any other feed. A larger site is read in several turns.
MOST_PAGES: Final = 40
# While a source is read nobody else reads it; one whose reader died is free again after this.
READING: Final = dt.timedelta(minutes=15)
NOT_FOUND: Final = 404
READ_JOB: Final = "announcements.read_source"
Progress = Callable[[int, int], None]


@dataclass
class _Reading:
    """One reading of a source: who asks, and what it has come to."""

    source: Source
    http: HttpClient
    chance: random.Random
    actor: Actor
    now: dt.datetime
    by_hand: bool
    progress: Progress
    counts: dict[str, int] = field(default_factory=dict)
    refused: list[JSON] = field(default_factory=list)
    problems: list[JSON] = field(default_factory=list)

    def ask(self, state: FeedState) -> Polled:
        """Ask for one answer."""
        return poll(state, self.http, now=self.now, chance=self.chance, by_hand=self.by_hand)

    def take(self, feed: Feed, *, backlog: bool) -> None:
        """Take in what one answer holds; a backlog never goes out by rule."""
        left = STRAIGHT_PER_POLL - self.counts.get("staged", 0)
        straight = left if self.source.trusted and not backlog else 0
        counts, wrong = take_in(self.source, feed, actor=self.actor, now=self.now, straight=straight)
        for name, count in counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        self.refused += wrong["refused"]
        self.problems += wrong["problems"]

    def brought_news(self) -> bool:
        """Whether anything came that was not known."""
        return bool(self.refused) or any(count for name, count in self.counts.items() if name != Sighting.SAME)

    def report(self, polled: Polled) -> dict[str, JSON]:
        """What happened, for a screen."""
        said: dict[str, JSON] = {"source": self.source.name, "outcome": polled.outcome.value}
        said |= {"at": self.now.isoformat(), **self.counts}
        if self.counts:
            said |= {"refused": self.refused[:REPORTED], "problems": self.problems[:REPORTED]}
        return said | ({"error": polled.error.as_dict()} if polled.error else {})


def import_source(  # noqa: PLR0913 - who asks what, when, and whom to tell how far it is
    source: Source,
    *,
    http: HttpClient,
    chance: random.Random,
    actor: Actor,
    now: dt.datetime,
    by_hand: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> dict[str, JSON]:
    """Ask a source for news, if it may be asked now, and take in what it has; returns what happened.

    A person who asks `by_hand` need not keep our own pauses, only the server's. `progress` hears how many posts of
    how many were read, and may raise to stop: what was taken in stays, and the next reading goes on from there.
    """
    reading = _Reading(source, http, chance, actor, now, by_hand, progress)
    state = _state_of(source)
    due_at = state.pause_until if by_hand else state.next_allowed_at
    if not state.gone and ((due_at is not None and now < due_at) or not _claim(source, now)):
        not_due = Polled(Outcome.NOT_DUE, state)
        return {**reading.report(not_due), "not_before": due_at.isoformat() if due_at else None}
    polled = _read_posts(reading, state) if source.kind == SourceKind.WORDPRESS else _read_feed(reading, state)
    report = reading.report(polled)
    _remember(source, polled, report, now)
    return report


@transaction.atomic
def read_soon(source: Source, *, actor: Actor, now: dt.datetime) -> UUID:
    """Have the worker read a source at once, however often the button is pressed; the job that does it."""
    details: dict[str, JSON] = {"name": source.name}
    audit.record(actor=actor, action="announcements.read_source", subject=str(source.uuid), details=details, at=now)
    return jobs.enqueue(READ_JOB, {"source": str(source.uuid)}, key=str(source.uuid), now=now)


def _claim(source: Source, now: dt.datetime) -> bool:
    """Whether nobody else reads this source at the moment, or has just read it."""
    free = Source.objects.filter(Q(read_until=None) | Q(read_until__lte=now), pk=source.pk)
    return bool(free.filter(next_poll_at=source.next_poll_at).update(read_until=now + READING))


def _read_feed(reading: _Reading, state: FeedState) -> Polled:
    polled = reading.ask(state)
    if polled.feed is not None:
        reading.take(polled.feed, backlog=reading.source.last_good_at is None)
    return polled


def _read_posts(reading: _Reading, state: FeedState) -> Polled:
    """Page after page, up to as many as are read in one go; what stops before the end is gone on with next time."""
    source = reading.source
    walk = Walk.unpacked(source.modified_after, source.walk)
    if not walk.under_way:
        walk = replace(walk, first=source.last_good_at is None)
    walk, first = _first_page(reading, walk, state)
    polled, at_end, pages = first, False, 0
    while polled.error is None and polled.outcome is not Outcome.GONE:
        if polled.feed is not None:
            reading.take(walk.unread(polled.feed), backlog=walk.first)
        walk, at_end = walk.after_page(polled.feed, polled.answer, reading.now)
        pages += 1
        reading.progress(min(walk.offset + 1, walk.total), walk.total)
        if at_end or pages == MOST_PAGES:
            break
        _keep(source, walk)
        polled = reading.ask(_page_of(polled.state, source, walk))
    else:
        return polled
    if not at_end:
        reading.problems.append(
            Phrase("%(n)s pages of posts were read; the rest follows at the next reading.", n=walk.pages)
        )
    following = walk.finished() if at_end else walk
    # What the first page was like says something of the next reading only if that asks the same, and it was all.
    same = at_end and following.since == source.modified_after and walk.pages == (1 if walk.since is None else 2)
    _keep(source, following)
    known = first.state if same else first.state.without_validators()
    state = replace(known, next_allowed_at=polled.state.next_allowed_at, pause_until=polled.state.pause_until)
    return replace(polled, outcome=Outcome.NEW if reading.brought_news() else Outcome.UNCHANGED, state=state)


def _first_page(reading: _Reading, walk: Walk, state: FeedState) -> tuple[Walk, Polled]:
    """The page where the reading begins or goes on; a site whose permalinks are plain has it elsewhere."""
    site = reading.source.url
    known = state.without_validators() if walk.under_way else state
    begun = replace(known, url=walk.url(site), conditional=walk.heeded)
    polled = reading.ask(begun)
    if polled.answer is None or polled.answer.status != NOT_FOUND or not walk.pretty:
        return walk, polled
    plain = replace(walk, pretty=False)
    again = reading.ask(replace(begun.without_validators(), url=plain.url(site)))
    return (walk, polled) if again.error else (plain, again)


def _page_of(state: FeedState, source: Source, walk: Walk) -> FeedState:
    """What to ask the next page with: it may be asked at once, and nothing is known of it."""
    known = state.without_validators()
    return replace(known, url=walk.url(source.url), conditional=walk.heeded, next_allowed_at=None, pause_until=None)


def _keep(source: Source, walk: Walk) -> None:
    """Note how far the posts are read, at once: whoever dies on the way loses nothing."""
    _save(source, modified_after=walk.since, walk=walk.packed())


def _state_of(source: Source) -> FeedState:
    return FeedState(
        url=source.url,
        etag=source.etag,
        last_modified=source.last_modified,
        digest=source.digest,
        next_allowed_at=source.next_poll_at,
        pause_until=source.pause_until,
        failures=source.failures,
        gone=source.gone,
        allow_private=source.allow_private,
        allow_http=source.allow_private,
    )


def _remember(source: Source, polled: Polled, report: dict[str, JSON], now: dt.datetime) -> None:
    state = polled.state
    _save(
        source,
        etag=state.etag,
        last_modified=state.last_modified,
        digest=state.digest,
        next_poll_at=state.next_allowed_at,
        pause_until=state.pause_until,
        failures=state.failures,
        moved_to=state.moved_to,
        gone=state.gone,
        read_until=None,
        last_good_at=source.last_good_at if polled.error else now,
        last_error=recorded({**polled.error.as_dict(), "at": now.isoformat()}) if polled.error else None,
        report=recorded(report),
    )


def _save(source: Source, **values: Any) -> None:
    """Write these and nothing else: somebody may have paused or removed the source while it was read."""
    Source.objects.filter(pk=source.pk).update(**values)
    for name, value in values.items():
        setattr(source, name, value)
