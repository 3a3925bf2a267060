"""Facts: read leniently where a field is missing, strictly where it is of a wrong kind."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapwood.formats.documents import parse
from sapwood.formats.errors import FormatError
from sapwood.formats.sitefacts import SiteFacts, UnreadableFactsError


def test_facts_survive_a_round_trip_with_what_they_do_not_know():
    data = {
        "type": "sitefacts",
        "version": 1,
        "tutor_version": "20.0.3",
        "usage": {"forum": True},
        "plugins": [{"name": "mfe", "version": None}],
        "database": {"engine": "mysql", "version": "8.4.0", "host_kind": "bundled"},
        "why": {"site_count": "not in the files"},
    }
    once = SiteFacts.from_dict(data)
    again = SiteFacts.from_dict(json.loads(json.dumps(once.to_dict())))
    assert again == once
    assert again.extra == {"tutor_version": "20.0.3", "usage": {"forum": True}}


def test_facts_written_here_are_read_as_a_document():
    raw = json.dumps(SiteFacts.from_dict({"plugins": ["mfe"]}).to_dict()).encode()
    assert parse(raw).document == SiteFacts.from_dict({"plugins": ["mfe"]})


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ([], "the document"),
        ({"type": "catalogue"}, "type"),
        ({"version": 2}, "version"),
        ({"plugins": {"a": 1}}, "plugins"),
        ({"plugins": [{"version": "1"}]}, "plugins[0]"),
        ({"site_count": "many"}, "site_count"),
        ({"site_count": True}, "site_count"),
        ({"languages": "en"}, "languages"),
        ({"database": "mysql"}, "database"),
        ({"inferred_release": 3}, "inferred_release"),
        ({"distribution": {"version": "1"}}, "distribution"),
    ],
)
def test_a_wrong_kind_is_named_with_its_place(data, place):
    with pytest.raises(UnreadableFactsError) as caught:
        SiteFacts.from_dict(data)
    assert place in caught.value.message


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 50_000, b" " * (1024 * 1024 + 1)])
def test_bytes_that_are_no_facts_are_refused(raw):
    with pytest.raises(FormatError):
        SiteFacts.from_bytes(raw)


@given(
    st.dictionaries(
        st.sampled_from(["plugins", "database", "why", "patches", "x", "build"]),
        st.none() | st.integers() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()),
    )
)
def test_any_mapping_is_read_or_refused_but_never_a_crash(data):
    with contextlib.suppress(FormatError):
        SiteFacts.from_dict(data).to_dict()
