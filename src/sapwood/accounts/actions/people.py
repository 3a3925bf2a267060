"""Making, inviting, switching off."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext as _

from sapwood.accounts.actions.links import INVITATION_TTL, one_time_link
from sapwood.accounts.actions.roles import grant_role, keep_an_administrator, subject_of
from sapwood.accounts.data import Role, Scope
from sapwood.accounts.guards import require
from sapwood.accounts.mail import MailError, send_invitation
from sapwood.accounts.models import ApiToken, SignInLink, User
from sapwood.accounts.permissions import MANAGE_PEOPLE
from sapwood.accounts.sessions import end_sessions
from sapwood.core import audit, settings
from sapwood.core.data import JSON, Actor
from sapwood.core.errors import ConflictError, UsageError


class AddressTakenError(ConflictError):
    """Somebody already has an account with this address."""

    code = "accounts.address_taken"


class AddressError(UsageError):
    """This is not an e-mail address."""

    code = "accounts.address"


@transaction.atomic
def create_person(
    email: str, *, actor: Actor, now: dt.datetime, name: str = "", roles: Sequence[Role | str] = ()
) -> User:
    """Make an account without a password; its owner comes in by a one-time link or by the identity provider."""
    require(actor, MANAGE_PEOPLE)
    address = email.strip().lower()
    try:
        validate_email(address)
    except ValidationError:
        raise AddressError(
            _("%(address)s is not an e-mail address") % {"address": email}, hint=_("Write it as name@host.")
        ) from None
    if User.objects.filter(email__iexact=address).exists():
        raise AddressTakenError(
            _("%(address)s already has an account") % {"address": address}, hint=_("Grant that account a role instead.")
        )
    user = User.objects.create_user(address, name=name.strip())
    user.joined_at = now
    user.save(update_fields=["joined_at"])
    # The administrator vouches for the address: a second factor asks for a verified one.
    EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)
    audit.record(actor=actor, action="accounts.create", subject=subject_of(user), at=now)
    for role in roles:
        grant_role(user, role=role, actor=actor, now=now)
    return user


@dataclass(frozen=True)
class Invitation:
    """A sign-in link for somebody, and whether the mail with it left; where it did not, the link is handed over."""

    user: User
    url: str
    expires_at: dt.datetime
    mailed: bool

    @property
    def error(self) -> MailError:
        """What to say when the mail did not leave."""
        return MailError(
            _("The mail to %(address)s could not be sent; the account is there and the link works")
            % {"address": self.user.email},
            hint=_("Hand the link over another way, or look at SAPWOOD_MAIL_URL and mail it again."),
        )


def invite(
    email: str,
    *,
    role: Role | str,
    actor: Actor,
    now: dt.datetime,
    scope: Scope | None = None,
    name: str = "",
) -> Invitation:
    """Make an account with one role and mail its owner a one-time sign-in link that lasts three days."""
    with transaction.atomic(durable=True):
        user = create_person(email, actor=actor, now=now, name=name)
        grant_role(user, role=role, actor=actor, now=now, scope=scope)
        url = one_time_link(user, base_url=settings.BASE_URL.get(), now=now, ttl=INVITATION_TTL, actor=actor)
    return _mailed(user, url, now)


def send_link(user: User, *, actor: Actor, now: dt.datetime) -> Invitation:
    """Mail a person a fresh one-time sign-in link that lasts three days."""
    require(actor, MANAGE_PEOPLE)
    url = one_time_link(user, base_url=settings.BASE_URL.get(), now=now, ttl=INVITATION_TTL, actor=actor)
    return _mailed(user, url, now)


def _mailed(user: User, url: str, now: dt.datetime) -> Invitation:
    expires_at = now + INVITATION_TTL
    return Invitation(user, url, expires_at, mailed=send_invitation(user, url=url, expires_at=expires_at))


@transaction.atomic
def set_active(user: User, *, active: bool, actor: Actor, now: dt.datetime) -> None:
    """Switch an account off (its sessions, links and tokens end at once) or on again."""
    require(actor, MANAGE_PEOPLE)
    if not active:
        keep_an_administrator(user)
        end_sessions(user)
        SignInLink.objects.filter(user=user).delete()
        ApiToken.objects.filter(user=user, revoked_at=None).update(revoked_at=now)
    user.is_active = active
    user.save(update_fields=["is_active"])
    action = "accounts.switch_on" if active else "accounts.switch_off"
    audit.record(actor=actor, action=action, subject=subject_of(user), at=now)


@transaction.atomic
def reset_second_factor(user: User, *, actor: Actor, now: dt.datetime) -> int:
    """Remove every second factor of somebody who lost theirs, and end their sessions; the number removed."""
    require(actor, MANAGE_PEOPLE)
    removed: int = Authenticator.objects.filter(user=user).delete()[0]
    end_sessions(user)
    details: dict[str, JSON] = {"removed": removed}
    audit.record(actor=actor, action="accounts.reset_factor", subject=subject_of(user), details=details, at=now)
    return removed
