"""From received bytes to documents: which type, which version, which class.

The bytes are what was signed, so they are kept and hashed as they came. A document that cannot be read is
refused on its own, with its reasons, and never takes others with it.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol

from sapwood.formats.advisory import Advisory, check_advisory
from sapwood.formats.announcement import Announcement, check_announcement
from sapwood.formats.canonical import (
    JSON,
    MAX_BYTES,
    JSONObject,
    canonical_bytes,
    sha256_hex,
    shorten,
    strict_json,
)
from sapwood.formats.certificate import Certificate, check_certificate
from sapwood.formats.errors import (
    FormatError,
    SchemaError,
    TooBigError,
    UnknownTypeError,
    UnsupportedVersionError,
)
from sapwood.formats.migration_report import MigrationReport, check_migration_report
from sapwood.formats.phrase import Figure, Phrase
from sapwood.formats.release import Release, check_release
from sapwood.formats.retraction import Retraction, check_retraction
from sapwood.formats.schema import check_schema

log = logging.getLogger(__name__)


class Document(Protocol):
    """What every document can do: become JSON again."""

    def to_dict(self) -> JSONObject:
        """The document as JSON, unknown fields included."""
        ...


@dataclass(frozen=True)
class DocumentType:
    """How documents of one type are read. `load` imports the class when it is first needed."""

    name: str
    versions: frozenset[int]
    max_bytes: int
    load: Callable[[], Any]
    check: Callable[[Any], None] = lambda _document: None


@dataclass(frozen=True)
class Parsed:
    """A document, the bytes that it came in, and their SHA-256."""

    raw: bytes
    sha256: str
    document: Document
    name: str = ""


@dataclass(frozen=True)
class Refused:
    """Bytes that could not be read as a document, and why, for a person."""

    name: str
    sha256: str
    code: str
    message: str
    hint: str


@dataclass(frozen=True)
class Outcome:
    """Of several documents: those that were read, and those that were refused, each in their order."""

    parsed: tuple[Parsed, ...]
    refused: tuple[Refused, ...]


def _later(module: str, name: str) -> Callable[[], Any]:
    return lambda: getattr(import_module(module), name)


ONE: Final = frozenset({1})
TYPES: Final[Mapping[str, DocumentType]] = {
    item.name: item
    for item in (
        DocumentType("announcement", ONE, 1_000_000, lambda: Announcement, check_announcement),
        DocumentType("release", ONE, 1_000_000, lambda: Release, check_release),
        DocumentType("advisory", ONE, 1_000_000, lambda: Advisory, check_advisory),
        DocumentType("retraction", ONE, 100_000, lambda: Retraction, check_retraction),
        DocumentType("catalogue", ONE, MAX_BYTES, _later("sapwood.formats.catalogue", "Catalogue")),
        DocumentType("certificate", ONE, MAX_BYTES, lambda: Certificate, check_certificate),
        DocumentType("migrationreport", ONE, MAX_BYTES, lambda: MigrationReport, check_migration_report),
        DocumentType("sitefacts", ONE, 1_000_000, _later("sapwood.formats.sitefacts", "SiteFacts")),
    )
}


def parse_document(raw: bytes) -> Document:
    """Read one document from its bytes. Raises the FormatError that says what is wrong, and where."""
    return parse(raw).document


def parse(raw: bytes, name: str = "") -> Parsed:
    """Read one document and keep its bytes and their hash beside it. Raises FormatError."""
    data = strict_json(raw)
    kind = type_of(data)
    if len(raw) > kind.max_bytes:
        raise TooBigError(
            Phrase(
                "The %(kind)s has %(size)s bytes; at most %(most)s are allowed.",
                kind=kind.name,
                size=Figure(len(raw)),
                most=Figure(kind.max_bytes),
            ),
            hint=Phrase("Shorten it, or link to the long part."),
        )
    return Parsed(raw, sha256_hex(raw), read_document(data), name)


def read_document(data: JSONObject) -> Document:
    """Read one document from its JSON object. Raises FormatError."""
    kind = type_of(data)
    check_schema(kind.name, data)
    document: Document = kind.load().from_dict(data)
    kind.check(document)
    return document


def parse_many(items: Iterable[tuple[str, bytes]]) -> Outcome:
    """Read several named documents; whatever cannot be read is listed as refused, and the rest goes on."""
    parsed, refused = [], []
    for name, raw in items:
        try:
            parsed.append(parse(raw, name))
        except FormatError as error:
            refused.append(Refused(name, sha256_hex(raw), error.code, error.message, error.hint))
        except Exception:  # a fault of ours in one document must not hide the others
            log.exception("a document could not be read because of a fault in Sapwood: %s", shorten(name))
            refused.append(
                Refused(
                    name,
                    sha256_hex(raw),
                    FormatError.code,
                    Phrase("Sapwood failed to read this document; that is a fault in Sapwood."),
                    Phrase("Report it with the document; the log has the details."),
                )
            )
    return Outcome(tuple(parsed), tuple(refused))


def document_bytes(document: Document) -> bytes:
    """The canonical bytes of one of our own documents, checked as a receiver would. Raises FormatError."""
    data = document.to_dict()
    raw = canonical_bytes(data)
    parse(raw)
    return raw


def type_of(data: Mapping[str, JSON]) -> DocumentType:
    """The type of a document, if this Sapwood reads it. Raises UnknownTypeError, UnsupportedVersionError."""
    name, version = data.get("type"), data.get("version")
    if not isinstance(name, str):
        raise SchemaError(
            Phrase("The document does not name its type."), hint=Phrase('Add "type", such as "announcement".')
        )
    if name not in TYPES:
        raise UnknownTypeError(
            Phrase("Documents of the type %(name)s are not known here.", name=shorten(name)),
            hint=Phrase("A newer Sapwood may know them: upgrade it."),
        )
    if not isinstance(version, int) or isinstance(version, bool):
        raise SchemaError(Phrase("The document does not name its version."), hint=Phrase('Add "version": 1.'))
    kind = TYPES[name]
    if version not in kind.versions:
        raise UnsupportedVersionError(
            Phrase(
                "This is %(name)s version %(version)s; this Sapwood reads version %(versions)s.",
                name=name,
                version=version,
                versions=Phrase.all_of(str(number) for number in sorted(kind.versions)),
            ),
            hint=Phrase("Upgrade Sapwood to read it; everything else goes on."),
        )
    return kind
