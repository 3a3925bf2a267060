"""The channel's front door. On the commons: put up, sign, publish. On a site: subscribe, pull, read.

`now` may be left out where a person or another module acts at this very moment; jobs and tests give it.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID

from sapwood.channel import queries
from sapwood.channel.actions import publishing
from sapwood.channel.actions.alarms import mail_changes
from sapwood.channel.actions.publishing import folder_at, local_signers
from sapwood.channel.actions.receiving import pull, report_health
from sapwood.channel.actions.subscribing import (
    acknowledge_withdrawal,
    pull_soon,
    set_channels,
    subscribe,
    unsubscribe,
)
from sapwood.channel.data import ChannelHealth, ChannelState, HealthChange, PullResult, Received
from sapwood.channel.layout import DocumentPath
from sapwood.channel.models import Subscription
from sapwood.channel.publisher import status
from sapwood.channel.publisher.publishing import Publication
from sapwood.channel.publisher.served import Served, served_documents, waiting_paths
from sapwood.channel.publisher.signing import SignatureState, signature_states
from sapwood.channel.publisher.staging import Staged
from sapwood.channel.publisher.status import RepositoryStatus
from sapwood.channel.queries import (
    due_subscriptions,
    health_changes,
    open_refusals,
    received,
    received_of_type,
    received_one,
    received_per_day,
    recent_pulls,
    subscription_named,
    subscriptions,
    unacknowledged_withdrawals,
    withdrawn,
    worst,
)
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor

THIS = Actor.system("channel")


def init_repository(
    repo: Path | None = None, *, owner: str = "demo", actor: Actor = THIS, now: dt.datetime | None = None
) -> Publication:
    """A published repository with new keys beside it; nothing happens when there is one already."""
    return publishing.init_with_new_keys(repo, actor=actor, now=now or system_clock().now(), owner=owner)


def stage(
    raw: bytes, *, channel: str, repo: Path | None = None, actor: Actor = THIS, now: dt.datetime | None = None
) -> Staged:
    """Put a document up for signature; raises FormatError when it does not validate."""
    return publishing.stage(raw, channel=channel, actor=actor, now=now or system_clock().now(), repo=repo)


def sign(*, repo: Path | None = None, actor: Actor = THIS, now: dt.datetime | None = None) -> dict[str, list[str]]:
    """Sign what is staged with all private keys that lie beside the repository."""
    signers = local_signers(folder_at(repo))
    return publishing.sign(signers, actor=actor, now=now or system_clock().now(), repo=repo)


def publish(
    *,
    repo: Path | None = None,
    roles: Iterable[str] | None = None,
    actor: Actor = THIS,
    now: dt.datetime | None = None,
) -> Publication:
    """Publish what is staged and sufficiently signed; raises BelowThresholdError otherwise."""
    return publishing.publish(actor=actor, now=now or system_clock().now(), repo=repo, roles=roles)


def renew(
    *, repo: Path | None = None, force: bool = False, actor: Actor = THIS, now: dt.datetime | None = None
) -> Publication:
    """Sign snapshot and timestamp for another seven days, unless that was done today."""
    return publishing.renew(actor=actor, now=now or system_clock().now(), repo=repo, force=force)


def retract(  # noqa: PLR0913 - the fields of a retraction
    uuid: UUID,
    *,
    channel: str,
    reason: str,
    repo: Path | None = None,
    urgent: bool = False,
    actor: Actor = THIS,
    now: dt.datetime | None = None,
) -> Staged:
    """Stage a signed retraction of a publication."""
    return publishing.retract(
        uuid, channel=channel, reason=reason, urgent=urgent, actor=actor, now=now or system_clock().now(), repo=repo
    )


def signatures_due(repo: Path | None = None) -> Sequence[SignatureState]:
    """What is staged, who has signed it and who is awaited."""
    return signature_states(folder_at(repo))


def repository_status(repo: Path | None = None, *, now: dt.datetime | None = None) -> RepositoryStatus:
    """What the commons has to look after: expiries, missing signatures, waiting documents."""
    return status.repository_status(folder_at(repo), now=now or system_clock().now())


def served(channels: Iterable[str], *, repo: Path | None = None) -> list[Served]:
    """Every document of these channels that clients can reach now."""
    return served_documents(folder_at(repo), channels)


def waiting(channels: Iterable[str], *, repo: Path | None = None) -> list[DocumentPath]:
    """Every document of these channels that waits for signatures."""
    return waiting_paths(folder_at(repo), channels)


def channel_health(now: dt.datetime | None = None) -> list[ChannelHealth]:
    """Every subscribed channel as it stands."""
    return queries.channel_health(now or system_clock().now())


__all__ = [
    "ChannelHealth",
    "ChannelState",
    "DocumentPath",
    "HealthChange",
    "Publication",
    "PullResult",
    "Received",
    "RepositoryStatus",
    "Served",
    "SignatureState",
    "Staged",
    "Subscription",
    "acknowledge_withdrawal",
    "channel_health",
    "due_subscriptions",
    "health_changes",
    "init_repository",
    "mail_changes",
    "open_refusals",
    "publish",
    "pull",
    "pull_soon",
    "received",
    "received_of_type",
    "received_one",
    "received_per_day",
    "recent_pulls",
    "renew",
    "report_health",
    "repository_status",
    "retract",
    "served",
    "set_channels",
    "sign",
    "signatures_due",
    "stage",
    "subscribe",
    "subscription_named",
    "subscriptions",
    "unacknowledged_withdrawals",
    "unsubscribe",
    "waiting",
    "withdrawn",
    "worst",
]
