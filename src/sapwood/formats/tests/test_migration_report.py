"""Reports of migrations: what they say in short, and what of them is refused."""

import datetime as dt
from pathlib import Path

import pytest

from sapwood.formats.canonical import canonical_bytes, strict_json
from sapwood.formats.documents import MAX_BYTES, document_bytes, parse, parse_document, read_document
from sapwood.formats.errors import FormatError, SchemaError
from sapwood.formats.migration_report import ENOUGH_ROWS, MigrationReport, Operation, Step

GOLDEN = Path(__file__).parent / "golden"
MEASURED = strict_json((GOLDEN / "migrationreport-measured.json").read_bytes())
STATIC = strict_json((GOLDEN / "migrationreport-static.json").read_bytes())
STEP = {"app": "shop", "name": "0002_price", "classes": ["expand"]}


def with_step(**changes):
    return STATIC | {"migrations": [STEP | changes]}


def test_what_the_program_writes_is_the_golden_static_report():
    written = MigrationReport(
        made_at=dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC),
        sapwood="0.1.0",
        migrations=(
            Step(
                app="shop",
                name="0002_price",
                classes=("expand",),
                operations=(
                    Operation(kind="AddField", classes=("expand",), model="product", field="price", reversible=True),
                ),
            ),
        ),
    )
    assert document_bytes(written) == canonical_bytes(STATIC)


def test_a_report_says_how_large_it_is_what_it_takes_away_and_what_takes_longest():
    report = read_document(MEASURED)
    assert (len(report.migrations), report.operations) == (3, 2)
    assert [step.label for step in report.contracting] == ["submissions.0006_mariadb_uuid_conversion"]
    assert report.counts == {"unsafe": 1, "contract": 1, "expand": 1, "data": 1}
    assert report.longest is report.migrations[0]
    assert report.longest.seconds_per_million == 30.5 / 2
    assert report.growth_bytes == -4194304
    assert report.seconds == 33.25
    assert list(report.by_app) == ["completion", "submissions"]
    assert [step.reversible for step in report.migrations] == [None, None, None]


def test_what_nobody_measured_is_not_known():
    report = read_document(STATIC)
    assert (report.measured, report.seconds, report.growth_bytes, report.longest) == (False, None, None, None)
    assert report.migrations[0].reversible is True


@pytest.mark.parametrize(
    ("changes", "speed"),
    [
        ({"rows": ENOUGH_ROWS, "sql_seconds": 0.5, "seconds": 1}, 50.0),
        ({"rows": ENOUGH_ROWS - 1, "sql_seconds": 0.5, "seconds": 1}, None),
        ({"rows": ENOUGH_ROWS, "seconds": 1}, None),
        ({"rows": None, "sql_seconds": 0.5, "seconds": 1}, None),
        ({"rows": ENOUGH_ROWS, "sql_seconds": 0.5, "seconds": 1, "failed": True}, None),
    ],
)
def test_time_for_a_million_rows_is_told_only_from_enough_of_them(changes, speed):
    assert read_document(with_step(**changes)).migrations[0].seconds_per_million == speed


def test_the_bytes_are_kept_as_they_came_whatever_their_spacing():
    raw = (GOLDEN / "migrationreport-from-a-newer-writer.json").read_bytes()
    parsed = parse(raw)
    assert parsed.raw == raw
    step = parsed.document.migrations[0]
    assert (step.extra, step.operations[0].extra) == ({"energy_kwh": 0.25}, {"batches": 12})


@pytest.mark.parametrize(
    "bad",
    [
        STATIC | {"migrations": [STEP, STEP]},
        with_step(app="shop\x1b[31m"),
        with_step(name="0002\u202egnp"),
        with_step(name=""),
        with_step(name="x" * 201),
        with_step(classes=[]),
        with_step(classes=["Not a class"]),
        with_step(rows=-1),
        with_step(rows=1.5),
        with_step(seconds=-1),
        with_step(seconds=1, sql_seconds=2),
        with_step(sql_seconds=2),
        with_step(sha256="1" * 63),
        with_step(statements=[{"sql": "x" * 2001}]),
        with_step(statements=[{"sql": "SELECT 1\u202e"}]),
        with_step(why=["x"] * 11),
        STATIC | {"release": "verawood.1"},
        STATIC | {"release": "verawood.1", "previous": "verawood.1"},
        STATIC | {"release": "verawood 1", "previous": "ulmo.4"},
        STATIC | {"engines": {"default": "mysql\n10"}},
        STATIC | {"made_at": "2026-11-22"},
        STATIC | {"migrations": [STEP | {"name": f"{number:04}"} for number in range(5001)]},
    ],
)
def test_a_report_that_is_hostile_or_contradicts_itself_is_refused(bad):
    with pytest.raises(SchemaError):
        read_document(bad)


def test_a_report_larger_than_any_is_refused():
    with pytest.raises(FormatError):
        parse_document(canonical_bytes(STATIC | {"padding": "x" * MAX_BYTES}))
