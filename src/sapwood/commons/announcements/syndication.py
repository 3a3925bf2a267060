"""The public announcements as Atom and as JSON Feed 1.1: the same items, for people's own readers."""

import datetime as dt
from collections.abc import Iterable
from typing import Final

from django.utils.feedgenerator import Atom1Feed

from sapwood.commons.announcements.models import Revision
from sapwood.commons.announcements.reading import Reading, read_for
from sapwood.formats.canonical import JSON

ITEMS: Final = 50


class Syndicated:
    """One item of a feed."""

    def __init__(self, revision: Revision, wanted: list[str], *, site_name: str, base: str) -> None:
        self.revision = revision
        self.reading: Reading = read_for(revision.raw, wanted, site_name=site_name)
        self.url = f"{base}/announcements/{revision.announcement.slug}/"
        self.id = f"urn:uuid:{revision.announcement.uuid}"
        self.at: dt.datetime = revision.published_at or revision.updated_at


def atom(items: Iterable[Syndicated], *, title: str, page_url: str, feed_url: str, language: str) -> bytes:
    """The items as an Atom feed."""
    feed = Atom1Feed(title=title, link=page_url, description="", language=language, feed_url=feed_url)
    for item in items:
        feed.add_item(
            title=item.reading.title,
            link=item.url,
            description=_html(item.reading),
            unique_id=item.id,
            pubdate=item.at,
            updateddate=item.at,
            categories=[item.revision.kind, item.revision.channel, item.revision.audience],
        )
    return feed.writeString("utf-8").encode("utf-8")


def json_feed(
    items: Iterable[Syndicated], *, title: str, page_url: str, feed_url: str, language: str
) -> dict[str, JSON]:
    """The items as a JSON Feed 1.1 (jsonfeed.org/version/1.1), with what programs want to know in `_sapwood`."""
    return {
        "version": "https://jsonfeed.org/version/1.1",
        "title": title,
        "home_page_url": page_url,
        "feed_url": feed_url,
        "language": language,
        "items": [_json_item(item) for item in items],
    }


def _json_item(item: Syndicated) -> dict[str, JSON]:
    revision, reading = item.revision, item.reading
    return {
        "id": item.id,
        "url": item.url,
        "title": reading.title,
        "summary": reading.summary,
        "content_html": _html(reading),
        "date_published": item.at.isoformat(),
        "date_modified": item.at.isoformat(),
        "language": reading.locale,
        "tags": [revision.kind, revision.channel, revision.audience],
        "_sapwood": {
            "uuid": str(revision.announcement.uuid),
            "revision": revision.number,
            "sha256": revision.sha256,
            "channel": revision.channel,
            "kind": revision.kind,
            "severity": revision.severity,
            "audience": revision.audience,
            "condition": revision.condition,
            "locales": revision.locales,
            "expires_at": revision.expires_at.isoformat() if revision.expires_at else None,
            "links": [{"kind": link.kind, "url": link.report.url, "title": link.title} for link in reading.links],
        },
    }


def _html(reading: Reading) -> str:
    """The body, or the summary where there is none; a feed needs something to show."""
    return str(reading.body) or reading.summary or reading.title
