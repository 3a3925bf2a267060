"""Who looks at the pages of the console, and in which language."""

from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import translation


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """A request leaves its language active in its thread; in a test that is everybody's thread."""
    with translation.override("en"):
        yield


@pytest.fixture
def client(client: Client, db: None) -> Client:
    """Somebody who is signed in: no page of the console is for strangers."""
    client.force_login(get_user_model().objects.create_user("alice@riverside.example", name="Alice"))
    return client
