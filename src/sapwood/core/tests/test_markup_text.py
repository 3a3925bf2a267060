"""Plain text from strangers."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapwood.core.markup import clean_text, isolate, safe_characters

ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.text(
    "a\u202e\u2066\u2069\u200d\u200c\u0301\ud800 \n\u200fن"
)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Gnu\u202egnp.exe", "Gnugnp.exe"),
        ("open\u2066 isolate", "open isolate"),
        ("closed\u2069 too often", "closed too often"),
        ("\u2068balanced\u2069 stays", "\u2068balanced\u2069 stays"),
        ("ze\u200bro\ufeff wi\u2060dth", "zero width"),
        ("nul\x00 bell\x07 escape\x1b[31m", "nul bell escape[31m"),
        ("lone \ud800 surrogate", "lone \N{REPLACEMENT CHARACTER} surrogate"),
        ("tag\U000e0041\U000e0042s", "tags"),
        ("soft\xadhyphen", "softhyphen"),
        ("lat\u200din joiner", "latin joiner"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("क्\u200dष", "क्\u200dष"),
        ("two\r\nlines\u2028three", "two lines three"),
        ("  many \t spaces\xa0 ", "many spaces"),
        ("e\u0301", "é"),
        ("z" + "\u0300" * 40, unicodedata.normalize("NFC", "z" + "\u0300" * 6)),
    ],
)
def test_what_hides_reorders_or_breaks_is_removed_and_what_scripts_need_stays(text, clean):
    assert clean_text(text, 100) == clean


def test_a_mark_of_direction_stays_for_arabic_and_hebrew():
    assert safe_characters("C\u200e שלום\u200f") == "C\u200e שלום\u200f"


@pytest.mark.parametrize("text", ["{", "}", "{p}", "{0.__class__}", "%s", "{% now %}", "{{ x }}", "<b>", "&lt;", "$x"])
def test_what_means_something_elsewhere_stays_what_it_is(text):
    assert clean_text(text, 100) == text


def test_a_long_title_is_cut_with_an_ellipsis_and_never_longer_than_asked():
    assert clean_text("x" * 10_000, 20) == "x" * 19 + "…"
    assert clean_text("x" * 20, 20) == "x" * 20


def test_a_cut_does_not_separate_a_letter_from_its_marks_or_leave_an_isolate_open():
    assert clean_text("abq\u0323\u0307d", 6) == "abq\u0323\u0307d"
    assert clean_text("abq\u0323\u0307de", 5) == "ab…"
    assert clean_text("ab \u2068cdefgh\u2069", 8) == "ab cde…"


def test_a_name_is_isolated_only_where_directions_meet():
    assert isolate("Riverside College") == "Riverside College"
    assert isolate("Riverside College", "Welcome to") == "Riverside College"
    assert isolate("جامعة", "Welcome to") == "\u2068جامعة\u2069"
    assert isolate("جامعة", "مرحبا") == "جامعة"


@given(ANY_TEXT, st.integers(1, 60))
def test_clean_text_is_short_printable_encodable_and_stable(text, length):
    clean = clean_text(text, length)
    assert len(clean) <= length
    clean.encode()
    assert not any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in clean)
    assert not set(clean) & set("\u200b\u202a\u202b\u202c\u202d\u202e\ufeff\u2060\xad")
    assert sum(map(clean.count, "\u2066\u2067\u2068")) == clean.count("\u2069")
    assert clean_text(clean, length) == clean


@given(ANY_TEXT)
def test_cleaning_characters_twice_changes_nothing(text):
    once = safe_characters(text)
    assert safe_characters(once) == once
