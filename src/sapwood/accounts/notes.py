"""What the audit log says about signing in that failed, and about signing out. Nothing that somebody typed is kept."""

from allauth.core.internal import ratelimit
from django.db import transaction
from django.http import HttpRequest

from sapwood.accounts.actions.roles import subject_of
from sapwood.accounts.guards import actor_for
from sapwood.accounts.models import User
from sapwood.core import audit
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor

UNKNOWN = "person:unknown"
"""How the log names somebody who gave no address that is known here."""


def note_failure(request: HttpRequest, *, reason: str, user: User | None = None) -> None:
    """Write a failed sign-in down, against whose account it went where that is known.

    One address of the network gets a few rows a minute, so that nobody can fill the log from outside.
    """
    if not ratelimit.consume(request, app="allauth.account", action="failure_noted", limit_get=True):
        return
    with transaction.atomic():
        audit.record(
            actor=Actor.system("accounts.sign_in"),
            action="accounts.sign_in_failed",
            subject=subject_of(user) if user else UNKNOWN,
            details={"reason": reason},
            at=system_clock().now(),
        )


def note_sign_out(user: User, *, sessions: int = 1) -> None:
    """Write down that a person ended this session, or others of theirs."""
    with transaction.atomic():
        audit.record(
            actor=actor_for(user),
            action="accounts.sign_out",
            subject=subject_of(user),
            details={"sessions": sessions},
            at=system_clock().now(),
        )
