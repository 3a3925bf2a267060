"""What is kept about a person: given out on request, forgotten on request, with the audit chain left valid."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import transaction

from sapwood.accounts.actions.roles import keep_an_administrator, subject_of
from sapwood.accounts.audit_log import rows_about
from sapwood.accounts.guards import require
from sapwood.accounts.models import ApiToken, RoleGrant, SessionNote, SignInLink, User
from sapwood.accounts.permissions import MANAGE_PEOPLE
from sapwood.accounts.sessions import end_sessions
from sapwood.core import audit
from sapwood.core.data import JSON, Actor, ActorKind

Exporter = Callable[[User], JSON]
Eraser = Callable[[User, dt.datetime], None]


@dataclass(frozen=True)
class _Keeper:
    exporter: Exporter
    eraser: Eraser


_KEEPERS: dict[str, _Keeper] = {}


def register_personal_data(name: str, *, exporter: Exporter, eraser: Eraser) -> None:
    """Have a module give out (`exporter(user)`) and forget (`eraser(user, now)`) what it keeps about a person.

    Both run inside the transaction of the export or erasure, before the account itself goes.
    """
    _KEEPERS[name] = _Keeper(exporter, eraser)


@transaction.atomic
def export_person(user: User, *, actor: Actor, now: dt.datetime) -> dict[str, JSON]:
    """Everything that is kept about a person, as JSON; the person themselves may ask for it, or an administrator."""
    if actor.kind is not ActorKind.PERSON or actor.key != str(user.uuid):
        require(actor, MANAGE_PEOPLE)
    document: dict[str, JSON] = {"exported_at": now.isoformat(), "account": _account(user)}
    for name, keeper in sorted(_KEEPERS.items()):
        document[name] = keeper.exporter(user)
    document["audit"] = rows_about(user, subject=subject_of(user))
    audit.record(actor=actor, action="accounts.export", subject=subject_of(user), at=now)
    return document


@transaction.atomic
def erase_person(user: User, *, actor: Actor, now: dt.datetime) -> None:
    """Forget a person: the account and what modules keep about them go, the audit log keeps ids that name nobody."""
    require(actor, MANAGE_PEOPLE)
    keep_an_administrator(user)
    subject = subject_of(user)
    for _, keeper in sorted(_KEEPERS.items()):
        keeper.eraser(user, now)
    end_sessions(user)
    tokens = [str(key) for key in ApiToken.objects.filter(user=user).values_list("uuid", flat=True)]
    key = str(user.uuid)
    user.delete()
    audit.record(actor=actor, action="accounts.erase", subject=subject, at=now)
    audit.erase_name(kind=ActorKind.PERSON.value, key=key, at=now)
    for token in tokens:
        audit.erase_name(kind=ActorKind.TOKEN.value, key=token, at=now)


def _account(user: User) -> dict[str, Any]:
    return {
        "uuid": str(user.uuid),
        "email": user.email,
        "name": user.name,
        "language": user.language,
        "is_active": user.is_active,
        "joined_at": _iso(user.joined_at),
        "last_sign_in_at": _iso(user.last_login),
        "addresses": list(EmailAddress.objects.filter(user=user).values("email", "verified", "primary")),
        "roles": [
            {
                "role": row.role,
                "scope": [row.scope_kind, row.scope_key] if row.scope_kind else None,
                "granted_at": _iso(row.granted_at),
                "expires_at": _iso(row.expires_at),
            }
            for row in RoleGrant.objects.filter(user=user)
        ],
        "tokens": [
            {
                "name": row.name,
                "permissions": row.scopes,
                "created_at": _iso(row.created_at),
                "expires_at": _iso(row.expires_at),
                "last_used_at": _iso(row.last_used_at),
            }
            for row in ApiToken.objects.filter(user=user)
        ],
        "sessions": [
            {"agent": row.agent, "opened_at": _iso(row.opened_at), "seen_at": _iso(row.seen_at)}
            for row in SessionNote.objects.filter(user=user)
        ],
        "sign_in_links": [
            {"created_at": _iso(row.created_at), "used_at": _iso(row.used_at)}
            for row in SignInLink.objects.filter(user=user)
        ],
        "second_factors": [
            {"type": row.type, "created_at": _iso(row.created_at)} for row in Authenticator.objects.filter(user=user)
        ],
        "identity_providers": [
            {"provider": row.provider, "uid": row.uid, "claims": row.extra_data}
            for row in SocialAccount.objects.filter(user=user)
        ],
    }


def _iso(instant: dt.datetime | None) -> str | None:
    return instant.isoformat() if instant else None
