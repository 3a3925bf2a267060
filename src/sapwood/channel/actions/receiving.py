"""Pulling: fetch, verify, and store in one transaction what is new, what is trusted and how it went."""

import contextlib
import datetime as dt
import random
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Q
from tuf.api.metadata import Metadata, Targets

from sapwood.channel import queries
from sapwood.channel.client.bundle import BUNDLE_URL, open_bundle
from sapwood.channel.client.fetch import HttpFetcher, Traffic
from sapwood.channel.client.trust import Trust
from sapwood.channel.client.walk import ChannelHaul, Haul, RefusedDocument, Source, VerifiedDocument, collect
from sapwood.channel.data import ChannelHealth, ChannelState, PullResult
from sapwood.channel.errors import (
    ChannelError,
    ClockError,
    PullBusyError,
    StaleError,
    SubscriptionError,
    UnreachableError,
    VerificationError,
)
from sapwood.channel.keys import owner_of
from sapwood.channel.models import (
    CommitTurn,
    HealthLog,
    PullLog,
    ReceivedDocument,
    Refusal,
    SubscribedChannel,
    Subscription,
    TrustedFile,
)
from sapwood.core.clock import Clock
from sapwood.core.http import HttpClient
from sapwood.formats.phrase import Phrase, recorded

PULL_INTERVAL = dt.timedelta(hours=1)
JITTER = 0.25
FIRST_RETRY = dt.timedelta(minutes=5)
LONGEST_RETRY = dt.timedelta(hours=6)
LONGEST_ASKED = dt.timedelta(days=1)
PULLER_DEAD_AFTER = dt.timedelta(minutes=3)
BEAT_EVERY = dt.timedelta(seconds=5)
MASS_WITHDRAWAL = 3
KEPT_PULLS = 1000
Told = Callable[[Traffic], None]


@dataclass
class _Pull:
    """One run: who it is, what it has found so far."""

    subscription: Subscription
    clock: Clock
    token: str
    started_at: dt.datetime
    traffic: Traffic = field(default_factory=Traffic)
    source: str = ""
    beaten_at: dt.datetime | None = None
    told: Told = lambda _traffic: None

    def beat(self) -> None:
        """Say that this puller is alive; raises PullBusyError when another one has taken over."""
        now = self.clock.now()
        if self.beaten_at is not None and now - self.beaten_at < BEAT_EVERY:
            return
        self.beaten_at = now
        mine = Subscription.objects.filter(pk=self.subscription.pk, puller=self.token)
        if not mine.update(puller_beat_at=now):
            raise PullBusyError(
                Phrase(
                    "Another process has taken over the pull of %(subscription)s", subscription=self.subscription.name
                )
            )
        self.told(self.traffic)


def pull(
    subscription: Subscription,
    *,
    http: HttpClient | None,
    clock: Clock,
    bundle: Path | None = None,
    chance: random.Random | None = None,
    told: Told | None = None,
) -> PullResult:
    """Fetch, verify and store what is new; never raises for what the other side does, only when it is busy or unusable.

    What was verified and what was received are stored in one transaction. Failures are in the result and on the row.
    `told` hears every few seconds how much has come.
    """
    if subscription.by_bundle and bundle is None:
        raise SubscriptionError(
            Phrase("%(name)s is read from bundles only", name=subscription.name),
            hint=Phrase("Name one: %(command)s.", command="sapwood channel pull --bundle FILE"),
        )
    with _claimed(subscription, clock) as run:
        run.told = told or run.told
        if bundle is not None:
            haul = _from_bundle(run, bundle)
        elif http is not None:
            haul = _from_network(run, http)
        else:
            raise SubscriptionError(
                Phrase("There is nothing to pull from"), hint=Phrase("Name a bundle or allow the network.")
            )
        return _store(run, haul, chance or random.SystemRandom())


