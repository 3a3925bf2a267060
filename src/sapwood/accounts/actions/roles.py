"""Granting and revoking roles, by hand or from what an identity provider says."""

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from sapwood.accounts.claims import Claims, says
from sapwood.accounts.data import ADMINISTERING, ROLES_OF, Role, Scope, ScopeKind
from sapwood.accounts.guards import require
from sapwood.accounts.models import ClaimRule, RoleGrant, User
from sapwood.accounts.permissions import MANAGE_PEOPLE
from sapwood.accounts.queries import forget_grants
from sapwood.core import audit, settings
from sapwood.core.data import JSON, Actor
from sapwood.core.errors import ConflictError, NotFoundError, UsageError


class RoleError(UsageError):
    """A role or its scope does not exist on this side."""

    code = "accounts.role"


class LastAdministratorError(ConflictError):
    """The last administrator cannot lose the role, be switched off or be erased."""

    code = "accounts.last_administrator"


@transaction.atomic
def grant_role(
    user: User,
    *,
    role: Role | str,
    actor: Actor,
    now: dt.datetime,
    scope: Scope | None = None,
    expires_at: dt.datetime | None = None,
) -> RoleGrant:
    """Give `user` a role, on everything or narrowed to one scope; granting again only moves the expiry."""
    require(actor, MANAGE_PEOPLE)
    chosen, kind, key = _checked(role, scope)
    if expires_at is not None and expires_at <= now:
        raise RoleError(_("The role would end before it begins"), hint=_("Choose a later day."))
    if expires_at is not None and chosen in ADMINISTERING:
        keep_an_administrator(user, role=chosen)
    row, _fresh = RoleGrant.objects.update_or_create(
        user=user,
        role=chosen.value,
        scope_kind=kind,
        scope_key=key,
        defaults={"granted_by": actor.key, "granted_at": now, "expires_at": expires_at, "from_claim": False},
    )
    audit.record(actor=actor, action="accounts.grant", subject=subject_of(user), details=_details(row), at=now)
    forget_grants(user)
    return row


@transaction.atomic
def revoke_role(user: User, *, role: Role | str, actor: Actor, now: dt.datetime, scope: Scope | None = None) -> None:
    """Take a role away; the last administrator keeps theirs."""
    require(actor, MANAGE_PEOPLE)
    chosen, kind, key = _checked(role, scope)
    row = RoleGrant.objects.filter(user=user, role=chosen.value, scope_kind=kind, scope_key=key).first()
    if row is None:
        raise NotFoundError(
            _("%(person)s does not hold the role %(role)s") % {"person": user, "role": chosen.value},
            hint=_("See 'sapwood accounts list'."),
        )
    if not kind and chosen in ADMINISTERING:
        keep_an_administrator(user, role=chosen)
    details = _details(row)
    row.delete()
    audit.record(actor=actor, action="accounts.revoke", subject=subject_of(user), details=details, at=now)
    forget_grants(user)


@transaction.atomic
def add_claim_rule(claim: str, *, value: str, role: Role | str, actor: Actor, now: dt.datetime) -> ClaimRule:
    """Have everybody whose identity provider says `claim` = `value` hold a role from their next sign-in on."""
    require(actor, MANAGE_PEOPLE)
    chosen, _kind, _key = _checked(role, None)
    if not claim.strip() or not value.strip():
        raise RoleError(
            _("A claim and its value are both needed"), hint=_("For example: groups and sapwood-reviewers.")
        )
    row, _fresh = ClaimRule.objects.get_or_create(
        claim=claim.strip(), value=value.strip(), role=chosen.value, defaults={"created_at": now}
    )
    details: dict[str, JSON] = {"claim": row.claim, "value": row.value, "role": row.role}
    audit.record(actor=actor, action="accounts.claim_rule.add", subject=f"claim-rule:{row.pk}", details=details, at=now)
    return row


