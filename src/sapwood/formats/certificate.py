"""Certificate: what a site's own rehearsal of an upgrade showed, for whoever is asked to apply that upgrade.

It travels as an in-toto Statement v1 (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) about
the plan, with the certificate as its predicate; the site signs the statement.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

from sapwood.formats.canonical import JSON, canonical_bytes, shorten, strict_json
from sapwood.formats.errors import SchemaError
from sapwood.formats.phrase import Phrase
from sapwood.formats.records import Record

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "urn:sapwood:format:certificate"


@dataclass(frozen=True, kw_only=True)
class Interval(Record):
    """Seconds that something is expected to take."""

    low: float
    likely: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Table(Record):
    """How large one table was when it was rehearsed. `rows` were counted; `size_bytes` is the server's own estimate."""

    database: str
    name: str
    rows: int
    size_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Known(Record):
    """A check that failed before the upgrade too, and is no finding about it."""

    id: str
    model: str
    field: str


@dataclass(frozen=True, kw_only=True)
class Masked(Record):
    """A column whose values in the copy were not the real ones, and by which rule they were replaced."""

    database: str
    table: str
    column: str
    rule: str


@dataclass(frozen=True, kw_only=True)
class Certificate(Record):
    """What was rehearsed, where, with which result, and until when that counts.

    `plan` is the digest of the whole plan; `parts` are the digests that it is made of, so that a difference can be
    named. `facts` is the digest of engines and packages; `engines` says them in words, by database. `early` are the
    migrations that the running release was shown to survive, `postponable` those that the new one can do without.
    `masked` are the columns that were masked in the copy; none of them was tested or read by a migration.
    """

    constants: ClassVar[Mapping[str, JSON]] = {"type": "certificate", "version": 1}

    subject: str
    site_id: UUID
    plan: str
    parts: Mapping[str, str]
    facts: str
    tables: tuple[Table, ...]
    verdict: str
    predicted_downtime_s: Interval
    predicted_rollback_s: Interval
    issued_at: datetime
    expires_at: datetime
    sapwood: str
    engines: Mapping[str, str] = field(default_factory=dict)
    early: tuple[str, ...] = ()
    postponable: tuple[str, ...] = ()
    known: tuple[Known, ...] = ()
    masked: tuple[Masked, ...] = ()


def check_certificate(item: Certificate) -> None:
    """What the schema cannot say: it ends after it begins, and names each table once."""
    if item.expires_at <= item.issued_at:
        raise SchemaError(
            Phrase("The certificate ends before it begins."),
            hint=Phrase("Make a new one; do not use this one."),
            path="expires_at",
        )
    if len({(table.database, table.name) for table in item.tables}) != len(item.tables):
        raise SchemaError(
            Phrase("The certificate names a table twice."),
            hint=Phrase("Make a new one; do not use this one."),
            path="tables",
        )


def statement_bytes(certificate: Certificate) -> bytes:
    """The statement to sign, in canonical JSON."""
    return canonical_bytes(
        {
            "_type": STATEMENT,
            "subject": [_about(certificate)],
            "predicateType": f"{PREDICATE}:{certificate.constants['version']}",
            "predicate": certificate.to_dict(),
        }
    )


def statement_predicate(raw: bytes) -> Mapping[str, JSON]:
    """The document that a statement carries, still to be read. Raises FormatError."""
    data = strict_json(raw)
    predicate = data.get("predicate")
    if data.get("_type") != STATEMENT or not isinstance(predicate, dict):
        raise SchemaError(
            Phrase("This is not an in-toto statement of version 1."),
            hint=Phrase("Make a new one; do not use this one."),
        )
    kind = f"urn:sapwood:format:{predicate.get('type')}:{predicate.get('version')}"
    about = [{"name": predicate.get("subject"), "digest": {"sha256": predicate.get("plan")}}]
    if data.get("predicateType") != kind or data.get("subject") != about:
        raise SchemaError(
            Phrase("The statement is about something else than its predicate %(kind)s.", kind=shorten(kind)),
            hint=Phrase("Make a new one; do not use this one."),
        )
    return predicate


def _about(certificate: Certificate) -> JSON:
    return {"name": certificate.subject, "digest": {"sha256": certificate.plan}}
