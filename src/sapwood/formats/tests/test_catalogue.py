"""Reading, writing and asking a catalogue."""

import contextlib
import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapwood.formats.catalogue import (
    Catalogue,
    NoPathError,
    UnknownReleaseError,
    UnreadableCatalogueError,
    default_target,
    find_line,
    find_path,
    find_release,
    newest_release,
    shipped_release,
    support,
)
from sapwood.formats.catalogue.order import ReleaseOrder
from sapwood.formats.documents import parse
from sapwood.formats.errors import FormatError
from sapwood.formats.tests.catalogue_cases import SHIPPED, shipped, small, small_data

TODAY = dt.date(2026, 6, 1)


def hops(found):
    return [(hop.start, hop.end, hop.release) for hop in found]


def test_the_shipped_catalogue_survives_a_round_trip():
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert Catalogue.from_dict(data).to_dict() == data


def test_unknown_fields_are_kept_everywhere():
    data = small_data()
    data["novel"] = {"a": 1}
    for part in (
        data["lines"][0],
        data["lines"][0]["releases"][0],
        data["edges"][0],
        data["edges"][1]["steps"][0],
        data["edges"][1]["risks"][0],
        data["advisories"][0],
        data["distributions"]["kit"][0],
    ):
        part["novel"] = ["kept"]
    written = Catalogue.from_dict(data).to_dict()
    assert written["novel"] == {"a": 1}
    assert json.dumps(written).count('"novel": ["kept"]') == 7


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (lambda d: d.pop("as_of"), "as_of"),
        (lambda d: d.update(as_of="yesterday"), "as_of"),
        (lambda d: d.update(as_of="2026-02-30"), "as_of"),
        (lambda d: d.update(version=2), "version"),
        (lambda d: d.update(type="announcement"), "type"),
        (lambda d: d.update(lines={}), "lines"),
        (lambda d: d["lines"][1].pop("name"), "lines[1].name"),
        (lambda d: d["lines"][1]["releases"][0].update(date=20250701), "lines[1].releases[0].date"),
        (lambda d: d["lines"][3].update(planned="soon"), "lines[3].planned"),
        (lambda d: d["edges"][1]["steps"][0].update(applies_if=7), "edges[1].steps[0].applies_if"),
        (lambda d: d["advisories"][0]["affects"].update(lines="birch"), "advisories[0].affects.lines"),
        (lambda d: d.update(revision=True), "revision"),
    ],
)
def test_a_wrong_field_is_named_with_its_place(spoil, place):
    data = small_data()
    spoil(data)
    with pytest.raises(UnreadableCatalogueError) as caught:
        Catalogue.from_dict(data)
    assert place in caught.value.message


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"a":1,"a":2}', b'{"a":NaN}', b"[" * 100_000, b'"x"'],
)
def test_bytes_that_are_no_catalogue_are_refused_in_one_line(raw):
    with pytest.raises(FormatError) as caught:
        Catalogue.from_bytes(raw)
    assert "\n" not in caught.value.message


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["lines", "edges", "name", "as_of", "sources", "steps"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_refused_but_never_a_crash(value):
    data = small_data() | (value if isinstance(value, dict) else {"lines": value})
    with contextlib.suppress(FormatError):
        Catalogue.from_dict(data)


def test_words_alone_are_read_as_the_old_form():
    data = small_data()
    data["edges"][1]["steps"][0] |= {"applies_if": "MariaDB"}
    data["edges"][1]["steps"][1] |= {"applies_if": "always"}
    steps = Catalogue.from_dict(data).edges[1].steps
    assert [(step.applies.words, step.applies.rule) for step in steps] == [("MariaDB", None), ("always", True)]


def test_a_release_is_found_by_version_and_by_tag():
    found = find_release(small(), "v/birch.2")
    assert found
    assert (found[0].name, found[1].version) == ("birch", "birch.2")
    assert find_release(small(), "birch.9") is None
    assert find_line(small(), "oak") is None


def test_releases_are_ordered_by_line_before_number():
    order = ReleaseOrder.of(shipped().lines)
    assert order.older("teak.3", "ulmo.1") is True
    assert order.older("koa.2a", "koa.2") is False
    assert order.older("koa.2", "koa.2a") is True
    assert order.older("teak.3", "birch") is False
    assert order.older("teak.3", "oak.1") is None


def test_the_newest_release_depends_on_the_day():
    catalogue = shipped()
    for day, version in (
        ("2026-11-22", "verawood.1"),
        ("2026-07-29", "ulmo.4"),
        ("2026-01-14", "teak.3"),
        ("2014-01-01", None),
    ):
        found = newest_release(catalogue, dt.date.fromisoformat(day))
        assert (found[1].version if found else None) == version


@pytest.mark.parametrize(
    ("name", "day", "expected"),
    [
        ("teak", "2026-01-14", True),
        ("teak", "2026-01-15", False),
        ("teak", "2025-06-25", False),
        ("ulmo", "2026-07-29", True),
        ("verawood", "2026-11-22", True),
        ("verawood", "2026-12-09", None),
        ("willow", "2026-11-22", False),
    ],
)
def test_support_is_told_by_dates_and_unknown_once_the_catalogue_is_too_old(name, day, expected):
    line = find_line(shipped(), name)
    assert line
    assert support(shipped(), line, dt.date.fromisoformat(day)).supported is expected


def test_the_end_of_support_says_what_ends_it():
    line = find_line(shipped(), "verawood")
    assert line
    assert support(shipped(), line, dt.date(2026, 11, 22)).planned_end == "2026-12-09"


@pytest.mark.parametrize(
    ("version", "release", "exact"),
    [("20.0.3", "teak.3", True), ("20.0.2", "teak.2", False), ("21.0.6", "ulmo.3", False), ("20.9.9", "teak.3", False)],
)
def test_an_unlisted_distribution_version_ships_what_the_one_before_it_did(version, release, exact):
    found = shipped_release(shipped(), "tutor", version)
    assert found
    assert (found.release, found.exact) == (release, exact)


@pytest.mark.parametrize("version", ["13.0.0", "99.0.0", "nonsense", None, ""])
def test_a_distribution_version_of_no_known_line_ships_nothing_known(version):
    assert shipped_release(shipped(), "tutor", version) is None


def test_a_path_leads_over_several_hops_and_carries_the_default_steps():
    found = find_path(small(), "birch.1", "cedar", on=TODAY)
    assert hops(found) == [("birch", "cedar", "cedar.2")]
    assert [step.id for step in found[0].steps] == ["backup", "convert", "ask"]
    assert hops(find_path(shipped(), "teak.3", "verawood")) == [
        ("teak", "ulmo", "ulmo.4"),
        ("ulmo", "verawood", "verawood.1"),
    ]


def test_an_edge_that_asks_for_a_release_is_entered_from_there():
    assert hops(find_path(small(), "alder.1", "birch", on=TODAY)) == [
        ("alder.1", "alder.2", "alder.2"),
        ("alder", "birch", "birch.2"),
    ]
    assert hops(find_path(small(), "alder.2", "birch.1", on=TODAY)) == [("alder", "birch", "birch.1")]


def test_inside_a_line_the_path_is_one_hop_to_its_newest_release():
    assert hops(find_path(small(), "cedar.1", "cedar", on=TODAY)) == [("cedar.1", "cedar.2", "cedar.2")]
    assert find_path(small(), "cedar.2", "cedar", on=TODAY) == ()


def test_announced_edges_are_used_only_when_asked_for():
    with pytest.raises(NoPathError) as caught:
        find_path(small(), "cedar.2", "dogwood")
    assert "announced" in caught.value.hint
    assert [hop.announced for hop in find_path(small(), "birch.2", "dogwood", announced=True)] == [False, True]


@pytest.mark.parametrize(("start", "end"), [("cedar.1", "birch"), ("birch.2", "birch.1")])
def test_no_path_leads_back(start, end):
    with pytest.raises(NoPathError):
        find_path(small(), start, end)


def test_a_name_that_is_no_release_is_said_so():
    with pytest.raises(UnknownReleaseError, match="oak"):
        find_path(small(), "oak.1", "cedar")


def test_the_target_is_the_newest_supported_line_of_the_day():
    found = default_target(shipped(), dt.date(2026, 3, 1))
    assert found
    assert found.name == "ulmo"


def test_the_shipped_catalogue_is_read_as_a_document_and_passes_its_schema():
    assert parse(SHIPPED.read_bytes()).document == shipped()


def test_the_small_catalogue_passes_its_schema():
    assert parse(json.dumps(small_data()).encode()).document == small()
