"""Who looks at the pages of the console."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client


@pytest.fixture
def client(client: Client, db: None) -> Client:
    """Somebody who is signed in: no page of the console is for strangers."""
    client.force_login(get_user_model().objects.create_user("alice@riverside.example", name="Alice"))
    return client
