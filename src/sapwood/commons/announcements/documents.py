"""Between documents and rows: building bytes, reading them back, comparing what two revisions say."""

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from sapwood.formats.announcement import Announcement
from sapwood.formats.canonical import JSON, canonical_bytes, sha256_hex, strict_json
from sapwood.formats.documents import parse_document
from sapwood.formats.errors import FormatError, UnknownTypeError
from sapwood.formats.phrase import Phrase

# Databases hand bytes back as memoryviews.
Raw: TypeAlias = bytes | memoryview

# What numbers and dates a revision, but says nothing to a reader.
_NUMBERING: Final = ("revision", "alert")
_WINDOW: Final = ("publish_at", "expires_at")


def document_bytes(document: Mapping[str, JSON], *, revision: int, alert: bool = True) -> bytes:
    """The canonical bytes of a document as this revision; one that should not raise a hand says `"alert": false`."""
    body = {name: value for name, value in document.items() if name not in _NUMBERING}
    body["revision"] = revision
    if not alert:
        body["alert"] = False
    return canonical_bytes(body)


def read_announcement(raw: Raw) -> Announcement:
    """The announcement in these bytes. Raises FormatError."""
    document = parse_document(bytes(raw))
    if not isinstance(document, Announcement):
        raise UnknownTypeError(Phrase("This document is not an announcement."), hint=Phrase("Name an announcement."))
    return document


def read_document(raw: Raw) -> dict[str, JSON]:
    """The plain JSON of our own bytes, without numbering: what a form or a file edits."""
    document: dict[str, JSON] = strict_json(bytes(raw))
    return {name: value for name, value in document.items() if name not in _NUMBERING}


def same_content(left: Raw, right: Raw) -> bool:
    """Whether two revisions say the same."""
    return read_document(left) == read_document(right)


def only_translations_changed(old: Raw, new: Raw) -> bool:
    """Whether nothing changed but texts that a translator or a machine wrote: no reason for a new alert."""
    before, after = read_document(old), read_document(new)
    if {**before, "texts": None} != {**after, "texts": None} or before == after:
        return False
    texts_before, texts_after = _texts(before), _texts(after)
    if set(texts_before) - set(texts_after):
        return False
    changed = [locale for locale, text in texts_after.items() if texts_before.get(locale) != text]
    return all(
        _is_translated(texts_after[locale]) and _is_translated(texts_before.get(locale, texts_after[locale]))
        for locale in changed
    )


def consent_sha256(raw: Raw) -> str:
    """The hash of what an organisation agrees to: all that a reader sees, whatever its number and window."""
    document = read_document(raw)
    return sha256_hex(canonical_bytes({name: value for name, value in document.items() if name not in _WINDOW}))


def path_in(error: FormatError) -> str:
    """The place in the document that an error of the formats names, or an empty text."""
    match = re.search(r"'([A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+|\[[0-9]+\])*)'", error.message)
    return match[1] if match else ""


def _texts(document: Mapping[str, JSON]) -> dict[str, dict[str, JSON]]:
    texts = document.get("texts")
    return texts if isinstance(texts, dict) else {}


def _is_translated(text: Mapping[str, JSON]) -> bool:
    return bool(text.get("origin", "author") != "author")
