"""Reads: what was received, how each channel is, who signed it."""

import datetime as dt
from collections.abc import Iterable, Mapping

from django.db.models import Count, Q, QuerySet

from sapwood.channel.client.walk import Known
from sapwood.channel.data import ChannelHealth, ChannelState, HealthChange, Received
from sapwood.channel.models import (
    HealthLog,
    PullLog,
    ReceivedDocument,
    Refusal,
    SubscribedChannel,
    Subscription,
    TrustedFile,
)
from sapwood.core.errors import NotFoundError
from sapwood.formats.phrase import Phrase, recalled

DEAD_AFTER_FAILURES = 3
DEAD_AFTER = dt.timedelta(hours=24)


def received(after_id: int = 0, limit: int = 500) -> list[Received]:
    """Publications in the order in which they became visible, after the given id."""
    rows = ReceivedDocument.objects.select_related("subscription").filter(pk__gt=after_id).order_by("pk")[:limit]
    return [as_received(row) for row in rows]


def received_of_type(kind: str, *, channel: str, limit: int = 500) -> list[Received]:
    """Publications of one type on one channel, the highest revisions and then the newest first."""
    rows = ReceivedDocument.objects.select_related("subscription").filter(type=kind, channel=channel)
    return [as_received(row) for row in rows.order_by("-revision", "-pk")[:limit]]


def received_one(document_id: int) -> Received:
    """One publication; raises NotFoundError."""
    row = ReceivedDocument.objects.select_related("subscription").filter(pk=document_id).first()
    if row is None:
        raise NotFoundError(Phrase("No publication %(number)s was received", number=document_id))
    return as_received(row)


def received_per_day(now: dt.datetime, days: int) -> list[int]:
    """How many publications arrived on each of the last days, today last."""
    start = now - dt.timedelta(days=days)
    counts = [0] * days
    for at in ReceivedDocument.objects.filter(received_at__gt=start).values_list("received_at", flat=True):
        counts[min(days - 1, max(0, (at - start).days))] += 1
    return counts


def withdrawn(since: dt.datetime | None = None) -> list[Received]:
    """Publications that the publisher no longer lists; they stay here all the same."""
    rows = ReceivedDocument.objects.select_related("subscription").exclude(withdrawn_at=None)
    if since is not None:
        rows = rows.filter(withdrawn_at__gte=since)
    return [as_received(row) for row in rows.order_by("pk")]


def as_received(row: ReceivedDocument) -> Received:
    """A row as other modules see it."""
    return Received(
        id=row.pk,
        subscription=row.subscription.name,
        channel=row.channel,
        path=row.path,
        sha256=row.sha256,
        raw=bytes(row.raw),
        uuid=str(row.uuid),
        revision=row.revision,
        type=row.type,
        received_at=row.received_at,
        verified_by=tuple(row.verified_by),
        signed_by=tuple(row.signed_by),
        published_at=row.published_at,
        withdrawn_at=row.withdrawn_at,
    )


def subscription_named(name: str) -> Subscription:
    """The subscription of this name; raises NotFoundError."""
    found = Subscription.objects.filter(name=name).first()
    if found is None:
        raise NotFoundError(
            Phrase("There is no subscription %(name)s", name=repr(name)), hint=Phrase("See: sapwood channel status.")
        )
    return found


def subscriptions() -> list[Subscription]:
    """Every active subscription, by name."""
    return list(Subscription.objects.filter(active=True).order_by("name"))


def due_subscriptions(now: dt.datetime) -> list[Subscription]:
    """The active subscriptions whose next pull over the network is due."""
    due = Q(next_pull_at=None) | Q(next_pull_at__lte=now)
    return list(Subscription.objects.filter(due, active=True, by_bundle=False).order_by("next_pull_at", "name"))


def trusted_files(subscription: Subscription) -> dict[str, bytes]:
    """The verified bytes that are kept for a subscription, by role name or index path."""
    rows = TrustedFile.objects.filter(subscription=subscription)
    return {name: bytes(raw) for name, raw in rows.values_list("name", "raw")}


def known(subscription: Subscription, channel: str, files: Mapping[str, bytes]) -> Known:
    """What this site holds of one channel."""
    documents = ReceivedDocument.objects.filter(subscription=subscription, channel=channel)
    unread = Refusal.objects.filter(subscription=subscription, channel=channel, resolved_at=None).exclude(raw=None)
    return Known(
        documents=dict(documents.values_list("path", "sha256")),
        indexes={name: raw for name, raw in files.items() if name.startswith(f"{channel}/")},
        unread={path: bytes(raw) for path, raw in unread.values_list("path", "raw") if raw is not None},
    )


