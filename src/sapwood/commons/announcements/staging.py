"""The one way from here to the channel: bytes of what was staged, put before the signers, and back: what came out."""

import datetime as dt
from pathlib import Path

from sapwood.channel import api as channel
from sapwood.commons.announcements.models import OPEN_STATES, Retraction, Revision
from sapwood.core import settings
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError
from sapwood.core.paths import role_dir
from sapwood.formats.phrase import Phrase

TEST_CHANNEL_FOLDER = settings.text(
    "SAPWOOD_TEST_CHANNEL_FOLDER",
    "",
    "The folder of the test channel's repository; empty means var/commons/channel-test.",
)


def test_repo() -> Path:
    """A repository of its own with keys of its own, which only test sites subscribe to."""
    return Path(TEST_CHANNEL_FOLDER.get() or role_dir() / "channel-test")


def hand_over(revision: Revision, *, actor: Actor, now: dt.datetime) -> None:
    """Put a staged revision before the signers; doing it again changes nothing."""
    if revision.state in OPEN_STATES:
        raise ConflictError(
            Phrase("Only what was staged goes to the channel."), hint=Phrase("This is a defect: report it.")
        )
    channel.stage(bytes(revision.raw), channel=revision.channel, actor=actor, now=now)


def hand_over_retraction(row: Retraction, *, actor: Actor, now: dt.datetime) -> None:
    """Put a retraction before the signers; doing it again changes nothing."""
    channel.stage(bytes(row.raw), channel=row.channel, actor=actor, now=now)


def hand_over_test(raw: bytes, name: str, *, actor: Actor, now: dt.datetime) -> None:
    """Put a text that nobody approved yet before the test channel's signers."""
    channel.stage(raw, channel=name, repo=test_repo(), actor=actor, now=now)


def served(channels: set[str]) -> list[channel.Served]:
    """What sites can reach now in these channels."""
    return channel.served(channels)


def waiting(channels: set[str]) -> set[tuple[str, int]]:
    """What waits for signatures in these channels: uuid and revision."""
    return {(path.uuid, path.revision) for path in channel.waiting(channels)}