@contextlib.contextmanager
def _claimed(subscription: Subscription, clock: Clock) -> Iterator[_Pull]:
    """Be the one puller; a claim whose heartbeat has stopped is taken over."""
    now = clock.now()
    token = secrets.token_hex(16)
    free = Q(puller="") | Q(puller_beat_at=None) | Q(puller_beat_at__lt=now - PULLER_DEAD_AFTER)
    # A beat from the future means that the clock was set back: such a claim cannot be waited for.
    free |= Q(puller_beat_at__gt=now + PULLER_DEAD_AFTER)
    rows = Subscription.objects.filter(free, pk=subscription.pk, active=True)
    if not rows.update(puller=token, puller_beat_at=now):
        raise PullBusyError(
            Phrase("%(subscription)s is being pulled by another process", subscription=subscription.name),
            hint=Phrase("Wait until it has ended."),
        )
    subscription.refresh_from_db()
    try:
        yield _Pull(subscription, clock, token, now)
    finally:
        Subscription.objects.filter(pk=subscription.pk, puller=token).update(puller="", puller_beat_at=None)


def _from_network(run: _Pull, http: HttpClient) -> Haul:
    """Ask the address, then each mirror, until every channel has been read well from one of them."""
    addresses = [run.subscription.url, *run.subscription.mirrors]
    total: Haul | None = None
    for number, address in enumerate(addresses):
        fetcher = HttpFetcher(http, allow_private=run.subscription.allow_private, traffic=run.traffic, beat=run.beat)
        others = tuple(f"{other}/targets/" for other in addresses[number + 1 :] + addresses[:number])
        source = Source(f"{address}/metadata/", f"{address}/targets/", fetcher, others)
        haul = _collect(run, source, total)
        total = haul if total is None else _merged(total, haul)
        run.source = address
        if total.error is None and not any(found.error for found in total.channels.values()):
            break
    assert total is not None  # noqa: S101 - there is always one address
    return total


def _from_bundle(run: _Pull, path: Path) -> Haul:
    run.source = f"bundle {path.name}"
    with open_bundle(path) as fetcher:
        haul = _collect(run, Source(f"{BUNDLE_URL}metadata/", f"{BUNDLE_URL}targets/", fetcher), None)
    haul.channels = {name: found for name, found in haul.channels.items() if not found.absent}
    return haul


def _collect(run: _Pull, source: Source, before: Haul | None) -> Haul:
    subscription = run.subscription
    files = queries.trusted_files(subscription)
    trust = before.trust if before else Trust({name: raw for name, raw in files.items() if "/" not in name})
    names = subscription.channels.filter(active=True).values_list("name", flat=True)
    wanted = {
        name: queries.known(subscription, name, files)
        for name in names
        if before is None or before.error is not None or before.channels[name].error is not None
    }
    try:
        return collect(trust, source, wanted, now=run.clock.now(), time_floor=subscription.time_floor)
    except ClockError as error:
        return Haul(trust=trust, time_floor=subscription.time_floor, error=error)


def _merged(before: Haul, after: Haul) -> Haul:
    """Two attempts as one: what was read well stays, and of two failures the graver one is told."""
    if before.error is not None and after.error is not None:
        after.error = max(before.error, after.error, key=_gravity)
    for name, found in before.channels.items():
        if found.error is None or name not in after.channels:
            after.channels[name] = found
    if before.error is None:
        after.error = None
        after.expires_at = after.expires_at or before.expires_at
    return after


def _gravity(error: ChannelError) -> int:
    return [UnreachableError, StaleError, ClockError, VerificationError].index(
        next(
            (kind for kind in (VerificationError, ClockError, StaleError) if isinstance(error, kind)), UnreachableError
        )
    )


@transaction.atomic
def _store(run: _Pull, haul: Haul, chance: random.Random) -> PullResult:
    now = run.clock.now()
    subscription = run.subscription
    CommitTurn.objects.get_or_create(pk=1)
    CommitTurn.objects.select_for_update().get(pk=1)
    if not Subscription.objects.filter(pk=subscription.pk, puller=run.token).exists():
        raise PullBusyError(
            Phrase("Another process has taken over the pull of %(subscription)s", subscription=subscription.name)
        )
    _store_trust(subscription, haul, now)
    owners = _owners(haul.trust)
    counts = {"new": 0, "refused": 0, "unverified": 0, "withdrawn": 0}
    errors: dict[str, dict[str, str]] = {}
    for name, found in haul.channels.items():
        if found.error is not None:
            errors[name] = found.error.as_dict()
            subscription.channels.filter(name=name).update(error=_error(found.error))
            continue
        _store_channel(subscription, name, found, owners, now, counts)
    if haul.error is not None:
        errors["*"] = haul.error.as_dict()
    good = haul.error is None
    failures = 0 if good else subscription.failures + 1
    Subscription.objects.filter(pk=subscription.pk).update(
        time_floor=haul.time_floor if good else subscription.time_floor,
        expires_at=haul.expires_at if good else subscription.expires_at,
        last_attempt_at=now,
        last_good_at=now if good else subscription.last_good_at,
        next_pull_at=_next_pull(now, failures, haul, chance, run.traffic.retry_after_s),
        failures=failures,
        error=None if haul.error is None else _error(haul.error),
    )
    result = PullResult(
        subscription=subscription.name,
        source=run.source,
        requests=run.traffic.requests,
        received_bytes=run.traffic.received_bytes,
        more=any(found.more for found in haul.channels.values()),
        errors=errors,
        **counts,
    )
    _log(run, result, now)
    report_health(now=now)
    return result


