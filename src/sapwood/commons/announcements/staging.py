"""The one way from here to the channel: bytes of what was staged, put before the signers."""

from pathlib import Path

from sapwood.commons.announcements.models import OPEN_STATES, Retraction, Revision
from sapwood.core import settings
from sapwood.core.clock import system_clock
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
    _stage(bytes(revision.raw), revision.channel, repo())


def hand_over_retraction(row: Retraction) -> None:
    """Put a retraction before the signers; doing it again changes nothing."""
    _stage(bytes(row.raw), row.channel, repo())


def hand_over_test(raw: bytes, channel: str) -> None:
    """Put a text that nobody approved yet before the test channel's signers."""
    _stage(raw, channel, test_repo())


def _stage(raw: bytes, channel: str, folder: Path) -> None:
    from sapwood.channel import api  # noqa: PLC0415 - until the channel lands

    api.stage(raw, channel=channel, repo=folder, now=system_clock().now())
