"""Golden files: what was written once is read for ever, and written back byte for byte.

`hashes.json` holds the SHA-256 of each file's canonical form. A change of a golden file or of a hash is a
change of a published format: add a new file instead.
"""

import datetime as dt
import json
from pathlib import Path
from uuid import UUID

import pytest

from sapwood.formats.announcement import Announcement, Event, Kind
from sapwood.formats.canonical import canonical_bytes, sha256_hex, strict_json
from sapwood.formats.documents import TYPES, document_bytes, parse_document
from sapwood.formats.publication import Link, LinkKind, LocaleText
from sapwood.formats.release import Release, ReleaseStatus
from sapwood.formats.retraction import Retraction

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(path for path in GOLDEN.glob("*.json") if path.name != "hashes.json")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_document_is_read_and_written_back_byte_for_byte(path):
    raw = path.read_bytes()
    written = document_bytes(parse_document(raw))
    assert written == canonical_bytes(strict_json(raw))
    assert json.loads((GOLDEN / "hashes.json").read_text())[path.stem] == sha256_hex(written)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_document_equals_itself_after_a_pass_through_bytes(path):
    document = parse_document(path.read_bytes())
    assert parse_document(document_bytes(document)) == document


def test_every_type_with_a_record_has_a_golden_file_from_a_newer_writer_or_with_unknown_fields():
    ours = {"announcement", "release", "advisory", "retraction", "certificate", "migrationreport"}
    assert ours <= set(TYPES)
    with_unknown = {
        type(document).constants["type"]
        for document in map(parse_document, (path.read_bytes() for path in FILES))
        if getattr(document, "extra", {}) or any(item.extra for item in getattr(document, "fixed_in", ()))
    }
    assert with_unknown == ours


def test_every_hash_belongs_to_a_golden_file():
    assert set(json.loads((GOLDEN / "hashes.json").read_text())) == {path.stem for path in FILES}


def test_what_the_program_writes_is_the_golden_event():
    event = Announcement(
        uuid=UUID("6f7e3bb2-53a5-4a7e-9d60-0e6f6a1f1a03"),
        revision=1,
        channel="community",
        kind=Kind.EVENT,
        texts={"en": LocaleText(title="Open edX Conference", body="Four days of talks and workshops.")},
        event=Event(
            starts_at=dt.datetime(2027, 4, 20, 9, 0, 0, 123456, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            ends_at=dt.datetime(2027, 4, 23, 16, tzinfo=dt.UTC),
            time_zone="Europe/Paris",
            place="University auditorium",
            lodging="Three hotels nearby hold rooms until March.",
            remote="All talks are streamed with captions.",
            remote_url="https://example.org/live",
            accessibility="Step-free; hearing loop; quiet room.",
        ),
        links=(Link(kind=LinkKind.REGISTRATION, url="https://example.org/register"),),
    )
    raw = (GOLDEN / "announcement-event.json").read_bytes()
    assert document_bytes(event) == canonical_bytes(strict_json(raw))
    assert parse_document(raw) == event


def test_what_the_program_writes_is_the_golden_retraction_and_candidate():
    retraction = Retraction(
        uuid=UUID("6f7e3bb2-53a5-4a7e-9d60-0e6f6a1f1d01"),
        revision=1,
        channel="security",
        retracts=UUID("6f7e3bb2-53a5-4a7e-9d60-0e6f6a1f1c02"),
        retracts_revision=3,
        reason="The workaround in revision 3 does not close the hole.",
        reasons={"es": "La solución provisional de la revisión 3 no cierra el fallo."},
        urgent=True,
        replaced_by=UUID("6f7e3bb2-53a5-4a7e-9d60-0e6f6a1f1c03"),
    )
    assert parse_document((GOLDEN / "retraction-urgent.json").read_bytes()) == retraction
    candidate = parse_document((GOLDEN / "release-candidate-from-a-newer-writer.json").read_bytes())
    assert isinstance(candidate, Release)
    assert candidate.status is ReleaseStatus.CANDIDATE
