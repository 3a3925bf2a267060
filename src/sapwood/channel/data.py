"""Frozen values that the channel passes to other modules."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sapwood.formats.phrase import Phrase


class ChannelState(StrEnum):
    """How a subscribed channel is."""

    FRESH = "fresh"
    WAITING = "waiting"
    STALE = "stale"
    DEAD = "dead"
    REJECTED = "rejected"

    @property
    def bad(self) -> bool:
        """Does somebody have to look?"""
        return self in {ChannelState.STALE, ChannelState.DEAD, ChannelState.REJECTED}


@dataclass(frozen=True)
class Received:
    """A verified publication: the bytes as they were signed, and who signed them."""

    id: int
    subscription: str
    channel: str
    path: str
    sha256: str
    raw: bytes
    uuid: str
    revision: int
    type: str
    received_at: dt.datetime
    verified_by: tuple[str, ...]
    signed_by: tuple[str, ...]
    published_at: dt.datetime | None
    withdrawn_at: dt.datetime | None


@dataclass(frozen=True)
class ChannelHealth:
    """One subscribed channel at one instant.

    `lasting` is false while a channel has only just stopped to answer: that is shown, but nobody is mailed about it.
    """

    subscription: str
    name: str
    url: str
    state: ChannelState
    last_attempt_at: dt.datetime | None
    last_good_at: dt.datetime | None
    expires_at: dt.datetime | None
    stale_since: dt.datetime | None
    next_pull_at: dt.datetime | None
    publications: int
    withdrawn: int
    refused: int
    signed_by: tuple[str, ...]
    error: dict[str, str] | None
    lasting: bool

    @property
    def in_words(self) -> Phrase:
        """The state as one plain line."""
        since = self.stale_since if self.state is ChannelState.STALE else self.last_good_at
        words = _SINCE.get(self.state)
        return words(f"{since:%Y-%m-%d %H:%M} UTC") if words and since else _WORDS[self.state]


_WORDS: Mapping[ChannelState, Phrase] = {
    ChannelState.FRESH: Phrase("fresh"),
    ChannelState.WAITING: Phrase("not pulled yet"),
    ChannelState.STALE: Phrase("stale; the last good content stays"),
    ChannelState.DEAD: Phrase("dead: it does not answer; never reached"),
    ChannelState.REJECTED: Phrase("rejected: what is offered does not verify; nothing of it was taken"),
}
_SINCE: Mapping[ChannelState, Callable[[str], Phrase]] = {
    ChannelState.STALE: lambda since: Phrase("stale since %(since)s; the last good content stays", since=since),
    ChannelState.DEAD: lambda last: Phrase("dead: it does not answer; last good pull %(last)s", last=last),
}


@dataclass(frozen=True)
class HealthChange:
    """A channel's state changed; the inbox tells the administrators."""

    id: int
    subscription: str
    name: str
    before: ChannelState
    after: ChannelState
    at: dt.datetime
    message: str


@dataclass(frozen=True)
class PullResult:
    """What one pull did."""

    subscription: str
    source: str
    new: int = 0
    refused: int = 0
    unverified: int = 0
    withdrawn: int = 0
    requests: int = 0
    received_bytes: int = 0
    more: bool = False
    errors: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Did everything that was offered verify?"""
        return not self.errors and not self.unverified
