"""What reading a feed yields."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from sapwood.formats.errors import SapwoodError

MEBIBYTE_BYTES = 1024 * 1024
MAX_FEED_BYTES = 16 * MEBIBYTE_BYTES
MAX_BROKEN_FEED_BYTES = 2 * MEBIBYTE_BYTES
MAX_ENTRY_BYTES = MEBIBYTE_BYTES
MAX_ENTRIES = 2_000


class FeedError(SapwoodError):
    """A feed cannot be read at all."""

    code = "feed.unreadable"
    http_status = 422


class FeedTooLargeError(FeedError):
    """A feed is larger than any honest feed."""

    code = "feed.too_large"
    http_status = 413


class FeedForbiddenError(FeedError):
    """A feed uses a construct that only attacks need, such as a document type with entities."""

    code = "feed.forbidden"


class GuidSource(StrEnum):
    """Where an entry's identity comes from."""

    GIVEN = "given"  # the feed names it
    POST_NUMBER = "post_number"  # WordPress's own number, which survives a move to another domain
    DERIVED = "derived"  # made from address and title, because the feed gives none that can be used


@dataclass(frozen=True)
class FeedEntry:
    """One entry, safe to store and to show.

    `title`, `summary`, `author` and `categories` are text; `body_html` is clean markup and `body_markdown` the
    same as Markdown; `url` is an https address or empty. `fingerprint` changes exactly when title or body
    change. What was wrong with the entry stands in `problems`, in words for a reviewer; a date in doubt is
    None, never a guess.
    """

    guid: str
    guid_source: GuidSource
    url: str
    title: str
    summary: str
    body_html: str
    body_markdown: str
    language: str
    categories: tuple[str, ...]
    author: str
    published_at: dt.datetime | None
    updated_at: dt.datetime | None
    fingerprint: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class RefusedEntry:
    """An entry that was left out, on its own: where it stood, what it called itself, and why."""

    position: int
    title: str
    why: str


@dataclass(frozen=True)
class Feed:
    """A feed that was read: its entries in their order, and everything that was wrong.

    `numbers` are those of all WordPress posts in the document, the refused ones too.
    """

    title: str
    entries: tuple[FeedEntry, ...]
    refused: tuple[RefusedEntry, ...] = ()
    problems: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
