"""The substitution: lengths, characters, equality and shape stay, values do not."""

import ipaddress
import json
import re
import string
import unicodedata
import uuid

from hypothesis import assume, given
from hypothesis import strategies as st

from sapwood.site.upgrades.masking.substitution import LONG, Substitution, place_of

ONE = Substitution(b"k" * 32)
LETTERS = string.ascii_letters + string.digits + " .'-_" + "éÉñßøžжЖабвἀΩωשלוםالعربية中文字한국"
NAMES = st.text(alphabet=LETTERS, max_size=90)
ANY = st.text(max_size=90)


def kinds(value):
    return [(unicodedata.category(one)[0] if not one.isalpha() else "L", len(one.encode())) for one in value]


@given(ANY.filter(lambda value: all(not 0xD800 <= ord(one) < 0xE000 for one in value)))
def test_text_keeps_its_length_its_bytes_and_what_is_no_letter(value):
    made = ONE.text(value)
    assert len(made) == len(value)
    assert kinds(made) == kinds(value)
    assert [one for one in made if not one.isalnum()] == [one for one in value if not one.isalnum()]
    assert [one.isupper() for one in made if one.isascii()] == [one.isupper() for one in value if one.isascii()]


@given(NAMES, NAMES)
def test_equal_values_stay_equal_and_different_ones_different_also_without_regard_to_case(one, other):
    assert (ONE.text(one) == ONE.text(other)) is (one == other)
    assert (ONE.text(one).lower() == ONE.text(other).lower()) is (one.lower() == other.lower())


PLAIN = string.ascii_letters + string.digits


@given(st.text(alphabet=PLAIN, min_size=1, max_size=LONG))
def test_no_short_value_stays(value):
    assert ONE.text(value) != value


@given(st.text(alphabet=PLAIN, min_size=LONG + 1, max_size=3 * LONG))
def test_no_long_value_keeps_a_letter_in_its_place(value):
    assert all(one != other for one, other in zip(ONE.text(value), value, strict=True))


def test_every_short_value_has_one_of_its_own():
    words = [f"{one}{other}" for one in string.ascii_lowercase for other in string.digits]
    made = [ONE.text(word) for word in words]
    assert sorted(made) == sorted(words)
    assert all(one != other for one, other in zip(words, made, strict=True))
    numbers = [ONE.number(str(number), 127) for number in range(100, 128)]
    assert sorted(map(int, numbers)) == list(range(100, 128))
    assert all(int(made) != number for number, made in enumerate(numbers, 100))


@given(NAMES)
def test_the_same_run_says_the_same_and_another_run_something_else(value):
    assert ONE.text(value) == Substitution(b"k" * 32).text(value)
    if sum(one.isascii() and one.isalnum() for one in value) > 12:
        assert ONE.text(value) != Substitution().text(value)


@given(NAMES, st.integers(0, 5))
def test_spaces_at_the_end_which_most_collations_pass_over_change_nothing(value, spaces):
    assert ONE.text(value + " " * spaces).rstrip(" ") == ONE.text(value).rstrip(" ")
    assert ONE.text("a" * LONG + " " * spaces).rstrip(" ") == ONE.text("a" * LONG)


@given(st.text(alphabet="äöüßéÉ", min_size=1, max_size=20))
def test_a_column_in_latin_1_stays_in_latin_1(value):
    made = ONE.text(value, "cp1252")
    assert len(made.encode("cp1252")) == len(value)
    assert ONE.text(value, "ascii") == value


@given(st.emails())
def test_an_address_keeps_its_shape_and_its_last_part(value):
    assume(any(one.isalnum() for one in value.partition("@")[0]))
    made = ONE.email(value)
    local, _at, domain = made.rpartition("@")
    assert made != value
    assert (len(local), domain.rpartition(".")[2]) == (len(value.rpartition("@")[0]), value.rpartition(".")[2])
    assert ONE.email(value.upper()).lower() == made.lower()


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2).map(str) | st.integers().map(str))
def test_a_number_keeps_its_digits_and_its_sign(value):
    made = ONE.number(value)
    assert re.sub(r"\d", "9", made) == re.sub(r"\d", "9", value)
    assert (float(made) < 0) is (float(value) < 0)


@given(st.integers(-32768, 32767))
def test_a_number_fits_its_column(value):
    assert -32768 <= int(ONE.number(str(value), 32767)) <= 32767


@given(st.integers(), st.integers())
def test_different_numbers_stay_different(one, other):
    assert (ONE.number(str(one)) == ONE.number(str(other))) is (one == other)


@given(st.dates(), st.times())
def test_all_dates_move_by_the_same_days_and_times_of_day_stay(day, time):
    made = ONE.shift(f"{day} {time}+00:00")
    assert made.partition(" ")[2] == f"{time}+00:00"
    if 1900 < day.year < 2100:
        gone = (day - type(day).fromisoformat(made[:10])).days
        assert 30 <= gone < 400
        assert ONE.shift("2000-06-01") == str(type(day)(2000, 6, 1) - (day - type(day).fromisoformat(made[:10])))
    assert ONE.shift("0000-00-00") == "0000-00-00"


@given(st.ip_addresses())
def test_an_ip_address_stays_one_of_the_same_length(value):
    made = ONE.address(str(value))
    assert ipaddress.ip_address(made).version == value.version
    assert len(made) == len(str(value))


@given(st.uuids(version=4))
def test_a_uuid_stays_one_of_its_version_in_its_form(value):
    made = uuid.UUID(ONE.uuid(str(value)))
    assert made != value
    assert (made.version, made.variant) == (value.version, value.variant)
    assert ONE.uuid(value.hex) == made.hex


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.booleans())
def test_a_document_stays_one_and_its_names_stay(value, plain):
    text = json.dumps(value, ensure_ascii=plain)
    made = ONE.document(text)
    assert len(made) == len(text)

    def shape(one):
        if isinstance(one, dict):
            return {name: shape(item) for name, item in one.items()}
        return list(map(shape, one)) if isinstance(one, list) else type(one)

    assert shape(json.loads(made)) == shape(value)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_bytes_stay_as_many(one, other):
    assert len(ONE.binary(one)) == len(one)
    assert (ONE.binary(one) == ONE.binary(other)) is (one == other)
    assert ONE.binary(one) != one or not one


def test_a_hash_keeps_its_algorithm_and_its_cost():
    value = "pbkdf2_sha256$870000$Zm9vYmFyYmF6$aGVsbG8gd29ybGQsIHRoaXMgaXMgYSBoYXNo+/="
    algorithm, cost, salt, hashed = ONE.password(value).split("$")
    assert (algorithm, cost, len(salt), len(hashed)) == ("pbkdf2_sha256", "870000", 12, 39)
    assert salt != "Zm9vYmFyYmF6"
    assert hashed.endswith("+/=")


def test_a_letter_becomes_one_of_its_own_script():
    assert place_of("ж", "utf-8")[0] == place_of("Ж", "utf-8")[0]
    assert {unicodedata.name(one).split()[0] for one in place_of("ж", "utf-8")[0]} == {"CYRILLIC"}
    assert place_of("!", "utf-8") is None
