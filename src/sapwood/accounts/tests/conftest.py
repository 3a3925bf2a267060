"""The people of these tests."""

import datetime as dt
import socket

import pytest

from sapwood.accounts.api import create_person
from sapwood.core import settings
from sapwood.core.data import Actor

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
ADMINISTRATOR = {"site": "site-administrator", "commons": "release-manager"}[settings.ROLE.get()]


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def alice(db):
    return create_person("alice@riverside.example", name="Alice", actor=Actor.command(), now=NOW, roles=[ADMINISTRATOR])


@pytest.fixture
def erin(db):
    return create_person("erin@riverside.example", name="Erin", actor=Actor.command(), now=NOW, roles=["auditor"])


@pytest.fixture
def dave(db):
    return create_person("dave@riverside.example", name="Dave", actor=Actor.command(), now=NOW)


@pytest.fixture
def no_mail_server(settings):
    """Mail goes to a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", probe.getsockname()[1]
        yield
