"""Names and paths of the repository: which role signs what, and where it lies.

Each channel is a terminating delegation of the top role. Its publications are targets of *segments*: roles of at most
`SEGMENT_SIZE` targets each, delegated by the channel and signed with the channel's keys. A signed index per channel
and year lists the segments. docs/decisions/0002-channel-layout.md says why.
"""

import datetime as dt
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sapwood.channel.errors import VerificationError
from sapwood.formats.canonical import canonical_bytes
from sapwood.formats.phrase import Phrase

CHANNELS: Final = ("security", "releases", "candidates", "packs", "community", "surveys")
DEFAULT_SUBSCRIPTION: Final = ("security", "releases", "community", "surveys")
TOP_ROLES: Final = ("root", "targets", "snapshot", "timestamp")
ONLINE_ROLES: Final = ("snapshot", "timestamp")
ONLINE_LIFETIME: Final = dt.timedelta(days=7)
SEGMENT_SIZE: Final = 100
MAX_PER_YEAR: Final = 1_000_000

_SEGMENT = re.compile(r"(?P<channel>[a-z]+)-(?P<year>\d{4})-(?P<number>\d{4})", re.ASCII)
_INDEX = re.compile(r"(?P<channel>[a-z]+)/index-(?P<year>\d{4})\.json", re.ASCII)
_DOCUMENT = re.compile(
    r"(?P<channel>[a-z]+)/(?P<year>\d{4})-(?P<seq>\d{6})-"
    r"(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})-(?P<revision>[1-9]\d{0,8})\.json",
    re.ASCII,
)


@dataclass(frozen=True, order=True)
class Segment:
    """A run of at most SEGMENT_SIZE consecutive publications of one channel and year; a role of its own."""

    channel: str
    year: int
    number: int

    @property
    def role(self) -> str:
        """The role's name."""
        return f"{self.channel}-{self.year:04d}-{self.number:04d}"

    @property
    def pattern(self) -> str:
        """The paths that the channel delegates to this role."""
        return f"{self.channel}/{self.year:04d}-{self.number:04d}??-*"

    @classmethod
    def parse(cls, role: str) -> "Segment | None":
        """The segment of a role's name, or None when the name is not one of a segment."""
        match = _SEGMENT.fullmatch(role)
        return cls(match["channel"], int(match["year"]), int(match["number"])) if match else None


@dataclass(frozen=True, order=True)
class DocumentPath:
    """Where one publication lies, and all that its path says about it."""

    channel: str
    year: int
    seq: int
    uuid: str
    revision: int

    def __str__(self) -> str:
        return f"{self.channel}/{self.year:04d}-{self.seq:06d}-{self.uuid}-{self.revision}.json"

    @property
    def segment(self) -> Segment:
        """The role that signs it."""
        return Segment(self.channel, self.year, self.seq // SEGMENT_SIZE)

    @classmethod
    def parse(cls, path: str) -> "DocumentPath | None":
        """The parts of a path, or None when it is not one of a publication."""
        match = _DOCUMENT.fullmatch(path)
        if match is None:
            return None
        return cls(match["channel"], int(match["year"]), int(match["seq"]), match["uuid"], int(match["revision"]))


@dataclass(frozen=True)
class Index:
    """One channel's year at a glance: its segments with the number of publications in each."""

    channel: str
    year: int
    published_at: dt.datetime
    segments: tuple[tuple[Segment, int], ...]

    @property
    def path(self) -> str:
        """The index's own target path."""
        return index_path(self.channel, self.year)

    def to_bytes(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical_bytes(
            {
                "type": "channel-index",
                "version": 1,
                "channel": self.channel,
                "year": self.year,
                "published_at": instant_text(self.published_at),
                "count": sum(count for _, count in self.segments),
                "segments": [{"role": segment.role, "count": count} for segment, count in self.segments],
            }
        )

    @classmethod
    def from_bytes(cls, raw: bytes, *, path: str) -> "Index":
        """Read an index that was verified as the target `path`; raises VerificationError when it contradicts itself."""
        try:
            return cls._read(json.loads(raw), path)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise VerificationError(
                Phrase(
                    "The index %(path)s is signed but cannot be read: %(reason)s", path=path, reason=Phrase.of(error)
                ),
                hint=Phrase("Update Sapwood; if that does not help, tell the publisher."),
            ) from error

    @classmethod
    def _read(cls, data: Any, path: str) -> "Index":
        if data["type"] != "channel-index" or data["version"] != 1:
            raise ValueError(Phrase("it is of a kind that this version does not know"))
        segments = tuple((_segment(entry["role"]), _count(entry["count"])) for entry in data["segments"])
        index = cls(str(data["channel"]), int(data["year"]), parse_instant(data["published_at"]), segments)
        if index.path != path:
            raise ValueError(Phrase("it is the index of %(channel)s %(year)s", channel=index.channel, year=index.year))
        if any((segment.channel, segment.year) != (index.channel, index.year) for segment, _ in segments):
            raise ValueError(Phrase("it lists a segment of another channel or year"))
        if len({segment for segment, _ in segments}) != len(segments):
            raise ValueError(Phrase("it lists a segment twice"))
        return index


def channel_of(role: str) -> str:
    """The channel that a segment belongs to; any other role is its own."""
    segment = Segment.parse(role)
    return segment.channel if segment else role


def index_path(channel: str, year: int) -> str:
    """Where the index of one channel and year lies."""
    return f"{channel}/index-{year:04d}.json"


def index_paths(paths: Iterable[str], channel: str) -> list[str]:
    """Those of `paths` that are indexes of `channel`, oldest year first."""
    found = (_INDEX.fullmatch(path) for path in paths)
    return sorted(match[0] for match in found if match and match["channel"] == channel)


def hashed_path(path: str, sha256: str) -> str:
    """Where a target lies under consistent snapshots: its hash goes before the file's name."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/{sha256}.{name}" if folder else f"{sha256}.{name}"


def instant_text(instant: dt.datetime) -> str:
    """An instant as our documents write it, to the second."""
    return instant.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_instant(text: Any) -> dt.datetime:
    """The instant written by `instant_text`; raises ValueError for anything else."""
    return dt.datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)


def _segment(role: Any) -> Segment:
    segment = Segment.parse(str(role))
    if segment is None:
        raise ValueError(Phrase("%(name)s is not a segment", name=repr(str(role)[:80])))
    return segment


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= SEGMENT_SIZE:
        raise ValueError(Phrase("%(value)s is not a number of publications", value=repr(str(value)[:20])))
    return value
