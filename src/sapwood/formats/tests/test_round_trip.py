"""Whatever is done to a document, it is either refused with a reason or kept exactly."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sapwood.formats.canonical import LARGEST_NUMBER, canonical_bytes
from sapwood.formats.documents import document_bytes, parse_document, parse_many, read_document
from sapwood.formats.errors import FormatError

GOLDEN = Path(__file__).parent / "golden"
DOCUMENTS = [json.loads(p.read_text()) for p in sorted(GOLDEN.glob("*.json")) if p.name != "hashes.json"]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST_NUMBER, LARGEST_NUMBER)
    | st.floats(-1e9, 1e9)
    | texts
    | st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01", "ulmo.3", "https://example.org/", "en", "released"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def at(value, path):
    for step in path:
        value = value[step]
    return value


@st.composite
def tampered(draw):
    """A golden document with one value replaced, removed, or joined by an unknown one."""
    data = copy.deepcopy(draw(st.sampled_from(DOCUMENTS)))
    path = draw(st.sampled_from([path for path in places(data) if path]))
    parent, last = at(data, path[:-1]), path[-1]
    match draw(st.sampled_from(["replace", "remove", "add"])):
        case "replace":
            parent[last] = draw(values)
        case "remove":
            del parent[last]
        case _ if isinstance(parent, dict):
            parent[draw(texts)] = draw(values)
        case _:
            parent.append(draw(values))
    return data


@pytest.mark.slow
@given(tampered())
@example({**DOCUMENTS[0], "texts": {"en": {"title": "x", "\u0000": {"a": 1.5}}}})
@settings(max_examples=250)
def test_a_tampered_document_is_refused_with_a_reason_or_kept_exactly(data):
    try:
        document = read_document(data)
    except FormatError as error:
        assert error.message.isprintable()  # noqa: PT017 - either outcome is right
        return
    assert canonical_bytes(document.to_dict()) == canonical_bytes(data)
    assert parse_document(document_bytes(document)) == document


@given(st.lists(tampered(), max_size=4))
@settings(max_examples=30)
def test_good_documents_survive_any_company(company):
    good = canonical_bytes(DOCUMENTS[0])
    outcome = parse_many([("a", good), *(("b", json.dumps(item).encode()) for item in company), ("c", good)])
    assert [item.name for item in outcome.parsed if item.name != "b"] == ["a", "c"]
    assert len(outcome.parsed) + len(outcome.refused) == len(company) + 2
