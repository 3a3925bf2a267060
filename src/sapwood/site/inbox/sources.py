"""Where items and facts come from: thin adapters over the modules below, so that tests can hand in their own."""

import datetime as dt
from collections.abc import Sequence
from typing import Protocol

from sapwood.channel import api as channel
from sapwood.formats.conditions import Condition, evaluate
from sapwood.formats.logic import Verdict
from sapwood.formats.sitefacts import SiteFacts
from sapwood.formats.versions import LineOrder
from sapwood.site.facts import api as facts
from sapwood.site.inbox.data import Received


class ChannelSource(Protocol):
    """What the inbox asks of the channel."""

    def received(self, after_id: int, limit: int) -> Sequence[Received]:
        """Publications after a position, in the order of their arrival."""
        ...

    def channels(self) -> Sequence[tuple[str, str]]:
        """(subscription, channel) of everything that this site subscribes to."""
        ...


class SiteFactsSource(Protocol):
    """What the inbox asks about this site."""

    def judge(self, condition: Condition, *, now: dt.datetime) -> Verdict:
        """Whether a condition holds here."""
        ...


class Channel:
    """The signed channel."""

    def received(self, after_id: int, limit: int) -> Sequence[Received]:
        """Publications after a position, in the order of their arrival."""
        return [
            Received(
                id=row.id,
                channel=row.channel,
                path=row.path,
                sha256=row.sha256,
                raw=bytes(row.raw),
                uuid=str(row.uuid),
                revision=row.revision,
                type=row.type,
                received_at=row.received_at,
                verified_by=tuple(row.signed_by or row.verified_by),
                published_at=row.published_at,
                subscription=row.subscription,
            )
            for row in channel.received(after_id, limit)
        ]

    def channels(self) -> Sequence[tuple[str, str]]:
        """(subscription, channel) of everything that this site subscribes to."""
        return [(health.subscription, health.name) for health in channel.channel_health()]


class Facts:
    """The facts of this site, from the module that gathers them; read once per run."""

    def __init__(self) -> None:
        self._known: tuple[SiteFacts | None, LineOrder] | None = None

    def judge(self, condition: Condition, *, now: dt.datetime) -> Verdict:  # noqa: ARG002 - the shape of a source
        """Whether a condition holds here; without facts, nobody can tell."""
        if self._known is None:
            self._known = (facts.current_facts(), facts.line_order())
        known, lines = self._known
        return evaluate(condition, known if known is not None else {}, lines=lines)
