"""Bytes to values and back: strict reading of JSON, and its one canonical form (RFC 8785).

Reading is strict because two readers of one signed document must see the same thing: I-JSON (RFC 7493),
no byte order mark, an object at the top. Every refusal says where and how to mend it.
"""

import codecs
import hashlib
import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import rfc8785

from sapwood.formats.errors import (
    ByteOrderMarkError,
    DuplicateKeyError,
    LoneSurrogateError,
    NotAnObjectError,
    NotCanonicalError,
    NotJsonError,
    NotUtf8Error,
    NumberError,
    TooBigError,
    TooDeepError,
)
from sapwood.formats.phrase import Figure, Phrase

JSON: TypeAlias = Any  # parsed JSON; the schemas and the classes give it its shape
JSONObject: TypeAlias = dict[str, Any]

MAX_BYTES: Final = 5_000_000  # as python-tuf's limit on a targets file
MAX_DEPTH: Final = 40
LARGEST_NUMBER: Final = 2**53 - 1  # beyond it, readers disagree about the value (RFC 7493, 2.2)
MOST_DIGITS: Final = 20

_BOMS: Final = (
    codecs.BOM_UTF8,
    codecs.BOM_UTF16_LE,  # also the start of UTF-32's
    codecs.BOM_UTF16_BE,
    codecs.BOM_UTF32_BE,
)
_STRUCTURE: Final = re.compile(rb'"(?:[^"\\]+|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)  # linear: never goes back
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def canonical_bytes(value: JSON) -> bytes:
    """The one byte form of a JSON value (RFC 8785). Raises NotCanonicalError for what JSON cannot hold."""
    try:
        return rfc8785.dumps(value)
    except (ValueError, RecursionError) as error:
        reason = Phrase("it is nested too deeply") if isinstance(error, RecursionError) else str(error)
        raise NotCanonicalError(
            Phrase("This value has no canonical JSON form: %(reason)s.", reason=reason),
            hint=Phrase("Use text, finite numbers to 2^53 - 1, true, false, null, lists, objects with text keys."),
        ) from error


def sha256_hex(raw: bytes) -> str:
    """The SHA-256 of these bytes, in lower-case hexadecimal."""
    return hashlib.sha256(raw).hexdigest()


def strict_json(raw: bytes, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> JSONObject:
    """Read one JSON object, or refuse with the FormatError that names the place and the remedy."""
    if len(raw) > max_bytes:
        raise TooBigError(
            Phrase(
                "The document has %(size)s bytes; at most %(most)s are allowed.",
                size=Figure(len(raw)),
                most=Figure(max_bytes),
            ),
            hint=Phrase("Shorten it, or link to the long part."),
        )
    text = _decode(raw)
    _check_depth(raw, max_depth)
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise NotJsonError(
            Phrase(
                "This is not JSON: %(reason)s at line %(line)s, column %(column)s.",
                reason=error.msg,
                line=error.lineno,
                column=error.colno,
            ),
            hint=_what_came_instead(text),
        ) from error
    if not isinstance(value, dict):
        raise NotAnObjectError(
            Phrase("The document is %(value)s, not an object.", value=_name(value)),
            hint=Phrase('A document starts with "{" and carries "type" and "version".'),
        )
    for path, item in _walk(value, ""):
        _check_item(path, item)
    return value


class _Twice(dict[str, Any]):
    """An object whose text had one key twice; remembered until the walk can say where it is."""

    def __init__(self, pairs: list[tuple[str, Any]], key: str) -> None:
        super().__init__(pairs)
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> JSONObject:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return _Twice(pairs, key)
        seen.add(key)
    return found


def _integer(digits: str) -> int | float:
    """An integer; one that is far too long becomes infinite, which the walk refuses with its place."""
    return int(digits) if len(digits) <= MOST_DIGITS else math.inf


def _decode(raw: bytes) -> str:
    if raw.startswith(_BOMS):
        raise ByteOrderMarkError(
            Phrase("The document starts with a byte order mark."),
            hint=Phrase("Save it as UTF-8 without a byte order mark."),
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotUtf8Error(
            Phrase(
                "The document is not UTF-8: byte %(byte)s is 0x%(raw)s.",
                byte=error.start + 1,
                raw=f"{raw[error.start]:02x}",
            ),
            hint=Phrase("Save it as UTF-8."),
        ) from error


def _check_depth(raw: bytes, max_depth: int) -> None:
    depth = 0
    for match in _STRUCTURE.finditer(raw):
        first = match[0][:1]
        if first in b"[{":
            depth += 1
            if depth > max_depth:
                line = raw.count(b"\n", 0, match.start()) + 1
                raise TooDeepError(
                    Phrase(
                        "The document is nested more than %(n)s levels deep at line %(line)s.",
                        n=max_depth,
                        line=line,
                    ),
                    hint=Phrase("Flatten it; no document of this project needs that depth."),
                )
        elif first in b"]}":
            depth -= 1


def _walk(value: JSON, path: str) -> Iterator[tuple[str, JSON]]:
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield path, key
            yield from _walk(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]")


def _check_item(path: str, item: JSON) -> None:
    if isinstance(item, _Twice):
        raise DuplicateKeyError(
            Phrase("The key %(key)s stands twice in %(path)s.", key=shorten(item.key), path=show_path(path)),
            hint=Phrase("Keep one of the two."),
            path=path,
        )
    if isinstance(item, str) and _SURROGATE.search(item):
        raise LoneSurrogateError(
            Phrase("A text in %(path)s holds half of a surrogate pair.", path=show_path(path)),
            hint=Phrase("Write the whole character, as UTF-8."),
            path=path,
        )
    if isinstance(item, (int, float)) and not abs(item) <= LARGEST_NUMBER:  # not: NaN compares with nothing
        raise NumberError(
            Phrase("The number in %(path)s is not finite, or beyond 2^53 - 1.", path=show_path(path)),
            hint=Phrase("Write large numbers and missing values as text or null."),
            path=path,
        )


def _what_came_instead(text: str) -> str:
    if text.lstrip()[:1] == "<":
        return Phrase("This looks like a web page: a sign-in page or a proxy may have answered in place of the server.")
    return Phrase("Check the document with a JSON tool, for instance: python3 -m json.tool FILE")


def _name(value: JSON) -> str:
    names = {list: Phrase("a list"), str: Phrase("a text"), bool: Phrase("true or false"), type(None): "null"}
    return names.get(type(value), Phrase("a number"))


def show_path(path: str) -> str:
    """A place in a document, for a person: printable, and short even if keys are hostile."""
    return shorten(path) if path else Phrase("the document")


def shorten(text: str, longest: int = 80) -> str:
    """Text from outside, quoted for a message: one printable line of at most that many characters."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "'" + "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cut) + "'"