@transaction.atomic
def remove_claim_rule(row: ClaimRule, *, actor: Actor, now: dt.datetime) -> None:
    """End such a rule; roles that it gave end at their holder's next sign-in."""
    require(actor, MANAGE_PEOPLE)
    details: dict[str, JSON] = {"claim": row.claim, "value": row.value, "role": row.role}
    subject = f"claim-rule:{row.pk}"
    row.delete()
    audit.record(actor=actor, action="accounts.claim_rule.remove", subject=subject, details=details, at=now)


@transaction.atomic
def apply_claims(user: User, *, claims: Sequence[Claims], now: dt.datetime) -> set[Role]:
    """Bring the roles that come from claims in step with what the identity providers say now.

    Roles that a person granted by hand are left alone; an administering role is never taken from its last holder.
    """
    rules = ClaimRule.objects.all()
    due = {Role(rule.role) for rule in rules if any(says(one, rule.claim, rule.value) for one in claims)}
    due &= set(ROLES_OF[settings.ROLE.get()])
    actor = Actor.system("accounts.claims")
    held = {Role(row.role): row for row in RoleGrant.objects.filter(user=user, scope_kind="")}
    for role in sorted(due - held.keys()):
        row = RoleGrant.objects.create(
            user=user, role=role.value, granted_by=actor.key, granted_at=now, from_claim=True
        )
        audit.record(actor=actor, action="accounts.grant", subject=subject_of(user), details=_details(row), at=now)
    for role, row in held.items():
        if row.from_claim and role not in due and not (role in ADMINISTERING and _is_last(user, role)):
            details = _details(row)
            row.delete()
            audit.record(actor=actor, action="accounts.revoke", subject=subject_of(user), details=details, at=now)
    forget_grants(user)
    return due


def keep_an_administrator(user: User, *, role: Role | None = None) -> None:
    """Raise LastAdministratorError when nobody but `user` would administer this installation for good."""
    for chosen in [role] if role else sorted(ADMINISTERING):
        if _is_last(user, chosen):
            raise LastAdministratorError(
                _("%(person)s is the last one with the role “%(role)s”") % {"person": user, "role": chosen.label},
                hint=_("Give somebody else the role first."),
            )


def subject_of(user: User) -> str:
    """How the audit log names a person it speaks about: by stable id, never by address."""
    return f"person:{user.uuid}"


def _is_last(user: User, role: Role) -> bool:
    for_good = RoleGrant.objects.select_for_update().filter(
        role=role.value, scope_kind="", expires_at=None, user__is_active=True
    )
    holders = set(for_good.values_list("user_id", flat=True))
    return holders == {user.pk}


def _checked(role: Role | str, scope: Scope | None) -> tuple[Role, str, str]:
    here = ROLES_OF[settings.ROLE.get()]
    hint = _("Use one of %(names)s.") % {"names": ", ".join(item.value.replace("_", "-") for item in here)}
    try:
        chosen = Role(role)
    except ValueError:
        raise RoleError(_("There is no role %(role)s") % {"role": role}, hint=hint) from None
    if chosen not in here:
        raise RoleError(_("The role %(role)s belongs to the other side") % {"role": chosen.value}, hint=hint)
    if scope is None:
        return chosen, "", ""
    kind, key = scope
    if kind not in set(ScopeKind) or not key.strip():
        raise RoleError(
            _("A role cannot be narrowed to %(kind)s:%(key)s") % {"kind": kind, "key": key},
            hint=_("Use channel:NAME or locale:CODE."),
        )
    if chosen in ADMINISTERING:
        raise RoleError(
            _("The role “%(role)s” cannot be narrowed") % {"role": chosen.label},
            hint=_("Grant a smaller role instead."),
        )
    return chosen, kind, key.strip()


def _details(row: RoleGrant) -> dict[str, JSON]:
    details: dict[str, JSON] = {"role": row.role}
    if row.scope_kind:
        details["scope"] = f"{row.scope_kind}:{row.scope_key}"
    if row.expires_at:
        details["expires_at"] = row.expires_at.isoformat()
    if row.from_claim:
        details["from_claim"] = True
    return details
