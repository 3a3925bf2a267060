"""What is kept about a person: given out on request, forgotten on request, with the audit chain left valid."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.utils.translation import gettext as _

from sapwood.accounts.actions.roles import keep_an_administrator, subject_of
from sapwood.accounts.audit_log import rows_about
from sapwood.accounts.guards import require
from sapwood.accounts.models import ApiToken, RoleGrant, SessionNote, SignInLink, User
from sapwood.accounts.permissions import MANAGE_PEOPLE
from sapwood.accounts.sessions import end_sessions
from sapwood.core import audit
from sapwood.core.data import JSON, Actor, ActorKind
from sapwood.core.errors import NotFoundError

Exporter = Callable[[str], JSON]
Eraser = Callable[[str, dt.datetime], bool]
FIELDS: Final = (
    "accounts.User.email", "accounts.User.name", "accounts.SessionNote.agent", "accounts.ApiToken.name",
    "account.EmailAddress.email", "socialaccount.SocialAccount.uid", "socialaccount.SocialAccount.extra_data",
    "core.AuditName.key", "core.AuditName.label",
)  # fmt: skip
"""What accounts itself gives out and forgets."""


@dataclass(frozen=True)
class _Keeper:
    exporter: Exporter
    eraser: Eraser


_KEEPERS: dict[str, _Keeper] = {}
_FIELDS: set[str] = set(FIELDS)


def register_personal_data(name: str, *, exporter: Exporter, eraser: Eraser, fields: Iterable[str]) -> None:
    """Have a module give out (`exporter(address)`) and forget (`eraser(address, now)`) what it keeps about a person.

    A person is an e-mail address here: many of whom a module knows have no account. The exporter answers with
    something empty, the eraser with False, where nothing is kept. Both run inside the transaction of the export or
    erasure, before the account itself goes. `fields` names the columns that they cover ("inbox.Person.email").
    """
    _KEEPERS[name] = _Keeper(exporter, eraser)
    _FIELDS.update(fields)


def covered_fields() -> frozenset[str]:
    """Every column that some exporter and eraser covers."""
    return frozenset(_FIELDS)


@transaction.atomic
def export_person(user: User, *, actor: Actor, now: dt.datetime) -> dict[str, JSON]:
    """Everything that is kept about a person, as JSON; the person themselves may ask for it, or an administrator."""
    if not _themselves(user, actor):
        require(actor, MANAGE_PEOPLE)
    document: dict[str, JSON] = {"exported_at": now.isoformat(), "account": _account(user)}
    for address in _addresses(user):
        found = _kept(address)
        document |= found if address == user.email else {f"{name} ({address})": kept for name, kept in found.items()}
    document["audit"] = rows_about(user, subject=subject_of(user))
    audit.record(actor=actor, action="accounts.export", subject=subject_of(user), at=now)
    return document


@transaction.atomic
def export_address(address: str, *, actor: Actor, now: dt.datetime) -> dict[str, JSON]:
    """Everything that is kept about an address without an account, as JSON. Raises NotFoundError."""
    require(actor, MANAGE_PEOPLE)
    found = _kept(address)
    if not any(found.values()):
        raise _nobody(address)
    return {"exported_at": now.isoformat(), **found}


@transaction.atomic
def erase_person(user: User, *, actor: Actor, now: dt.datetime) -> None:
    """Forget a person: the account and what modules keep about them go, the audit log keeps ids that name nobody.

    An administrator may do it, and a person themselves while they hold no role that somebody gave them by hand.
    """
    if not (_themselves(user, actor) and may_erase_themselves(user)):
        require(actor, MANAGE_PEOPLE)
    keep_an_administrator(user)
    subject = subject_of(user)
    for address in _addresses(user):
        for _name, keeper in sorted(_KEEPERS.items()):
            keeper.eraser(address, now)
    end_sessions(user)
    tokens = [str(key) for key in ApiToken.objects.filter(user=user).values_list("uuid", flat=True)]
    key = str(user.uuid)
    user.delete()
    audit.record(actor=actor, action="accounts.erase", subject=subject, at=now)
    audit.erase_name(kind=ActorKind.PERSON.value, key=key, at=now)
    for token in tokens:
        audit.erase_name(kind=ActorKind.TOKEN.value, key=token, at=now)


@transaction.atomic
def erase_address(address: str, *, actor: Actor, now: dt.datetime) -> None:
    """Forget an address without an account. Raises NotFoundError when nobody keeps anything about it."""
    require(actor, MANAGE_PEOPLE)
    known = [keeper.eraser(address, now) for _name, keeper in sorted(_KEEPERS.items())]
    if not any(known):
        raise _nobody(address)
    audit.record(actor=actor, action="accounts.erase", subject="address", at=now)


def may_erase_themselves(user: User) -> bool:
    """Whether this person works here by nobody's grant, so that going is theirs alone to decide."""
    return not RoleGrant.objects.filter(user=user, from_claim=False).exists()


def _themselves(user: User, actor: Actor) -> bool:
    return actor.kind is ActorKind.PERSON and actor.key == str(user.uuid)


def _addresses(user: User) -> list[str]:
    """Every address of this person, the account's own first."""
    others = EmailAddress.objects.filter(user=user).exclude(email__iexact=user.email)
    return [user.email, *others.values_list("email", flat=True)]


def _kept(address: str) -> dict[str, JSON]:
    return {name: keeper.exporter(address) for name, keeper in sorted(_KEEPERS.items())}


def _nobody(address: str) -> NotFoundError:
    return NotFoundError(
        _("Nothing is kept about %(address)s") % {"address": address}, hint=_("Check how the address is written.")
    )


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
