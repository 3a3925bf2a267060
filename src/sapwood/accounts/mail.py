"""Mail about accounts."""

import datetime as dt
import logging

from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import override

from sapwood.accounts.models import User
from sapwood.core import settings
from sapwood.core.errors import UnavailableError

logger = logging.getLogger(__name__)


class MailError(UnavailableError):
    """A sign-in link could not be mailed; the link itself works."""

    code = "accounts.mail"


def send_invitation(user: User, *, url: str, expires_at: dt.datetime) -> bool:
    """Mail a one-time sign-in link; False (and a line in the log) when the mail cannot leave."""
    with override(user.language or settings.LANGUAGE.get()):
        name = settings.SITE_NAME.get() or "Sapwood"
        context = {"user": user, "url": url, "expires_at": expires_at, "site_name": name}
        text = render_to_string("sapwood/accounts/mail/invitation.txt", context)
        subject = " ".join((_("Sign in to %(name)s") % {"name": name}).split())
    try:
        EmailMessage(subject, text, to=[user.email], headers={"Auto-Submitted": "auto-generated"}).send()
    except OSError as error:
        logger.warning("the sign-in link for %s could not be mailed: %s", user.uuid, error)
        return False
    return True
