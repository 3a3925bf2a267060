"""The certificate and the statement that carries it: what one says, the other says too."""

import datetime as dt
import json
from pathlib import Path
from uuid import UUID

import pytest

from sapwood.formats.canonical import canonical_bytes, strict_json
from sapwood.formats.certificate import Certificate, Interval, Table, statement_bytes, statement_predicate
from sapwood.formats.documents import document_bytes, parse_document, read_document
from sapwood.formats.errors import FormatError, SchemaError

GOLDEN = Path(__file__).parent / "golden"
FIRST = strict_json((GOLDEN / "certificate-first.json").read_bytes())
ISSUED = dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC)


def test_what_the_program_writes_is_the_golden_certificate():
    written = Certificate(
        subject="campus",
        site_id=UUID("6f7e3bb2-53a5-4a7e-9d60-0e6f6a1f2e01"),
        plan="1" * 64,
        parts={
            name: letter * 64
            for letter, name in zip(
                "abcdef", ("engine", "migrations", "packages", "schema", "settings", "subject"), strict=True
            )
        },
        facts="2" * 64,
        engines={"default": "mysql 10.11.19-MariaDB"},
        tables=(
            Table(database="default", name="shop_product", rows=1_200_000, size_bytes=104_857_600),
            Table(database="default", name="django_migrations", rows=111),
        ),
        verdict="go",
        predicted_downtime_s=Interval(low=208.5, likely=260, high=390.75),
        predicted_rollback_s=Interval(low=540, likely=660, high=840),
        issued_at=ISSUED,
        expires_at=ISSUED + dt.timedelta(days=7),
        sapwood="0.1.0",
    )
    assert document_bytes(written) == canonical_bytes(FIRST)


@pytest.mark.parametrize("name", ["certificate-first", "certificate-from-a-newer-writer"])
def test_a_statement_gives_back_the_certificate_unknown_fields_included(name):
    certificate = parse_document((GOLDEN / f"{name}.json").read_bytes())
    statement = statement_bytes(certificate)
    assert json.loads(statement)["subject"] == [{"name": "campus", "digest": {"sha256": "1" * 64}}]
    assert read_document(dict(statement_predicate(statement))) == certificate


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"predicateType": "urn:sapwood:format:certificate:2"},
        {"predicate": None},
        {"predicate": []},
        {"predicate": FIRST | {"subject": "another campus"}},
        {"subject": []},
        {"subject": [{"name": "campus", "digest": {"sha256": "3" * 64}}]},
    ],
)
def test_a_statement_about_something_else_is_refused(change):
    statement = json.loads(statement_bytes(read_document(FIRST)))
    with pytest.raises(FormatError):
        statement_predicate(canonical_bytes(statement | change))


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": "2026-11-22T10:00:00Z"},
        {"tables": [FIRST["tables"][0], FIRST["tables"][0]]},
        {"plan": "1" * 63},
        {"parts": {}},
        {"parts": {"engine": "x"}},
        {"verdict": "maybe"},
        {"subject": "campus\n\u202egone"},
        {"tables": [{"database": "default", "name": "t", "rows": -1}]},
    ],
)
def test_a_certificate_that_contradicts_itself_is_refused(change):
    with pytest.raises(SchemaError):
        read_document(FIRST | change)
