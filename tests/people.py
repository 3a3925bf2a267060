"""Somebody signed in, for tests of pages: fresh enough for what is dangerous, or not."""

from typing import Any

from allauth.account.internal.flows.login import (
    _AUTHENTICATION_METHODS_USER_SESSION_KEY,
    AUTHENTICATION_METHODS_SESSION_KEY,
)
from django.test import Client

from sapwood.core.clock import system_clock


def sign_in(client: Client, user: Any, *, minutes_ago: int = 0) -> Client:
    """This client belongs to somebody who proved who they are so many minutes ago."""
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    session = client.session
    at = system_clock().now().timestamp() - 60 * minutes_ago
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "password", "at": at}]
    session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(user.pk)
    session.save()
    return client
