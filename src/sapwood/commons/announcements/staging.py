"""The one way from here to the channel: bytes of a staged revision, put before the signers."""

from pathlib import Path

from sapwood.commons.announcements.models import OPEN_STATES, Revision
from sapwood.core import settings
from sapwood.core.errors import ConflictError
from sapwood.core.paths import role_dir

TEST_REPO = settings.text(
    "SAPWOOD_TEST_CHANNEL", "", "The folder of the test channel's repository; empty means var/commons/channel-test."
)


def repo() -> Path:
    """The repository that sites subscribe to."""
    return role_dir() / "channel"


def test_repo() -> Path:
    """A repository of its own with keys of its own, which only test sites subscribe to."""
    return Path(TEST_REPO.get()) if TEST_REPO.get() else role_dir() / "channel-test"


def hand_over(revision: Revision) -> None:
    """Put a staged revision before the signers; doing it again changes nothing."""
    if revision.state in OPEN_STATES:
        raise ConflictError("Only what was staged goes to the channel.", hint="This is a defect: report it.")
    from sapwood.channel import api as channel  # noqa: PLC0415 - until the channel lands

    channel.stage(bytes(revision.raw), channel=revision.channel, repo=repo())