def _store_trust(subscription: Subscription, haul: Haul, now: dt.datetime) -> None:
    before = queries.trusted_files(subscription)
    after = dict(haul.trust.files)
    for found in haul.channels.values():
        after |= found.indexes
    for name, raw in after.items():
        if before.get(name) != raw:
            TrustedFile.objects.update_or_create(
                subscription=subscription, name=name, defaults={"raw": raw, "stored_at": now}
            )


def _store_channel(
    subscription: Subscription,
    name: str,
    found: ChannelHaul,
    owners: Mapping[str, str],
    now: dt.datetime,
    counts: dict[str, int],
) -> None:
    for document in found.fresh:
        _store_document(subscription, document, owners, now)
    for refused in found.refused:
        _store_refusal(subscription, refused, now)
    counts["new"] += len(found.fresh)
    counts["refused"] += len(found.refused)
    counts["unverified"] += sum(refused.unverified for refused in found.refused)
    still = {str(refused.path) for refused in found.refused}
    _resolve(subscription, name, still, now)
    counts["withdrawn"] += _mark_withdrawn(subscription, name, found, owners, now)
    signers = {owners.get(key_id, key_id[:8]) for listed in found.listed.values() for key_id in listed.verified_by}
    subscription.channels.filter(name=name).update(
        error=None,
        last_good_at=now,
        expires_at=found.expires_at,
        published_at=found.published_at,
        signed_by=sorted(signers),
    )


def _store_document(
    subscription: Subscription, document: VerifiedDocument, owners: Mapping[str, str], now: dt.datetime
) -> None:
    listed = document.listed
    ReceivedDocument.objects.create(
        subscription=subscription,
        channel=listed.path.channel,
        path=str(listed.path),
        sha256=listed.sha256,
        raw=document.raw,
        uuid=document.envelope.uuid,
        revision=document.envelope.revision,
        type=document.envelope.type,
        received_at=now,
        published_at=listed.at,
        verified_by=list(listed.verified_by),
        signed_by=_names(listed.verified_by, owners),
    )


def _store_refusal(subscription: Subscription, refused: RefusedDocument, now: dt.datetime) -> None:
    values = {
        "channel": refused.path.channel,
        "sha256": refused.sha256,
        "code": refused.code,
        "message": refused.message,
        "hint": refused.hint,
        "said": recorded({"message": refused.message, "hint": refused.hint}),
        "unverified": refused.unverified,
        "raw": refused.raw,
        "last_at": now,
        "resolved_at": None,
    }
    Refusal.objects.update_or_create(
        subscription=subscription, path=str(refused.path), defaults=values, create_defaults={**values, "first_at": now}
    )


def _resolve(subscription: Subscription, channel: str, still: set[str], now: dt.datetime) -> None:
    rows = Refusal.objects.filter(subscription=subscription, channel=channel, resolved_at=None)
    gone = [pk for pk, path in rows.values_list("pk", "path") if path not in still]
    Refusal.objects.filter(pk__in=gone).update(resolved_at=now)