def channel_health(now: dt.datetime) -> list[ChannelHealth]:
    """Every subscribed channel as it stands now."""
    rows = SubscribedChannel.objects.filter(active=True, subscription__active=True).select_related("subscription")
    documents = ReceivedDocument.objects.values("subscription_id", "channel").annotate(
        total=Count("pk"), gone=Count("pk", filter=~Q(withdrawn_at=None))
    )
    counts = {(row["subscription_id"], row["channel"]): (row["total"], row["gone"]) for row in documents.order_by()}
    refusals = (
        Refusal.objects.filter(resolved_at=None)
        .values("subscription_id", "channel")
        .annotate(total=Count("pk"), bad=Count("pk", filter=Q(unverified=True)))
    )
    refused = {(row["subscription_id"], row["channel"]): (row["total"], row["bad"]) for row in refusals.order_by()}
    found = []
    for row in rows.order_by("subscription__name", "pk"):
        key = (row.subscription_id, row.name)
        found.append(_health(row, counts.get(key, (0, 0)), refused.get(key, (0, 0)), now))
    return found


def health_changes(after_id: int = 0, limit: int = 100) -> list[HealthChange]:
    """Changes of state, oldest first, after the given id: for whoever mails administrators."""
    rows = HealthLog.objects.select_related("subscription").filter(pk__gt=after_id).order_by("pk")[:limit]
    return [
        HealthChange(
            row.pk,
            row.subscription.name,
            row.channel,
            ChannelState(row.before),
            ChannelState(row.after),
            row.at,
            row.words,
        )
        for row in rows
    ]


def open_refusals(limit: int = 200) -> QuerySet[Refusal]:
    """Publications that are refused at present, newest first."""
    return Refusal.objects.filter(resolved_at=None).select_related("subscription").order_by("-last_at")[:limit]


def recent_pulls(limit: int = 50) -> QuerySet[PullLog]:
    """The last pulls, newest first."""
    return PullLog.objects.select_related("subscription").order_by("-started_at", "-pk")[:limit]


def unacknowledged_withdrawals() -> QuerySet[SubscribedChannel]:
    """Channels whose publisher took away many publications at once, and nobody here has said that this is right."""
    return SubscribedChannel.objects.exclude(withdrawal_at=None).select_related("subscription")


def _health(
    row: SubscribedChannel, counts: tuple[int, int], refused: tuple[int, int], now: dt.datetime
) -> ChannelHealth:
    subscription = row.subscription
    error = subscription.error or row.error
    expires_at = min((item for item in (subscription.expires_at, row.expires_at) if item is not None), default=None)
    state = _state(row, error, expires_at, refused[1], now)
    stale_since = expires_at if state is ChannelState.STALE and expires_at and expires_at <= now else None
    return ChannelHealth(
        subscription=subscription.name,
        name=row.name,
        url=subscription.url,
        state=state,
        last_attempt_at=subscription.last_attempt_at,
        last_good_at=row.last_good_at,
        expires_at=expires_at,
        stale_since=stale_since or (row.last_good_at if state is ChannelState.STALE else None),
        next_pull_at=subscription.next_pull_at,
        publications=counts[0],
        withdrawn=counts[1],
        refused=refused[0],
        signed_by=tuple(row.signed_by),
        error=_shown(error),
        lasting=state is not ChannelState.DEAD or _is_dead_for_long(row, now),
    )


def _state(
    row: SubscribedChannel, error: Mapping[str, str] | None, expires_at: dt.datetime | None, bad: int, now: dt.datetime
) -> ChannelState:
    kind = (error or {}).get("state", "")
    if kind == ChannelState.REJECTED or bad:
        return ChannelState.REJECTED
    if kind == ChannelState.STALE or (expires_at is not None and expires_at <= now):
        return ChannelState.STALE
    if kind == ChannelState.DEAD:
        return ChannelState.DEAD
    return ChannelState.FRESH if row.last_good_at else ChannelState.WAITING


def _is_dead_for_long(row: SubscribedChannel, now: dt.datetime) -> bool:
    """One failed attempt is weather; several, or a day of silence, are worth a mail."""
    last = row.last_good_at or row.since
    return row.subscription.failures >= DEAD_AFTER_FAILURES or now - last >= DEAD_AFTER


def _shown(error: Mapping[str, str] | None) -> dict[str, str] | None:
    return {name: recalled(error[name]) for name in ("code", "message", "hint")} if error else None


def worst(states: Iterable[ChannelState]) -> ChannelState | None:
    """The state to show for several channels together."""
    order = [ChannelState.REJECTED, ChannelState.DEAD, ChannelState.STALE, ChannelState.WAITING, ChannelState.FRESH]
    found = set(states)
    return next((state for state in order if state in found), None)
