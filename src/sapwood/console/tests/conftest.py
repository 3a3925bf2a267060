"""Each test of the console starts in English, whatever language the one before asked for."""

from collections.abc import Iterator

import pytest
from django.utils import translation


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """A request leaves its language active in its thread; in a test that is everybody's thread."""
    with translation.override("en"):
        yield
