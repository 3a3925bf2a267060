"""RSS and Atom in all their dialects.

First a pass that refuses document types and finds where each entry lies, so that an oversized or surplus entry
is cut out before anything builds it in memory; then feedparser, its own cleaning and guessing switched off.
"""

import io
import re
from collections.abc import Mapping
from typing import Any
from xml.sax import SAXParseException, handler
from xml.sax.xmlreader import InputSource

import feedparser
from defusedxml import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser
from typing_extensions import override

from sapwood.core.feeds.data import (
    MAX_BROKEN_FEED_BYTES,
    MAX_ENTRIES,
    MAX_ENTRY_BYTES,
    FeedError,
    FeedForbiddenError,
    FeedTooLargeError,
    RefusedEntry,
)
from sapwood.core.feeds.raw import RawEntry, RawFeed

_MAX_DEPTH = 200
_MAX_ELEMENTS = 2_000_000
_ENTRY_NAMES = frozenset({"item", "entry"})
_DECLARATION = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


class _Malformed(Exception):  # noqa: N818 - a turn in the flow, not an error
    pass


class _EntryFinder(DefusedExpatParser):
    """Notes the byte range of each entry; refuses document types, entities and bottomless nesting."""

    def __init__(self) -> None:
        super().__init__(forbid_dtd=True)
        self.ranges: list[tuple[int, int]] = []
        self.root = ""
        self._depth = 0
        self._elements = 0
        self._entry_depth = 0
        self._entry_start = 0

    @override
    def start_element(self, name: str, attrs: Mapping[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        self.root = self.root or name
        if self._depth > _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            raise FeedForbiddenError("The feed is nested or split up beyond all measure.", hint=_HINT)
        if not self._entry_depth and name.rpartition(":")[2] in _ENTRY_NAMES:
            self._entry_depth, self._entry_start = self._depth, self._position()

    @override
    def end_element(self, name: str) -> None:
        if self._entry_depth == self._depth:
            self.ranges.append((self._entry_start, self._position()))
            self._entry_depth = 0
        self._depth -= 1

    def _position(self) -> int:
        index: int = self._parser.CurrentByteIndex  # type: ignore[attr-defined]  # its stub omits the attribute
        return index


def read_xml(text: str) -> RawFeed:
    """The feed in an XML text; raises FeedError when there is none."""
    data = text.encode("utf-8", "replace")
    refused: list[RefusedEntry] = []
    problems: list[str] = []
    try:
        data, refused, problems = _trimmed(data)
    except _Malformed as error:
        if len(data) > MAX_BROKEN_FEED_BYTES:
            raise FeedTooLargeError(
                f"The feed is not well-formed XML ({error}), and too large to be repaired.", hint=_HINT
            ) from error
        if _DECLARATION.search(text):
            raise FeedForbiddenError("The feed declares a document type or entities.", hint=_HINT) from error
        problems = [f"The feed is not well-formed XML ({error}); it was read as well as possible."]
    parsed = feedparser.parse(
        io.BytesIO(data),
        response_headers={"content-type": "application/xml; charset=utf-8"},
        resolve_relative_uris=False,
        sanitize_html=False,
    )
    if not parsed.version:
        raise FeedError("The document is XML, but no RSS or Atom feed.", hint="Give the address of the feed itself.")
    if len(parsed.entries) > MAX_ENTRIES:
        problems.append(_note_on_cut(len(parsed.entries)))
    left_out = {entry.position for entry in refused}
    positions = (position for position in range(1, MAX_ENTRIES + len(left_out) + 1) if position not in left_out)
    entries = [_entry(found, place) for found, place in zip(parsed.entries[:MAX_ENTRIES], positions, strict=False)]
    about = parsed.feed
    return RawFeed(
        title=_text(about, "title"), base=_text(about, "link"), language=_text(about, "language"),
        entries=entries, refused=refused, problems=problems,
    )  # fmt: skip


_HINT = "Ask whoever runs the feed to publish plain RSS 2.0 or Atom."


def _trimmed(data: bytes) -> tuple[bytes, list[RefusedEntry], list[str]]:
    """The document without entries that are too large or too many."""
    finder = _EntryFinder()
    finder.setContentHandler(handler.ContentHandler())
    source = InputSource()
    source.setByteStream(io.BytesIO(data))
    try:
        finder.parse(source)
    except DefusedXmlException as error:
        raise FeedForbiddenError("The feed declares a document type or entities.", hint=_HINT) from error
    except SAXParseException as error:
        raise _Malformed(f"line {error.getLineNumber()}: {error.getMessage()}") from error
    refused: list[RefusedEntry] = []
    parts: list[bytes] = []
    kept, reached = 0, 0
    for position, (start, end_tag) in enumerate(finder.ranges, start=1):
        end = data.index(b">", end_tag) + 1
        too_large = end - start > MAX_ENTRY_BYTES
        if too_large:
            why = f"The entry has {end - start:,} bytes; at most {MAX_ENTRY_BYTES:,} are read."
            refused.append(RefusedEntry(position, "", why))
        if too_large or kept == MAX_ENTRIES:
            parts.append(data[reached:start])
            reached = end
        else:
            kept += 1
    parts.append(data[reached:])
    total = len(finder.ranges) - len(refused)
    return b"".join(parts), refused, [_note_on_cut(total)] if total > MAX_ENTRIES else []


def _note_on_cut(total: int) -> str:
    return f"The feed holds {total:,} entries; only the first {MAX_ENTRIES:,} were read."


def _entry(found: Mapping[str, Any], position: int) -> RawEntry:
    guid = _text(found, "id")
    contents = [part for part in found.get("content", []) if part.get("value")]
    best = next((part for part in contents if "html" in part.get("type", "")), contents[0] if contents else {})
    summary = found.get("summary_detail", {})
    title = found.get("title_detail", {})
    return RawEntry(
        position=position,
        guid=guid,
        url=_link(found, guid),
        title=str(title.get("value", "")),
        title_is_html="html" in title.get("type", ""),
        summary=str(summary.get("value", "")),
        summary_is_html=_may_be_html(summary),
        body=str(best.get("value", "") or summary.get("value", "")),
        body_is_html=_may_be_html(best or summary),
        language=str(best.get("language") or title.get("language") or ""),
        categories=tuple(str(tag.get("label") or tag.get("term") or "") for tag in found.get("tags", [])),
        author=str(found.get("author_detail", {}).get("name") or _text(found, "author")),
        published=_text(found, "published"),
        updated=str(dict.get(found, "updated") or "") if isinstance(found, dict) else "",
    )


def _link(found: Mapping[str, Any], guid: str) -> str:
    """The address of the entry's own page; feedparser would take any guid for it."""
    for link in found.get("links", []):
        href = str(link.get("href", ""))
        if link.get("rel", "alternate") == "alternate" and href and href != guid:
            return href
    return guid if guid.startswith(("https://", "http://")) else ""


def _may_be_html(detail: Mapping[str, Any]) -> bool:
    """RSS never says whether a description is HTML; Atom does, and feedparser tells the two apart badly."""
    return "html" in detail.get("type", "") or bool(
        re.search(r"<[a-zA-Z/!]|&(#\d+|#x[0-9a-f]+|\w+);", detail.get("value", ""))
    )


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
