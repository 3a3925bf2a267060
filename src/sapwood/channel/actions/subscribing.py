"""Writes about whom this site trusts, and which of their channels it reads."""

import datetime as dt
import re
import secrets
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from tuf.api.metadata import Metadata, Root

from sapwood.channel.client.fetch import HttpFetcher
from sapwood.channel.client.trust import explained
from sapwood.channel.errors import FingerprintError, SubscriptionError
from sapwood.channel.layout import CHANNELS, DEFAULT_SUBSCRIPTION
from sapwood.channel.models import SubscribedChannel, Subscription, TrustedFile
from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.http import HttpClient
from sapwood.formats.canonical import sha256_hex

_FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MAX_ROOT_BYTES = 512_000


def subscribe(  # noqa: PLR0913 - what an administrator decides once
    url: str,
    *,
    actor: Actor,
    now: dt.datetime,
    root: bytes | None = None,
    fingerprint: str = "",
    http: HttpClient | None = None,
    name: str = "",
    channels: Iterable[str] = DEFAULT_SUBSCRIPTION,
    mirrors: Sequence[str] = (),
    allow_private: bool = False,
    by_bundle: bool = False,
) -> Subscription:
    """Trust a publisher's repository, from a root file or its fingerprint; nothing is trusted because it came first."""
    url = _checked_url(url)
    wanted = _checked_channels(channels)
    if root is None:
        root = _root_by_fingerprint(url, fingerprint, http, allow_private=allow_private)
    elif fingerprint and sha256_hex(root) != _checked_fingerprint(fingerprint):
        raise FingerprintError(f"The root file has the fingerprint {sha256_hex(root)}", hint="Ask the publisher again.")
    _check_root(root)
    values = {
        "url": url,
        "mirrors": [_checked_url(mirror) for mirror in mirrors],
        "allow_private": allow_private,
        "by_bundle": by_bundle,
        "root_sha256": sha256_hex(root),
    }
    with transaction.atomic():
        subscription = _ended_subscription(name, sha256_hex(root))
        if subscription is None:
            subscription = Subscription.objects.create(name=_free_name(name, url), created_at=now, **values)
            TrustedFile.objects.create(subscription=subscription, name="root", raw=root, stored_at=now)
        else:
            Subscription.objects.filter(pk=subscription.pk).update(
                active=True, next_pull_at=None, failures=0, error=None, **values
            )
            subscription.refresh_from_db()
        _choose(subscription, wanted, now)
        details = {"url": url, "root_sha256": subscription.root_sha256, "channels": list(wanted)}
        _audit(subscription, actor, "channel.subscribe", now, **details)
    return subscription


def _ended_subscription(name: str, root_sha256: str) -> Subscription | None:
    """A subscription to the same publisher that had ended: it goes on with all that it has verified.

    Raises SubscriptionError while one is active: the same publications would come twice.
    """
    same = Subscription.objects.filter(root_sha256=root_sha256)
    if (active := same.filter(active=True).first()) is not None:
        raise SubscriptionError(
            f"This publisher is subscribed to already, as {active.name}",
            hint=f"To change it, end it first: sapwood channel unsubscribe {active.name}. What was verified stays.",
        )
    return (same.filter(name=name) if name else same).order_by("-pk").first()


def _free_name(name: str, url: str) -> str:
    """The name that was chosen, or one made from the address that nothing else has."""
    taken = set(Subscription.objects.values_list("name", flat=True))
    if name:
        if name in taken:
            raise SubscriptionError(f"There is already a subscription {name!r}", hint="Choose another --name.")
        return name
    made = _name_from(url)
    return made if made not in taken else next(f"{made}-{n}" for n in count(2) if f"{made}-{n}" not in taken)


@transaction.atomic
def set_channels(subscription: Subscription, *, channels: Iterable[str], actor: Actor, now: dt.datetime) -> None:
    """Choose which channels of a publisher are read from now on; what was received stays."""
    wanted = _checked_channels(channels)
    _choose(subscription, wanted, now)
    Subscription.objects.filter(pk=subscription.pk).update(next_pull_at=None)
    _audit(subscription, actor, "channel.choose", now, channels=list(wanted))


