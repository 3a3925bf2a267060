"""Where items and facts come from: thin adapters over the modules below, so that tests can hand in their own."""

import datetime as dt
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from sapwood.formats.conditions import Condition
from sapwood.formats.logic import Verdict
from sapwood.site.inbox.data import Received


class ChannelSource(Protocol):
    """What the inbox asks of the channel."""

    def received(self, after_id: int, limit: int) -> Sequence[Received]:
        """Publications after a position, in the order of their arrival."""
        ...

    def channels(self) -> Sequence[str]:
        """The names of the channels that this site subscribes to."""
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
        api = import_module("sapwood.channel.api")
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
                verified_by=tuple(row.verified_by),
                published_at=row.published_at,
            )
            for row in api.received(after_id, limit)
        ]

    def channels(self) -> Sequence[str]:
        """The names of the channels that this site subscribes to."""
        api = import_module("sapwood.channel.api")
        return [health.name for health in api.channel_health()]


class Facts:
    """The facts of this site, from the module that gathers them."""

    def judge(self, condition: Condition, *, now: dt.datetime) -> Verdict:  # noqa: ARG002 - the shape of a source
        """Whether a condition holds here."""
        evaluate = import_module("sapwood.formats.conditions").evaluate
        verdict: Verdict = evaluate(condition, self._facts())
        return verdict

    @staticmethod
    def _facts() -> Any:
        if find_spec("sapwood.site.facts.api") is None:
            return {}
        return import_module("sapwood.site.facts.api").current_facts() or {}
