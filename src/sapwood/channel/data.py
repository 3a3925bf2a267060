"""Frozen values that the channel passes to other modules."""

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum


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
    def in_words(self) -> str:
        """The state as one plain line."""
        match self.state:
            case ChannelState.FRESH:
                return "fresh"
            case ChannelState.WAITING:
                return "not pulled yet"
            case ChannelState.STALE:
                since = f" since {self.stale_since:%Y-%m-%d %H:%M} UTC" if self.stale_since else ""
                return f"stale{since}; the last good content stays"
            case ChannelState.DEAD:
                last = (
                    f"last good pull {self.last_good_at:%Y-%m-%d %H:%M} UTC" if self.last_good_at else "never reached"
                )
                return f"dead: it does not answer; {last}"
            case ChannelState.REJECTED:
                return "rejected: what is offered does not verify; nothing of it was taken"


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
