"""Reading all posts of a WordPress site, page by page, and later only what became different.

Posts come in the order of their numbers, which no edit changes. Each page begins with the last post of the page
before: where it no longer does, something in front of it was taken away, and the reading steps back, so that no post
is jumped over. A post that was planned appears without any change, so two questions are asked each time: what was
changed since, and what was published since.
"""

import datetime as dt
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit, urlunsplit

from sapwood.core.feeds.data import Feed
from sapwood.core.http import Response

PAGE_SIZE: Final = 50
# WordPress compares clock times of the site's own zone, and one hour of the year comes twice.
CLOCK_TURNED_BACK: Final = dt.timedelta(hours=2)
# What it should publish at a planned hour, it publishes at the first visit after that.
PLANNED_LATE: Final = dt.timedelta(days=2)
_FIELDS: Final = "id,date_gmt,modified_gmt,guid,link,status,title,excerpt,content,_links,_embedded"
_CLOCKS_APART: Final = dt.timedelta(hours=1)


class Question(StrEnum):
    """What a page of posts answers."""

    CHANGED = "modified_after"
    PUBLISHED = "after"


@dataclass(frozen=True)
class Walk:
    """How far the posts of one site are read; `since` is what was read to the end before, None: everything is asked.

    `began_at` is the site's own time at the first page: a post that is edited behind the reader's back is newer.
    `total` is how many posts the site says it has, `first` marks the backlog, and `heeded` turns false where the
    site gives older posts than it was asked for.
    """

    since: dt.datetime | None = None
    question: Question = Question.CHANGED
    offset: int = 0
    number: int = 0
    began_at: dt.datetime | None = None
    newest: dt.datetime | None = None
    pages: int = 0
    total: int = 0
    pretty: bool = True
    first: bool = False
    heeded: bool = True

    @property
    def under_way(self) -> bool:
        """Whether the last reading stopped before the end."""
        return self.pages > 0

    def url(self, site: str) -> str:
        """Where the next page is; `pretty` as most sites' permalinks are, else as every WordPress understands it."""
        parts = urlsplit(site)
        base = parts.path.rstrip("/")
        query = {
            "per_page": str(PAGE_SIZE),
            "orderby": "id",
            "order": "asc",
            "_embed": "author,wp:term",
            "_fields": _FIELDS,
        }
        if self.since is not None:
            back = CLOCK_TURNED_BACK if self.question is Question.CHANGED else PLANNED_LATE
            query[self.question.value] = f"{(self.since - back).astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S}Z"
        if self.offset:
            query["offset"] = str(self.offset)
        if self.pretty:
            path = f"{base}/wp-json/wp/v2/posts"
        else:
            path, query = f"{base}/", {"rest_route": "/wp/v2/posts"} | query
        return urlunsplit((parts.scheme, parts.netloc, path, urlencode(query), ""))

    def unread(self, feed: Feed) -> Feed:
        """The page without the posts that the page before ended with."""
        known = [number for number in feed.numbers if self.offset and number <= self.number]
        guids = {f"wordpress:{number}" for number in known}
        return replace(
            feed,
            entries=tuple(entry for entry in feed.entries if entry.guid not in guids),
            refused=tuple(entry for entry in feed.refused if entry.position > len(known)),
        )

    def after_page(self, feed: Feed | None, answer: Response | None, now: dt.datetime) -> tuple[Self, bool]:
        """The walk after a page was read, and whether that was the last one; no feed: the page was as last time."""
        numbers = feed.numbers if feed else ()
        if self.offset and (not numbers or numbers[0] > self.number):
            return replace(self, offset=max(0, self.offset - PAGE_SIZE), pages=self.pages + 1), False
        changes = [entry.updated_at for entry in feed.entries if entry.updated_at] if feed else []
        following = self.offset + max(0, len(numbers) - 1)
        walk = replace(
            self,
            offset=following,
            number=max((self.number, *numbers)),
            began_at=self.began_at or _time_of(answer, now),
            newest=max([*changes, *([self.newest] if self.newest else [])], default=None),
            pages=self.pages + 1,
            total=max(_total_of(answer) or 0, self.offset + len(numbers)),
            heeded=self.heeded and not (self.question is Question.CHANGED and self._too_old(changes)),
        )
        if not self._is_last(numbers, following, answer):
            return walk, False
        if self.question is Question.CHANGED and self.since is not None:
            return replace(walk, question=Question.PUBLISHED, offset=0, number=0, total=0), False
        return walk, True

    def finished(self) -> Self:
        """The walk to begin next time: what was changed while this one was under way is asked for again."""
        reached = min(self.newest, self.began_at) if self.newest and self.began_at else None
        since = max((at for at in (self.since, reached) if at is not None), default=None)
        return type(self)(since=since, pretty=self.pretty)

    def packed(self) -> dict[str, Any]:
        """What to keep of it beside `since`."""
        if not self.under_way:
            return {} if self.pretty else {"pretty": False}
        return {
            "question": self.question.value,
            "offset": self.offset,
            "number": self.number,
            "began_at": self.began_at.isoformat() if self.began_at else None,
            "newest": self.newest.isoformat() if self.newest else None,
            "pages": self.pages,
            "total": self.total,
            "pretty": self.pretty,
            "first": self.first,
            "heeded": self.heeded,
        }

    @classmethod
    def unpacked(cls, since: dt.datetime | None, kept: dict[str, Any]) -> Self:
        """What `packed` wrote."""
        values = dict(kept)
        for name in ("began_at", "newest"):
            if values.get(name):
                values[name] = dt.datetime.fromisoformat(values[name])
        return cls(**{**values, "since": since, "question": Question(values.get("question", Question.CHANGED))})

    def _too_old(self, changes: list[dt.datetime]) -> bool:
        """Whether posts came that nobody asked for; those of another time zone are not meant."""
        since = self.since
        return since is not None and any(at < since - PLANNED_LATE for at in changes)

    def _is_last(self, numbers: tuple[int, ...], following: int, answer: Response | None) -> bool:
        total = _total_of(answer)
        if total is not None:
            return not numbers or self.offset + len(numbers) >= total
        # Some hosts strip the figure: then the end is where nothing new comes.
        return following == self.offset or max(numbers) <= self.number


def _total_of(answer: Response | None) -> int | None:
    value = answer.headers.get("x-wp-total", "") if answer else ""
    return int(value[:12]) if value.isascii() and value.isdigit() else None


def _time_of(answer: Response | None, now: dt.datetime) -> dt.datetime:
    """The site's own time; by our clock, and carefully, where it does not say."""
    try:
        found = parsedate_to_datetime(answer.headers.get("date", "")) if answer else None
    except (ValueError, TypeError, IndexError):
        found = None
    if found is None or found.tzinfo is None:
        return now - _CLOCKS_APART
    return found
