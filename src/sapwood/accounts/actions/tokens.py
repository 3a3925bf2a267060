"""API tokens: at most what their owner may do, for a limited time."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from sapwood.accounts.actions.roles import subject_of
from sapwood.accounts.actions.secrets import TOKEN_PREFIX, digest_of, new_secret
from sapwood.accounts.data import ANYWHERE
from sapwood.accounts.guards import require
from sapwood.accounts.models import ApiToken, User
from sapwood.accounts.permissions import MANAGE_PEOPLE, PERMISSIONS
from sapwood.accounts.queries import live_tokens, user_has
from sapwood.core import audit
from sapwood.core.data import JSON, Actor, ActorKind
from sapwood.core.errors import ForbiddenError, UsageError

LONGEST_TTL = dt.timedelta(days=366)
TOUCH_EVERY = dt.timedelta(minutes=1)


class TokenError(UsageError):
    """A token cannot be made as asked."""

    code = "accounts.token"


@dataclass(frozen=True)
class NewToken:
    """A fresh token with its secret, which nobody can read again."""

    row: ApiToken
    secret: str


@transaction.atomic
def create_token(
    user: User, *, name: str, scopes: Sequence[str], actor: Actor, now: dt.datetime, ttl: dt.timedelta
) -> NewToken:
    """Make a token of `user` for some of their permissions; it stays within what they may do at each moment."""
    _own_or_manage(user, actor)
    wanted = sorted(set(scopes))
    if not name.strip() or not wanted:
        raise TokenError(_("A token needs a name and at least one permission"), hint=_("Say what it is for."))
    if not dt.timedelta() < ttl <= LONGEST_TTL:
        raise TokenError(_("A token lasts between one day and 366 days"), hint=_("Choose a shorter time."))
    for code in wanted:
        item = PERMISSIONS.get(code)
        if item is None or not item.by_token or not user_has(user, code, ANYWHERE, now=now):
            raise TokenError(
                _("A token of %(person)s cannot carry the permission %(code)s") % {"person": user, "code": code},
                hint=_("It must be one that the owner has."),
            )
    secret = TOKEN_PREFIX + new_secret()
    row = ApiToken.objects.create(
        user=user,
        name=name.strip()[:100],
        digest=digest_of(secret),
        scopes=wanted,
        created_at=now,
        expires_at=now + ttl,
    )
    details: dict[str, JSON] = {"token": str(row.uuid), "scopes": wanted, "expires_at": (now + ttl).isoformat()}
    audit.record(actor=actor, action="accounts.token.make", subject=subject_of(user), details=details, at=now)
    return NewToken(row, secret)


@transaction.atomic
def revoke_token(token: ApiToken, *, actor: Actor, now: dt.datetime) -> None:
    """End a token at once; ending it twice changes nothing."""
    _own_or_manage(token.user, actor)
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now):
        token.revoked_at = now
        details: dict[str, JSON] = {"token": str(token.uuid)}
        audit.record(
            actor=actor, action="accounts.token.revoke", subject=subject_of(token.user), details=details, at=now
        )


def authenticate_token(secret: str, *, now: dt.datetime) -> ApiToken | None:
    """The live token behind a secret, or None; notes the use at most once a minute."""
    if not secret.startswith(TOKEN_PREFIX):
        return None
    row = live_tokens(now).filter(digest=digest_of(secret)).first()
    if row is None:
        return None
    if row.last_used_at is None or now - row.last_used_at >= TOUCH_EVERY:
        row.last_used_at = now
        row.save(update_fields=["last_used_at"])
    row.user.__dict__["api_token"] = row
    return row


def _own_or_manage(user: User, actor: Actor) -> None:
    if actor.kind is ActorKind.TOKEN:
        raise ForbiddenError(_("A token cannot make or end tokens"), hint=_("Sign in on the page."))
    if actor.kind is not ActorKind.PERSON or actor.key != str(user.uuid):
        require(actor, MANAGE_PEOPLE)
