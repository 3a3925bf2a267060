"""Strict reading, and the canonical form of RFC 8785."""

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sapwood.formats.canonical import LARGEST_NUMBER, canonical_bytes, sha256_hex, strict_json
from sapwood.formats.errors import (
    ByteOrderMarkError,
    DuplicateKeyError,
    FormatError,
    LoneSurrogateError,
    NotAnObjectError,
    NotCanonicalError,
    NotJsonError,
    NotUtf8Error,
    NumberError,
    TooBigError,
    TooDeepError,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-LARGEST_NUMBER, LARGEST_NUMBER) | st.floats(
    -LARGEST_NUMBER, LARGEST_NUMBER, allow_nan=False, allow_infinity=False
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(texts, values, max_size=5)


def test_the_example_of_rfc_8785_section_3_2_2():
    raw = rb"""{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"""
    expected = (
        '{"literals":[null,true,false],'
        '"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical_bytes(json.loads(raw)) == expected.encode()


def test_the_example_of_rfc_8785_section_3_2_3_sorts_keys_by_utf_16():
    names = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    ordered = json.loads(canonical_bytes(names), object_pairs_hook=lambda pairs: [key for key, _ in pairs])
    assert ordered == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_numbers_of_rfc_8785_appendix_b(bits, expected):
    [number] = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_bytes(number) == expected.encode()


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**53, {1: 2}, {"a": object()}, "\ud800", {"\udc00": 1}, b"bytes"],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(NotCanonicalError):
        canonical_bytes(value)


def test_endless_nesting_has_no_canonical_form():
    value: list = []
    value.append(value)
    with pytest.raises(NotCanonicalError, match="deeply"):
        canonical_bytes(value)


@given(objects)
def test_canonical_bytes_are_read_strictly_and_stay_the_same(value):
    raw = canonical_bytes(value)
    assert canonical_bytes(strict_json(raw)) == raw


@given(objects, st.randoms())
def test_the_order_of_keys_and_white_space_do_not_matter(value, random):
    shuffled = dict(random.sample(list(value.items()), len(value)))
    assert canonical_bytes(strict_json(json.dumps(shuffled, indent=3).encode())) == canonical_bytes(value)


@given(st.binary(max_size=60) | texts.map(str.encode))
@settings(max_examples=300)
def test_any_bytes_are_read_or_refused_with_a_hint(raw):
    try:
        strict_json(raw)
        refusal = None
    except FormatError as error:
        refusal = error
    assert refusal is None or (refusal.message and refusal.hint)


@pytest.mark.parametrize(
    ("raw", "error", "place"),
    [
        (b'{"a": 1, "a": 2}', DuplicateKeyError, "'a' stands twice in the document"),
        (b'{"x": [{"b": 1, "b": 1}]}', DuplicateKeyError, "'b' stands twice in 'x[0]'"),
        (b'{"x": {"y": NaN}}', NumberError, "'x.y'"),
        (b'{"x": -Infinity}', NumberError, "'x'"),
        (b'{"x": 1e400}', NumberError, "'x'"),
        (b'{"x": 9007199254740992}', NumberError, "'x'"),
        (b'{"x": -9007199254740992.0}', NumberError, "'x'"),
        (b'{"x": 1' + b"0" * 5000 + b"}", NumberError, "'x'"),
        (b'{"x": ["\\ud83d"]}', LoneSurrogateError, "'x[0]'"),
        (b'{"\\udc00": 1}', LoneSurrogateError, "the document"),
        (b'{"x": "\xff"}', NotUtf8Error, "byte 8 is 0xff"),
        (b'{"x": "\xed\xa0\x80"}', NotUtf8Error, "byte 8 is 0xed"),
        ('{"x": "é"}'.encode("latin-1"), NotUtf8Error, "byte 8"),
        (b"\xef\xbb\xbf{}", ByteOrderMarkError, "byte order mark"),
        ("{}".encode("utf-16"), ByteOrderMarkError, "byte order mark"),
        (b'{"x":\n tru}', NotJsonError, "line 2, column 2"),
        (b'{"x": 1,}', NotJsonError, "line 1"),
        (b"{'x': 1}", NotJsonError, "line 1"),
        (b'{"x": 01}', NotJsonError, "line 1"),
        (b'{"x": "\x00"}', NotJsonError, "line 1"),
        (b"{} {}", NotJsonError, "line 1, column 4"),
        (b"", NotJsonError, "line 1"),
        (b"[]", NotAnObjectError, "a list"),
        (b'"x"', NotAnObjectError, "a text"),
        (b"null", NotAnObjectError, "null"),
        (b"[" * 100_000, TooDeepError, "line 1"),
        (b'{"a":\n' * 41 + b"1" + b"}" * 41, TooDeepError, "line 41"),
    ],
)
def test_a_refusal_says_where(raw, error, place):
    with pytest.raises(error) as caught:
        strict_json(raw)
    assert type(caught.value) is error
    assert place in caught.value.message
    assert caught.value.hint


def test_a_captive_portal_is_named():
    with pytest.raises(NotJsonError) as caught:
        strict_json(b"\n<!DOCTYPE html><html>Please sign in")
    assert "web page" in caught.value.hint


def test_size_and_depth_have_limits_and_brackets_in_texts_do_not_count():
    assert strict_json(b'{"a": "' + b'[{\\"' * 1000 + b'"}', max_depth=1)
    with pytest.raises(TooBigError, match="at most 10"):
        strict_json(b'{"a": "bcdef"}', max_bytes=10)
    with pytest.raises(TooDeepError):
        strict_json(b'{"a": []}', max_depth=1)


def test_an_escaped_pair_of_surrogates_is_one_character():
    assert strict_json(rb'{"x": "\ud83d\ude00"}') == {"x": "\U0001f600"}


def test_hostile_names_do_not_reach_the_message_raw():
    with pytest.raises(NumberError) as caught:
        strict_json(b'{"\\u202e\\u0007' + b"k" * 500 + b'": NaN}')
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200


def test_the_hash_is_sha256():
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
