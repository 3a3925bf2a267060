"""Reading documents: one at a time, and many without one spoiling the rest."""

import json

import pytest

from sapwood.formats import documents
from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.formats.errors import (
    FormatError,
    SchemaError,
    TooBigError,
    UnknownTypeError,
    UnsupportedVersionError,
)
from sapwood.formats.schema import schema_names

NEWS = {
    "type": "announcement",
    "version": 1,
    "uuid": "0b5b8a3e-6a55-4d6c-9d0b-0a1b2c3d4e5f",
    "revision": 1,
    "channel": "community",
    "kind": "news",
    "texts": {"en": {"title": "Ulmo is out"}},
}


def as_bytes(**changes):
    return json.dumps({**NEWS, **changes}).encode()


def test_the_received_bytes_are_kept_and_hashed_as_they_came():
    raw = b"\n " + as_bytes()
    parsed = documents.parse(raw, "community-0001.json")
    assert (parsed.raw, parsed.sha256, parsed.name) == (raw, sha256_hex(raw), "community-0001.json")


def test_unknown_fields_are_kept_at_every_level_and_written_back():
    data = {**NEWS, "mood": {"a": [1]}, "texts": {"en": {"title": "Ulmo is out", "subtitle": "x"}}}
    document = documents.parse_document(json.dumps(data).encode())
    assert document.extra == {"mood": {"a": [1]}}
    assert documents.document_bytes(document) == canonical_bytes(data)


def test_a_default_that_was_written_out_stays_written_out():
    data = {**NEWS, "severity": "none", "condition": None, "links": []}
    assert documents.parse_document(json.dumps(data).encode()).to_dict() == data


@pytest.mark.parametrize("version", [0, 2, 99])
def test_a_document_of_another_version_is_refused_by_name(version):
    with pytest.raises(UnsupportedVersionError, match=f"announcement version {version}"):
        documents.parse_document(as_bytes(version=version))


@pytest.mark.parametrize("version", [None, "1", True, 1.5])
def test_a_version_that_is_not_a_number_is_refused(version):
    with pytest.raises(SchemaError):
        documents.parse_document(as_bytes(version=version))


def test_an_unknown_type_is_refused_by_name():
    with pytest.raises(UnknownTypeError, match="poll"):
        documents.parse_document(as_bytes(type="poll"))


def test_each_type_has_its_own_limit_of_size():
    with pytest.raises(TooBigError, match="announcement"):
        documents.parse_document(as_bytes(padding="x" * 1_000_000))


def test_one_unreadable_document_never_takes_the_list_with_it():
    outcome = documents.parse_many(
        [
            ("good", as_bytes()),
            ("newer", as_bytes(version=7)),
            ("html", b"<html>sign in</html>"),
            ("kind", as_bytes(kind="poll")),
            ("also good", as_bytes(revision=2)),
        ]
    )
    assert [item.name for item in outcome.parsed] == ["good", "also good"]
    assert [(item.name, item.code) for item in outcome.refused] == [
        ("newer", "format.unsupported_version"),
        ("html", "format.not_json"),
        ("kind", "format.schema"),
    ]
    assert all(item.message and item.hint for item in outcome.refused)


def test_a_fault_of_ours_in_one_document_is_said_and_does_not_hide_the_others(monkeypatch, caplog):
    real = documents.read_document

    def faulty(data):
        if data["revision"] == 2:
            raise KeyError("a bug")
        return real(data)

    monkeypatch.setattr(documents, "read_document", faulty)
    outcome = documents.parse_many([("a", as_bytes(revision=2)), ("b", as_bytes())])
    assert [item.name for item in outcome.parsed] == ["b"]
    assert "fault in Sapwood" in outcome.refused[0].message
    assert "KeyError" in caplog.text


def test_we_never_write_what_a_receiver_would_refuse():
    document = documents.parse_document(as_bytes())
    object.__setattr__(document, "channel", "Not A Channel")
    with pytest.raises(FormatError):
        documents.document_bytes(document)


def test_every_type_has_its_schema_its_class_and_every_schema_its_type():
    assert sorted(documents.TYPES) == schema_names()
    for kind in documents.TYPES.values():
        assert callable(kind.load().from_dict), kind.name


def test_facts_of_a_site_and_a_catalogue_are_read_through_the_same_door():
    facts = {"type": "sitefacts", "version": 1, "declared_release": "teak.3"}
    assert documents.read_document(facts).declared_release == "teak.3"
    catalogue = {name: NEWS[name] for name in ("version", "uuid", "revision")}
    catalogue |= {"type": "catalogue", "channel": "releases", "project": "x", "as_of": "2026-08-17", "lines": []}
    assert documents.read_document(catalogue).project == "x"
