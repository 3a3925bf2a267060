"""A sentence that remembers what it was made of: English everywhere, kept whole in a database."""

import copy
import datetime as dt
import json
import pickle

import pytest

from sapwood.formats.canonical import canonical_bytes
from sapwood.formats.catalogue import Catalogue
from sapwood.formats.errors import DuplicateKeyError, FormatError, NumberError, TooDeepError
from sapwood.formats.phrase import Figure, Phrase, recalled, recorded
from sapwood.formats.sitefacts import SiteFacts
from sapwood.formats.tests.catalogue_cases import SMALL

WHY = Phrase("%(line)s is affected", line="teak")
ALL = Phrase("%(why)s since %(day)s: %(n)s sites", why=WHY, day=dt.date(2026, 1, 15), n=Figure(12345))


def test_a_phrase_is_its_english_text():
    assert ALL == "teak is affected since 2026-01-15: 12,345 sites"
    assert json.dumps([ALL]) == f'["{ALL}"]'
    assert canonical_bytes({"why": ALL}) == canonical_bytes({"why": str(ALL)})
    assert Phrase("100 % sure") == "100 % sure"


def test_parts_in_a_row_keep_what_stands_between_them():
    assert Phrase.joined("; 100 % ", [WHY, "50 %"]) == "teak is affected; 100 % 50 %"
    assert Phrase.joined(", ", []) == ""
    assert (Phrase.listed("abc"), Phrase.listed([])) == ("a; b; c", "")
    assert (Phrase.all_of("abc"), Phrase.one_of([WHY])) == ("a and b and c", "teak is affected")


def test_many_parts_nest_no_deeper_than_their_logarithm():
    def depth(value):
        return 1 + max(map(depth, value.values.values()), default=0) if isinstance(value, Phrase) else 0

    many = Phrase.all_of(str(number) for number in range(500))
    assert many == " and ".join(str(number) for number in range(500))
    assert depth(many) < 12


@pytest.mark.parametrize("again", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_can_still_be_translated(again):
    found = again(ALL)
    assert (found, found.template, found.values) == (ALL, ALL.template, ALL.values)


def test_what_is_recorded_comes_back_with_its_values():
    kept = json.loads(json.dumps(recorded({"why": ALL, "rest": [1, None, "plain", WHY]})))
    found = recalled(kept)
    assert found == {"why": ALL, "rest": [1, None, "plain", WHY]}
    assert (found["why"].template, found["why"].values) == (ALL.template, ALL.values)
    assert found["why"].values["day"] == dt.date(2026, 1, 15)


def test_values_that_json_does_not_hold_are_kept_as_their_text(tmp_path):
    assert (
        recalled(json.loads(json.dumps(recorded(Phrase("%(path)s is gone", path=tmp_path))))) == f"{tmp_path} is gone"
    )


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        ("older rows hold the bare text", "older rows hold the bare text"),
        ({"$phrase": "%(gone)s", "values": {}}, "%(gone)s"),
        ({"$phrase": "%(gone)s", "values": {"other": 1}}, "%(gone)s"),
        ({"$phrase": 3, "values": {}}, {"$phrase": 3, "values": {}}),
        ({"$day": "some day"}, "some day"),
        (None, None),
    ],
)
def test_what_is_not_a_record_stays_as_it_is(kept, found):
    assert recalled(kept) == found


def test_an_exception_keeps_the_phrase_that_it_was_given():
    assert Phrase.of(ValueError(WHY)).values == {"line": "teak"}
    assert Phrase.of(ValueError("not ours")) == "not ours"


@pytest.mark.parametrize("read", [SiteFacts.from_bytes, Catalogue.from_bytes])
@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b'{"type": 1, "type": 2}', DuplicateKeyError),
        (b'{"site_count": NaN}', NumberError),
        (b'{"site_count": 1e999}', NumberError),
        (b'{"extra": ' + b"[" * 50 + b"]" * 50 + b"}", TooDeepError),
        (b"[]", FormatError),
        (b"\xff", FormatError),
    ],
)
def test_facts_and_catalogues_are_read_as_strictly_as_other_documents(read, raw, error):
    with pytest.raises(error):
        read(raw)


def test_a_catalogue_has_a_uuid_like_every_publication():
    found = Catalogue.from_dict(SMALL)
    assert found.uuid.version == 4
    assert found.to_dict()["uuid"] == SMALL["uuid"]
    with pytest.raises(FormatError, match="uuid"):
        Catalogue.from_dict({**SMALL, "uuid": "mine"})
