"""The published schemas are valid, complete, and in step with the classes."""

import dataclasses
import json

import pytest
from jsonschema import Draft202012Validator

from sapwood.formats import advisory, announcement, certificate, migration_report, publication, release, retraction
from sapwood.formats.errors import UnknownTypeError
from sapwood.formats.schema import COMMON, schema_for, schema_names

CLASSES = {
    "announcement": announcement.Announcement,
    "release": release.Release,
    "advisory": advisory.Advisory,
    "retraction": retraction.Retraction,
    "certificate": certificate.Certificate,
    "migrationreport": migration_report.MigrationReport,
}
PARTS = [
    (announcement.Event, "announcement", "event"),
    (announcement.Feedback, "announcement", "feedback"),
    (publication.LocaleText, COMMON, "$defs/texts_or_none/additionalProperties"),
    (publication.Link, COMMON, "$defs/links/items"),
    (release.Source, "release", "properties/repos/additionalProperties"),
    (advisory.Cvss, "advisory", "properties/cvss"),
    (advisory.Fix, "advisory", "properties/fixed_in/items"),
    (certificate.Table, "certificate", "properties/tables/items"),
    (certificate.Known, "certificate", "properties/known/items"),
    (certificate.Masked, "certificate", "properties/masked/items"),
    (certificate.Interval, "certificate", "$defs/interval"),
    (migration_report.Step, "migrationreport", "properties/migrations/items"),
    (migration_report.Operation, "migrationreport", "properties/migrations/items/properties/operations/items"),
    (migration_report.Statement, "migrationreport", "properties/migrations/items/properties/statements/items"),
]


def names(cls):
    return {field.name for field in dataclasses.fields(cls)} - {"extra", "explicit"}


def default_of(field):
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def required(cls):
    return {
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }


def part(schema, path):
    for step in path.split("/") if "/" in path else ("properties", path):
        schema = schema[step]
    return schema


@pytest.mark.parametrize("name", [*schema_names(), COMMON])
def test_a_schema_is_valid_and_has_words_for_the_docs(name):
    schema = schema_for(name)
    Draft202012Validator.check_schema(schema)
    assert schema["title"]
    assert schema["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize("name", CLASSES)
def test_a_document_and_its_schema_know_the_same_fields(name):
    schema, cls = schema_for(name), CLASSES[name]
    assert set(schema["properties"]) == names(cls) | {"type", "version"}
    assert set(schema["required"]) == required(cls) | {"type", "version"}
    assert schema["properties"]["type"]["const"] == name == cls.constants["type"]
    assert schema["properties"]["version"]["const"] == cls.constants["version"]


@pytest.mark.parametrize(("cls", "name", "path"), PARTS, ids=lambda item: getattr(item, "__name__", ""))
def test_a_part_and_its_schema_know_the_same_fields(cls, name, path):
    schema = part(schema_for(name), path)
    assert set(schema["properties"]) == names(cls)
    assert set(schema.get("required", [])) == required(cls)


def test_every_enumeration_of_the_schemas_is_that_of_the_classes():
    common = schema_for(COMMON)["$defs"]
    pairs = [
        (common["severity"]["enum"], publication.Severity),
        (common["texts_or_none"]["additionalProperties"]["properties"]["origin"]["enum"], publication.Origin),
        (schema_for("announcement")["properties"]["kind"]["enum"], announcement.Kind),
        (schema_for("announcement")["properties"]["audience"]["enum"], publication.Audience),
        (schema_for("release")["properties"]["status"]["enum"], release.ReleaseStatus),
        (schema_for("advisory")["properties"]["phase"]["enum"], advisory.Phase),
    ]
    for words, enum in pairs:
        assert words == [item.value for item in enum]


def test_every_default_in_a_schema_is_that_of_the_class():
    for name, cls in CLASSES.items():
        defaults = {field.name: default_of(field) for field in dataclasses.fields(cls)}
        for field, schema in schema_for(name)["properties"].items():
            if "default" in schema:
                assert json.loads(json.dumps(defaults[field])) == schema["default"], (name, field)


@pytest.mark.parametrize("name", [*schema_names(), COMMON])
def test_no_object_of_ours_forbids_unknown_fields(name):
    assert '"additionalProperties": false' not in json.dumps(schema_for(name))


@pytest.mark.parametrize("name", ["poll", "../common", "announcement.json", "", "Announcement"])
def test_only_known_types_have_a_schema(name):
    with pytest.raises(UnknownTypeError):
        schema_for(name)
