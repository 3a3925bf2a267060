"""Webhooks: signed with HMAC-SHA256 over time and body, with one idempotency key however often they are sent."""

import datetime as dt
import hashlib
import hmac
from typing import Final

from django.conf import settings
from django.urls import reverse

from sapwood.core.errors import SapwoodError
from sapwood.core.http import HttpClient, NetworkError, Request
from sapwood.formats.canonical import canonical_bytes
from sapwood.site.inbox import links
from sapwood.site.inbox.data import OutletKind, instant
from sapwood.site.inbox.gate import Cleared
from sapwood.site.inbox.models import Delivery, OutletConfig
from sapwood.site.inbox.outlets.registry import outlet

MAX_ANSWER_BYTES: Final = 64 * 1024
TIMEOUT_S: Final = 20.0
_GOOD: Final = range(200, 300)


class WebhookFailedError(SapwoodError):
    """The receiver did not take a webhook; it is sent again with the same key."""

    code = "inbox.webhook_failed"


@outlet(OutletKind.WEBHOOK)
def post_webhook(clearance: Cleared, row: Delivery, config: OutletConfig, *, http: HttpClient, now: dt.datetime) -> int:
    """Send one item to one receiver; the status that it answered. Raises WebhookFailedError."""
    body = canonical_bytes(_payload(clearance, row))
    stamp = str(int(now.timestamp()))
    request = Request(
        method="POST",
        url=config.url,
        headers={
            "Content-Type": "application/json",
            "Idempotency-Key": str(row.uuid),
            "Sapwood-Timestamp": stamp,
            "Sapwood-Signature": f"v1={signature(config, stamp, body)}",
        },
        body=body,
        max_bytes=MAX_ANSWER_BYTES,
        timeout_s=TIMEOUT_S,
        allow_private=config.allow_private,
        follow_redirects=0,
    )
    try:
        answer = http.fetch(request)
    except NetworkError as error:
        raise WebhookFailedError(error.message, hint=error.hint) from error
    if answer.status not in _GOOD:
        raise WebhookFailedError(f"The receiver answered {answer.status}", hint="Look at the receiver's log.")
    return answer.status


def signature(config: OutletConfig, stamp: str, body: bytes) -> str:
    """HMAC-SHA256, in hexadecimal, over `timestamp.body`."""
    return hmac.new(secret_of(config).encode("ascii"), stamp.encode("ascii") + b"." + body, hashlib.sha256).hexdigest()


def secret_of(config: OutletConfig) -> str:
    """The receiver's secret, derived and never stored; a new `generation` gives a new one."""
    name = f"inbox.webhook:{config.uuid}:{config.generation}".encode("ascii")
    return "whsec_" + hmac.new(settings.SECRET_KEY.encode("utf-8"), name, hashlib.sha256).hexdigest()


def _payload(clearance: Cleared, row: Delivery) -> dict[str, object]:
    return {
        "type": "announcement.approved",
        "version": 1,
        "key": str(row.uuid),
        "digest": clearance.digest,
        "publication": str(clearance.publication),
        "revision": clearance.revision,
        "channel": clearance.channel,
        "signed": clearance.signed,
        "kind": clearance.kind,
        "severity": clearance.severity,
        "audience": clearance.audience.value,
        "from": instant(clearance.starts_at),
        "until": instant(clearance.ends_at) if clearance.ends_at else None,
        "site_name": clearance.brand["site_name"],
        "texts": {locale: text.as_dict() for locale, text in clearance.texts.items()},
        "links": [link.as_dict() for link in clearance.links],
        "url": f"{settings.BASE_URL}{reverse('inbox:announcement', args=[clearance.item])}",
        "hand_over": {locale: links.hand_over(clearance, locale) for locale in clearance.texts},
    }
