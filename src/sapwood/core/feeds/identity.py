"""Whether an entry is one that we know, and what has become of it.

Identifiers are promises that feeds break: a moved site changes them all, a careless one uses one again.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from sapwood.core.feeds.data import FeedEntry

REUSED_AFTER = dt.timedelta(days=180)


class Sighting(StrEnum):
    """How an entry relates to those seen before in the same feed."""

    NEW = "new"
    SAME = "same"
    EDITED = "edited"
    MOVED = "moved"  # the same words under another identifier: not news
    REUSED = "reused"  # an old identifier over something else: news, under an identifier of its own


@dataclass(frozen=True)
class KnownEntry:
    """What an importer remembers of an entry."""

    guid: str
    url: str
    title: str
    fingerprint: str
    published_at: dt.datetime | None
    seen_at: dt.datetime


def recognise(entry: FeedEntry, known: Iterable[KnownEntry]) -> tuple[Sighting, KnownEntry | None]:
    """What an entry is, and the known one that it continues; `known` holds entries of the same feed only.

    Identifiers clash between feeds, so nothing of one feed is ever recognised in another.
    """
    candidates = list(known)
    same_guid = next((old for old in candidates if old.guid == entry.guid), None)
    if same_guid is not None:
        if same_guid.fingerprint == entry.fingerprint:
            return Sighting.SAME, same_guid
        if _is_another(entry, same_guid):
            return Sighting.REUSED, same_guid
        return Sighting.EDITED, same_guid
    moved = next((old for old in candidates if _has_moved(entry, old)), None)
    return (Sighting.MOVED, moved) if moved is not None else (Sighting.NEW, None)


def _is_another(entry: FeedEntry, old: KnownEntry) -> bool:
    """An edit keeps the title, the page or the day of publication; something else keeps none of them."""
    if entry.title == old.title or (entry.url and entry.url == old.url):
        return False
    if entry.published_at is None or old.published_at is None:
        return False
    return abs(entry.published_at - old.published_at) > REUSED_AFTER


def _has_moved(entry: FeedEntry, old: KnownEntry) -> bool:
    """The same words, published at the same time or on a page of the same name, are the same entry."""
    if entry.fingerprint != old.fingerprint:
        return False
    same_instant = entry.published_at is not None and entry.published_at == old.published_at
    return same_instant or _last_part(entry.url) == _last_part(old.url)


def _last_part(url: str) -> str:
    path = urlsplit(url).path.rstrip("/")
    return path.rpartition("/")[2]
