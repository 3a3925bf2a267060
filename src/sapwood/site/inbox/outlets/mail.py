"""E-mail: the Message-ID is fixed and recorded before a mail is handed over; one click unsubscribes (RFC 8058)."""

import datetime as dt
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from sapwood.core.errors import SapwoodError
from sapwood.core.markup import html_to_text
from sapwood.formats.publication import pick_locale
from sapwood.site.inbox import links, rendering, tokens
from sapwood.site.inbox.data import OutletKind
from sapwood.site.inbox.gate import Addressee, Cleared
from sapwood.site.inbox.outlets.registry import outlet

PERMANENT: Final = range(500, 600)
TEMPORARY: Final = range(400, 500)


class MailRefusedError(SapwoodError):
    """The mail server said no: this mail was certainly not sent."""

    code = "inbox.mail_refused"

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


class MailUnclearError(SapwoodError):
    """The connection broke while a mail was handed over: nobody knows whether it was sent."""

    code = "inbox.mail_unclear"


@dataclass(frozen=True)
class MailItem:
    """One announcement in a mail."""

    reading: rendering.Reading
    plain: str
    url: str
    hand_over: str
    cleared: Cleared


@outlet(OutletKind.MAIL)
def send_mail(
    addressees: tuple[Addressee, ...], *, message_id: str, connection: Any, now: dt.datetime, digest: bool = False
) -> None:
    """Hand one mail to the mail server. Raises MailRefusedError or MailUnclearError."""
    message = _compose(addressees, message_id=message_id, now=now, digest=digest)
    message.connection = connection
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        code = max((number for number, _text in error.recipients.values()), default=550)
        raise MailRefusedError(f"The mail server refuses the address ({code})", permanent=code in PERMANENT) from error
    except smtplib.SMTPResponseException as error:
        code = error.smtp_code
        if code in TEMPORARY or code in PERMANENT:
            raise MailRefusedError(f"The mail server refuses the mail ({code})", permanent=False) from error
        raise MailUnclearError(f"The mail server answered {code}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise MailUnclearError(f"The connection to the mail server broke: {type(error).__name__}") from error


def _compose(
    addressees: Sequence[Addressee], *, message_id: str, now: dt.datetime, digest: bool
) -> EmailMultiAlternatives:
    person = addressees[0].person
    found = [_item(one.cleared, person.locale) for one in addressees]
    brand = addressees[0].cleared.brand
    unsubscribe = f"{settings.BASE_URL}{reverse('inbox:unsubscribe', args=[tokens.unsubscribe(person)])}"
    known = {code for code, _name in settings.LANGUAGES}
    with translation.override(pick_locale(known, person.locale) or "en"):
        context = {
            "items": found,
            "brand": brand,
            "digest": digest,
            "unsubscribe": unsubscribe,
            "settings_url": f"{settings.BASE_URL}{reverse('inbox:subscription', args=[tokens.manage(person)])}",
            "now": now,
            "direction": rendering.direction(found[0].reading.locale),
            "locale": found[0].reading.locale,
        }
        subject = " ".join(render_to_string("sapwood/inbox/mail/subject.txt", {**context, "first": found[0]}).split())
        text = render_to_string("sapwood/inbox/mail/message.txt", context)
        html = render_to_string("sapwood/inbox/mail/message.html", context)
    message = EmailMultiAlternatives(
        subject=subject[:200],
        body=text,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[person.email],
        reply_to=[brand["contact"]] if brand.get("contact") else None,
        headers={
            "Message-ID": message_id,
            "List-Unsubscribe": f"<{unsubscribe}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "List-Id": f"<announcements.{_host()}>",
            "Auto-Submitted": "auto-generated",
            "Precedence": "list",
        },
    )
    message.attach_alternative(html, "text/html")
    return message


def _item(cleared: Cleared, locale: str) -> MailItem:
    reading = rendering.read_in(cleared.texts, cleared.links, cleared.brand, locale)
    address = reverse("inbox:announcement", args=[cleared.item])
    return MailItem(
        reading,
        html_to_text(str(reading.body)),
        f"{settings.BASE_URL}{address}",
        links.hand_over(cleared, reading.locale),
        cleared,
    )


def message_id_for(key: str) -> str:
    """The Message-ID of a mailing: the same however often it is handed over."""
    return f"<{key}@{_host()}>"


def _host() -> str:
    return urlsplit(settings.BASE_URL).hostname or "localhost"