def _choose(subscription: Subscription, wanted: Iterable[str], now: dt.datetime) -> None:
    subscription.channels.exclude(name__in=wanted).update(active=False)
    for channel in wanted:
        SubscribedChannel.objects.update_or_create(
            subscription=subscription, name=channel, defaults={"active": True}, create_defaults={"since": now}
        )


@transaction.atomic
def unsubscribe(subscription: Subscription, *, actor: Actor, now: dt.datetime) -> None:
    """Stop pulling; what was received and what is trusted stay, so that a later start cannot be rolled back."""
    Subscription.objects.filter(pk=subscription.pk).update(active=False)
    _audit(subscription, actor, "channel.unsubscribe", now)


@transaction.atomic
def pull_soon(*, actor: Actor, now: dt.datetime) -> int:
    """Let every active subscription that reads the network be due now; returns how many there are."""
    count = Subscription.objects.filter(active=True, by_bundle=False).update(next_pull_at=now)
    audit.record(actor=actor, action="channel.pull_soon", subject="channel:*", at=now)
    return count


@transaction.atomic
def acknowledge_withdrawal(channel: SubscribedChannel, *, actor: Actor, now: dt.datetime) -> None:
    """Say that a mass withdrawal has been seen; the publications stay marked."""
    count = channel.withdrawal_count
    SubscribedChannel.objects.filter(pk=channel.pk).update(withdrawal_at=None, withdrawal_count=0)
    _audit(channel.subscription, actor, "channel.acknowledge_withdrawal", now, channel=channel.name, count=count)


def _audit(subscription: Subscription, actor: Actor, action: str, now: dt.datetime, **details: Any) -> None:
    audit.record(actor=actor, action=action, subject=f"channel:{subscription.name}", at=now, details=details)


def _root_by_fingerprint(url: str, fingerprint: str, http: HttpClient | None, *, allow_private: bool) -> bytes:
    if not fingerprint:
        raise SubscriptionError(
            "A root file or its fingerprint is needed: a first answer from the network proves nothing",
            hint="Get it from the publisher through another way: --root FILE or --fingerprint SHA256.",
        )
    expected = _checked_fingerprint(fingerprint)
    if http is None:
        raise SubscriptionError("The root cannot be fetched without the network", hint="Use --root FILE.")
    with explained():
        raw = HttpFetcher(http, allow_private=allow_private).download_bytes(
            f"{url}/metadata/1.root.json", _MAX_ROOT_BYTES
        )
    if not secrets.compare_digest(sha256_hex(raw), expected):
        raise FingerprintError(
            f"The root at {url} has the fingerprint {sha256_hex(raw)}, not {expected}",
            hint="Ask the publisher for the fingerprint again; do not go on with this address.",
        )
    return raw


def _checked_fingerprint(text: str) -> str:
    value = re.sub(r"[\s:]", "", text).lower()
    if not _FINGERPRINT.fullmatch(value):
        raise SubscriptionError("A fingerprint has 64 hexadecimal digits", hint="Compute it: sha256sum 1.root.json.")
    return value


def _check_root(raw: bytes) -> None:
    with explained():
        metadata: Metadata[Root] = Metadata.from_bytes(raw)
        if not isinstance(metadata.signed, Root):
            raise SubscriptionError("The file is not root metadata", hint="Ask the publisher for 1.root.json.")
        metadata.signed.verify_delegate("root", metadata.signed_bytes, metadata.signatures)


def _checked_url(url: str) -> str:
    parts = urlsplit(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise SubscriptionError(f"{url[:200]!r} is not an address of a channel", hint="Write https://host/path.")
    return url.strip().rstrip("/")


def _checked_channels(channels: Iterable[str]) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(channels))
    unknown = [name for name in wanted if name not in CHANNELS]
    if unknown or not wanted:
        raise SubscriptionError(
            f"There is no channel {', '.join(unknown)}" if unknown else "No channel is named",
            hint=f"Use some of {', '.join(CHANNELS)}.",
        )
    return wanted


def _name_from(url: str) -> str:
    host = urlsplit(url).hostname or "channel"
    return re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")[:60] or "channel"
