"""Mail about a person's own place on the list. It carries a link and fixed words, never anything of an item."""

import datetime as dt
import logging
from functools import partial

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from sapwood.core.errors import UnavailableError
from sapwood.formats.publication import pick_locale
from sapwood.site.inbox import content, tokens
from sapwood.site.inbox.models import Person

log = logging.getLogger(__name__)


def after_commit_confirm(person: Person, *, now: dt.datetime) -> None:
    """Once the caller's transaction stands, mail the link that confirms this address."""
    transaction.on_commit(partial(_confirm, person, tokens.confirm(person, now=now)))


def _confirm(person: Person, token: str) -> None:
    address = f"{settings.BASE_URL}{reverse('inbox:confirm', args=[token])}"
    known = {code for code, _name in settings.LANGUAGES}
    with translation.override(pick_locale(known, person.locale) or "en"):
        name = content.brand_values()["site_name"]
        context = {"site_name": name, "address": address, "days": tokens.CONFIRM_FOR.days}
        message = EmailMessage(
            subject=" ".join((_("%(name)s: confirm your address") % {"name": name}).split()),
            body=render_to_string("sapwood/inbox/mail/confirm.txt", context),
            from_email=settings.DEFAULT_FROM_EMAIL,
            to=[person.email],
            headers={"Auto-Submitted": "auto-generated"},
        )
    try:
        message.send()
    except OSError as error:
        log.warning("a confirmation could not be mailed: %s", error)
        raise UnavailableError(
            _("The mail could not be sent."), hint=_("Try again in a quarter of an hour.")
        ) from error
