"""One-time sign-in links: for the first sign-in, for invitations, for people who lost their way."""

import datetime as dt

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from sapwood.accounts.actions.roles import subject_of
from sapwood.accounts.actions.secrets import digest_of, new_secret
from sapwood.accounts.guards import actor_for
from sapwood.accounts.mail import MailError, send_invitation
from sapwood.accounts.models import SignInLink, User
from sapwood.core import audit, settings
from sapwood.core.data import JSON, Actor
from sapwood.core.errors import SapwoodError, UsageError

LINK_TTL = dt.timedelta(hours=1)
INVITATION_TTL = dt.timedelta(days=3)
LONGEST_TTL = dt.timedelta(days=7)
KEEP = dt.timedelta(days=30)
COOLDOWN = dt.timedelta(minutes=1)


class BadLinkError(SapwoodError):
    """A one-time sign-in link was used before, is too old, or never existed."""

    code = "accounts.bad_link"
    http_status = 410


@transaction.atomic
def one_time_link(user: User, *, base_url: str, now: dt.datetime, actor: Actor, ttl: dt.timedelta = LINK_TTL) -> str:
    """An address that signs `user` in once before `now + ttl`; whoever holds it is that person, so hand it over safely.

    The page behind it only shows a button: a mail scanner that follows the link does not use it up.
    """
    if not dt.timedelta() < ttl <= LONGEST_TTL:
        raise UsageError(_("A sign-in link lasts between a moment and 7 days"), hint=_("Choose a shorter time."))
    secret = new_secret()
    row = SignInLink.objects.create(user=user, digest=digest_of(secret), created_at=now, expires_at=now + ttl)
    details: dict[str, JSON] = {"link": str(row.uuid), "expires_at": row.expires_at.isoformat()}
    audit.record(actor=actor, action="accounts.link.make", subject=subject_of(user), details=details, at=now)
    return base_url.rstrip("/") + reverse("accounts:link", kwargs={"secret": secret})


def find_link(secret: str, *, now: dt.datetime) -> SignInLink:
    """The link behind a secret, still unused; raises BadLinkError."""
    row = SignInLink.objects.select_related("user").filter(digest=digest_of(secret)).first()
    if row is None or row.used_at is not None or row.expires_at <= now or not row.user.is_active:
        raise BadLinkError(
            _("This sign-in link does not work any more: each works once, for a limited time"),
            hint=_("Ask whoever sent it for a new one."),
        )
    return row


@transaction.atomic
def redeem_link(secret: str, *, now: dt.datetime) -> User:
    """Use a link up and return whose it is; of two presses at the same moment only one succeeds."""
    row = find_link(secret, now=now)
    if not SignInLink.objects.filter(pk=row.pk, used_at=None).update(used_at=now):
        find_link(secret, now=now)
    details: dict[str, JSON] = {"link": str(row.uuid)}
    audit.record(
        actor=actor_for(row.user), action="accounts.link.use", subject=subject_of(row.user), details=details, at=now
    )
    return row.user


def mail_own_link(user: User, *, now: dt.datetime) -> None:
    """Mail a signed-in person a fresh link to themselves, at most once a minute: their way to confirm who they are.

    Raises MailError when the mail cannot leave.
    """
    if SignInLink.objects.filter(user=user, used_at=None, created_at__gt=now - COOLDOWN).exists():
        return
    url = one_time_link(user, base_url=settings.BASE_URL.get(), now=now, actor=actor_for(user))
    if not send_invitation(user, url=url, expires_at=now + LINK_TTL):
        raise MailError(
            _("The mail to %(address)s could not be sent") % {"address": user.email},
            hint=_("Ask an administrator for a sign-in link."),
        )


def prune_links(*, now: dt.datetime) -> int:
    """Remove links that ended more than a month ago; the number removed."""
    return SignInLink.objects.filter(expires_at__lt=now - KEEP).delete()[0]
