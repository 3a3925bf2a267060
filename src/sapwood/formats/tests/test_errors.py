"""One root, one code for each error, the same three words at every door."""

import pytest

from sapwood.formats import errors
from sapwood.formats.errors import FormatError, NotJsonError, SapwoodError

OURS = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, SapwoodError)]


def test_each_error_has_a_code_and_a_sentence_of_its_own():
    assert len({item.code for item in OURS}) == len(OURS)
    assert all(item.__doc__ and item.__doc__.rstrip().endswith(".") for item in OURS)


def test_every_door_gets_the_same_three_words():
    error = NotJsonError("This is not JSON.", hint="Mend it.", path="texts")
    assert str(error) == "This is not JSON."
    assert error.as_dict() == {"code": "format.not_json", "message": "This is not JSON.", "hint": "Mend it."}
    assert error.path == "texts"


@pytest.mark.parametrize("item", [item for item in OURS if item is not SapwoodError])
def test_whatever_cannot_be_read_is_a_format_error(item):
    assert issubclass(item, FormatError)
    assert (item.exit_code, item.http_status) == (1, 400)