def _mark_withdrawn(
    subscription: Subscription, channel: str, found: ChannelHaul, owners: Mapping[str, str], now: dt.datetime
) -> int:
    """What the publisher no longer lists is marked and reported, never deleted; what is listed again is unmarked."""
    rows = ReceivedDocument.objects.filter(subscription=subscription, channel=channel)
    gone, back = [], []
    resigned: dict[tuple[str, ...], list[int]] = {}
    for pk, path, withdrawn_at, verified_by in rows.values_list("pk", "path", "withdrawn_at", "verified_by"):
        listed = found.listed.get(path)
        if listed is None:
            gone += [pk] if withdrawn_at is None else []
            continue
        back += [pk] if withdrawn_at is not None else []
        if tuple(verified_by) != listed.verified_by:
            resigned.setdefault(listed.verified_by, []).append(pk)
    for ids in _batches(gone):
        rows.filter(pk__in=ids).update(withdrawn_at=now)
    for ids in _batches(back):
        rows.filter(pk__in=ids).update(withdrawn_at=None)
    for key_ids, pks in resigned.items():
        for ids in _batches(pks):
            rows.filter(pk__in=ids).update(verified_by=list(key_ids), signed_by=_names(key_ids, owners))
    if gone and (len(gone) >= MASS_WITHDRAWAL or not found.listed):
        subscription.channels.filter(name=channel).update(withdrawal_at=now, withdrawal_count=len(gone))
    return len(gone)


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + 500] for start in range(0, len(ids), 500))


def _owners(trust: Trust) -> dict[str, str]:
    """Whose key is whose, as the verified top role says."""
    raw = trust.files.get("targets")
    if raw is None:
        return {}
    metadata: Metadata[Targets] = Metadata.from_bytes(raw)
    delegations = metadata.signed.delegations
    return {key_id: owner_of(key) for key_id, key in delegations.keys.items()} if delegations else {}


def _names(key_ids: Iterable[str], owners: Mapping[str, str]) -> list[str]:
    return sorted(owners.get(key_id, f"key {key_id[:8]}") for key_id in key_ids)


def _error(error: ChannelError) -> dict[str, Any]:
    match error:
        case VerificationError():
            state = ChannelState.REJECTED
        case StaleError() | ClockError():
            state = ChannelState.STALE
        case _:
            state = ChannelState.DEAD
    return {**_kept(error), "state": state.value}


def _kept(error: ChannelError) -> dict[str, Any]:
    """As a row holds it: pages say it in the reader's language."""
    kept: dict[str, Any] = recorded(error.as_dict())
    return kept


def _next_pull(now: dt.datetime, failures: int, haul: Haul, chance: random.Random, retry_after_s: int) -> dt.datetime:
    """Regular pulls are spread, failures wait longer each time, and a server that asks for patience gets it."""
    if any(found.more for found in haul.channels.values()):
        return now
    wait = min(FIRST_RETRY * 2 ** min(failures - 1, 16), LONGEST_RETRY) if failures else PULL_INTERVAL
    asked = min(dt.timedelta(seconds=retry_after_s), LONGEST_ASKED)
    return now + max(wait * (1 - JITTER + 2 * JITTER * chance.random()), asked)


def _log(run: _Pull, result: PullResult, now: dt.datetime) -> None:
    PullLog.objects.create(
        subscription=run.subscription,
        started_at=run.started_at,
        finished_at=now,
        source=result.source,
        good=result.good,
        new=result.new,
        refused=result.refused,
        withdrawn=result.withdrawn,
        requests=result.requests,
        received_bytes=result.received_bytes,
        error=recorded(next(iter(result.errors.values()), None)),
    )
    old = run.subscription.pulls.order_by("-pk").values_list("pk", flat=True)[KEPT_PULLS : KEPT_PULLS + 1]
    if threshold := next(iter(old), None):
        run.subscription.pulls.filter(pk__lte=threshold).delete()


@transaction.atomic
def report_health(*, now: dt.datetime) -> int:
    """Write down each change of a channel's state, once; returns how many there were."""
    changes = 0
    for health in queries.channel_health(now):
        rows = SubscribedChannel.objects.filter(subscription__name=health.subscription, name=health.name)
        before = rows.values_list("reported_state", flat=True).get()
        if before == health.state or not health.lasting:
            continue
        if rows.filter(reported_state=before).update(reported_state=health.state.value):
            message = _health_words(health)
            HealthLog.objects.create(
                subscription=Subscription.objects.get(name=health.subscription),
                channel=health.name,
                before=before,
                after=health.state.value,
                at=now,
                message=message,
                said=recorded(message),
            )
            changes += 1
    return changes


def _health_words(health: ChannelHealth) -> Phrase:
    if health.error is None:
        return health.in_words
    return Phrase.joined("", (health.in_words, " (", health.error["message"], ")"))
