"""JSON Feed 1.1 and the posts of the WordPress REST API."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sapwood.core.feeds.data import MAX_ENTRIES, MAX_ENTRY_BYTES, FeedError, GuidSource, RefusedEntry
from sapwood.core.feeds.raw import RawEntry, RawFeed

_HINT = "Give the address of a JSON Feed, or of a WordPress site's posts."


def read_json(text: str) -> RawFeed:
    """The feed in a JSON text; raises FeedError when there is none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FeedError("The document is not JSON, though it begins like it.", hint=_HINT) from error
    if isinstance(document, list):
        return _read_posts(document)
    if isinstance(document, dict) and str(document.get("version", "")).startswith("https://jsonfeed.org/version/1"):
        return _read_json_feed(document)
    if isinstance(document, dict) and isinstance(document.get("code"), str) and document["code"].startswith("rest_"):
        raise FeedError("The WordPress site refuses to list its posts.", hint="Open its REST API, or use its RSS feed.")
    raise FeedError("The document is JSON, but no JSON Feed and no list of WordPress posts.", hint=_HINT)


def _read_json_feed(document: Mapping[str, Any]) -> RawFeed:
    items = document.get("items")
    if not isinstance(items, list):
        raise FeedError("The JSON Feed has no list of items.", hint=_HINT)
    entries, refused, problems = _each(items, _json_feed_entry)
    return RawFeed(
        _text(document, "title"),
        _text(document, "home_page_url"),
        _text(document, "language"),
        entries,
        refused,
        problems,
    )


def _read_posts(document: Sequence[Any]) -> RawFeed:
    if document and not any(isinstance(post, dict) and "link" in post and "title" in post for post in document):
        raise FeedError("The document is JSON, but no list of WordPress posts.", hint=_HINT)
    entries, refused, problems = _each(document, _wordpress_entry)
    return RawFeed("", "", "", entries, refused, problems, tuple(filter(None, map(_number, document))))


def _each(
    items: Sequence[Any], read: Callable[[Mapping[str, Any], int], RawEntry]
) -> tuple[list[RawEntry], list[RefusedEntry], list[str]]:
    """Read each item on its own, so that a bad one costs nobody else."""
    entries: list[RawEntry] = []
    refused: list[RefusedEntry] = []
    for position, item in enumerate(items, start=1):
        if len(entries) == MAX_ENTRIES:
            note = f"The feed holds {len(items):,} entries; only the first {MAX_ENTRIES:,} were read."
            return entries, refused, [note]
        why = _why_not(item)
        if why:
            refused.append(RefusedEntry(position, "", why))
        else:
            entries.append(read(item, position))
    return entries, refused, []


def _why_not(item: object) -> str:
    if not isinstance(item, dict):
        return "The entry is not an object."
    size = sum(len(value) for value in _strings(item))
    if size > MAX_ENTRY_BYTES:
        return f"The entry has {size:,} characters; at most {MAX_ENTRY_BYTES:,} are read."
    if item.get("status", "publish") != "publish":
        return "The post is not published."
    return ""


def _strings(item: Mapping[str, Any]) -> list[str]:
    nested = [value for value in item.values() if isinstance(value, dict)]
    found = [value for value in item.values() if isinstance(value, str)]
    return found + [value for inner in nested for value in inner.values() if isinstance(value, str)]


def _json_feed_entry(item: Mapping[str, Any], position: int) -> RawEntry:
    html, plain = _text(item, "content_html"), _text(item, "content_text")
    guid = item.get("id")
    people = [person for person in _list(item, "authors") or [item.get("author")] if isinstance(person, dict)]
    return RawEntry(
        position=position,
        guid=str(guid) if isinstance(guid, str | int | float) and not isinstance(guid, bool) else "",
        url=_text(item, "url") or _text(item, "external_url"),
        title=_text(item, "title"),
        summary=_text(item, "summary") or plain or html,
        summary_is_html=not (_text(item, "summary") or plain),
        body=html or plain,
        body_is_html=bool(html),
        language=_text(item, "language"),
        categories=tuple(tag for tag in _list(item, "tags") if isinstance(tag, str)),
        author=", ".join(_text(person, "name") for person in people if _text(person, "name")),
        published=_text(item, "date_published"),
        updated=_text(item, "date_modified"),
    )


def _wordpress_entry(post: Mapping[str, Any], position: int) -> RawEntry:
    number = _number(post)
    content = post.get("content")
    protected = isinstance(content, dict) and content.get("protected") is True
    terms = [term for group in _embedded(post, "wp:term") if isinstance(group, list) for term in group]
    people = [person for person in _embedded(post, "author") if isinstance(person, dict)]
    return RawEntry(
        position=position,
        guid=f"wordpress:{number}" if number else _rendered(post, "guid"),
        guid_source=GuidSource.POST_NUMBER if number else GuidSource.GIVEN,
        url=_text(post, "link"),
        title=_rendered(post, "title"),
        title_is_html=True,
        summary=_rendered(post, "excerpt"),
        body=_rendered(post, "content"),
        categories=tuple(_text(term, "name") for term in terms if isinstance(term, dict)),
        author=", ".join(_text(person, "name") for person in people if _text(person, "name")),
        published=_gmt(post, "date_gmt"),
        updated=_gmt(post, "modified_gmt"),
        problems=("The post is protected by a password; its text is not in the feed.",) if protected else (),
    )


def _number(post: object) -> int:
    """The number of a post, which survives a move to another domain; 0 when it has none."""
    number = post.get("id") if isinstance(post, dict) else None
    return number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else 0


def _gmt(post: Mapping[str, Any], name: str) -> str:
    """WordPress writes its GMT dates without a zone; the field's name is the zone."""
    value = _text(post, name)
    return f"{value}Z" if value and value[-1:].isdigit() and "+" not in value else value


def _rendered(post: Mapping[str, Any], name: str) -> str:
    value = post.get(name)
    return _text(value, "rendered") if isinstance(value, dict) else value if isinstance(value, str) else ""


def _embedded(post: Mapping[str, Any], name: str) -> list[Any]:
    embedded = post.get("_embedded")
    return _list(embedded, name) if isinstance(embedded, dict) else []


def _list(item: Mapping[str, Any], name: str) -> list[Any]:
    value = item.get(name)
    return value if isinstance(value, list) else []


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""
