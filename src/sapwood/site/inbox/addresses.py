"""Addresses that mail servers refuse, kept as keyed hashes so that the list remembers no address."""

import datetime as dt
import hmac

from django.conf import settings

from sapwood.site.inbox.models import Bounce


def address_key(email: str) -> str:
    """The keyed hash of an address, in any case of letters."""
    key = settings.SECRET_KEY.encode("utf-8")
    return hmac.new(key, b"inbox.bounce:" + email.strip().lower().encode("utf-8"), "sha256").hexdigest()


def bounces(email: str) -> bool:
    """Whether mail to this address is refused."""
    return Bounce.objects.filter(address_key=address_key(email)).exists()


def remember(email: str, reason: str, *, now: dt.datetime) -> Bounce:
    """Send nothing to this address any more."""
    row, _ = Bounce.objects.get_or_create(address_key=address_key(email), defaults={"reason": reason[:300], "at": now})
    return row


def forget(email: str) -> bool:
    """Send to this address again; True when it stood on the list."""
    return bool(Bounce.objects.filter(address_key=address_key(email)).delete()[0])
