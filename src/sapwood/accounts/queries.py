"""Reads: who may do what."""

import datetime as dt
import uuid
from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from sapwood.accounts.data import ANYWHERE, Anywhere, Permission, Role, Scope, Scoped, ScopeKind, Words
from sapwood.accounts.models import ApiToken, RoleGrant, User
from sapwood.accounts.permissions import PERMISSIONS, permission
from sapwood.core.clock import system_clock
from sapwood.core.errors import NotFoundError

_CACHE = "_sapwood_grants"


@dataclass(frozen=True)
class Grant:
    """One role in force."""

    role: Role
    scope: Scope | None
    expires_at: dt.datetime | None

    @property
    def scope_label(self) -> Words:
        """What the grant is narrowed to, on a screen; empty when it is not."""
        return ScopeKind(self.scope[0]).label if self.scope else ""


@dataclass(frozen=True)
class Reach:
    """How far a permission reaches for one person: on everything, or on some scopes only."""

    everywhere: bool
    scopes: frozenset[Scope]

    def __bool__(self) -> bool:
        return self.everywhere or bool(self.scopes)


NOWHERE = Reach(everywhere=False, scopes=frozenset())


def person(email: str) -> User:
    """The person with this address, in any case of letters; raises NotFoundError."""
    try:
        return User.objects.get(email__iexact=email.strip())
    except User.DoesNotExist:
        raise NotFoundError(
            _("Nobody here has the address %(address)s") % {"address": email}, hint=_("See 'sapwood accounts list'.")
        ) from None


def person_by_uuid(key: str | uuid.UUID) -> User | None:
    """The person with this stable id, or None."""
    try:
        return User.objects.filter(uuid=key).first()
    except (ValueError, TypeError):
        return None


def owns_address(user: User) -> bool:
    """Whether somebody proved that the account's address is this person's: by a mail, a provider, an administrator."""
    return bool(EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists())


def grants_in_force(user: object, *, now: dt.datetime) -> list[Grant]:
    """The roles that this person holds at `now`; read once per request, since a request has its own user object."""
    if not isinstance(user, User) or not user.is_active or user.pk is None:
        return []
    found: list[Grant] | None = user.__dict__.get(_CACHE)
    if found is None:
        rows = RoleGrant.objects.filter(user=user).order_by("role", "scope_kind", "scope_key")
        found = [
            Grant(Role(row.role), (row.scope_kind, row.scope_key) if row.scope_kind else None, row.expires_at)
            for row in rows
        ]
        user.__dict__[_CACHE] = found
    return [grant for grant in found if grant.expires_at is None or grant.expires_at > now]


def forget_grants(user: User) -> None:
    """Have the next question read this person's grants again."""
    user.__dict__.pop(_CACHE, None)


def reach(user: object, code: str, *, now: dt.datetime | None = None) -> Reach:
    """How far the permission `code` reaches for `user`: for filtering a list."""
    return _reach(user, permission(code), now or system_clock().now())


def user_has(user: object, code: str, obj: Scoped | Anywhere | None = None, *, now: dt.datetime | None = None) -> bool:
    """Whether `user` holds the permission `code`.

    Without an object the question is "on everything?"; with ANYWHERE it is "on anything at all?"; with an object that
    has `permission_scopes()` a narrowed grant counts when it meets one of them.
    """
    found = reach(user, code, now=now)
    if found.everywhere:
        return True
    if isinstance(obj, Anywhere):
        return bool(found.scopes)
    return obj is not None and bool(found.scopes & scopes_of(obj))


def scopes_of(obj: object) -> frozenset[Scope]:
    """The scopes that an object names; an object that names none is reached by no narrowed grant."""
    method = getattr(obj, "permission_scopes", None)
    return frozenset(method()) if callable(method) else frozenset()


def permissions_of(user: object, *, now: dt.datetime) -> list[Permission]:
    """Everything that `user` may do on something, in order of code."""
    return [item for _, item in sorted(PERMISSIONS.items()) if user_has(user, item.code, ANYWHERE, now=now)]


def holders(role: Role, *, now: dt.datetime) -> QuerySet[User]:
    """Active people who hold `role` on everything at `now`."""
    in_force = Q(expires_at=None) | Q(expires_at__gt=now)
    rows = RoleGrant.objects.filter(in_force, role=role, scope_kind="")
    return User.objects.filter(is_active=True, pk__in=rows.values("user_id")).order_by("email")


def holders_of_permission(code: str, *, now: dt.datetime) -> QuerySet[User]:
    """Active people who hold the permission `code` on everything at `now`: whom to tell."""
    in_force = Q(expires_at=None) | Q(expires_at__gt=now)
    rows = RoleGrant.objects.filter(in_force, role__in=permission(code).roles, scope_kind="")
    return User.objects.filter(is_active=True, pk__in=rows.values("user_id")).order_by("email")


def live_tokens(now: dt.datetime) -> QuerySet[ApiToken]:
    """Tokens that open something at `now`."""
    in_force = Q(expires_at=None) | Q(expires_at__gt=now)
    return ApiToken.objects.filter(in_force, revoked_at=None, user__is_active=True).select_related("user")


def _reach(user: object, item: Permission, now: dt.datetime) -> Reach:
    token: ApiToken | None = getattr(user, "__dict__", {}).get("api_token")
    if token is not None and not _token_allows(token, item, now):
        return NOWHERE
    everywhere, scopes = False, set[Scope]()
    for grant in grants_in_force(user, now=now):
        if grant.scope is None:
            everywhere = everywhere or grant.role in item.roles
        elif grant.role in item.scoped:
            scopes.add(grant.scope)
    return Reach(everywhere=everywhere, scopes=frozenset(scopes)) if everywhere or scopes else NOWHERE


def _token_allows(token: ApiToken, item: Permission, now: dt.datetime) -> bool:
    in_force = token.revoked_at is None and (token.expires_at is None or token.expires_at > now)
    return in_force and item.by_token and item.code in token.scopes
