"""Release: a point on a release line, offered to sites step by step, paused or taken back."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, ClassVar

from sapwood.formats.canonical import JSON, shorten
from sapwood.formats.conditions import CONDITION, Condition
from sapwood.formats.errors import SchemaError, VersionRangeError
from sapwood.formats.phrase import Phrase
from sapwood.formats.publication import Link, LocaleText, Publication, check_links
from sapwood.formats.records import Record
from sapwood.formats.versions import NamedRelease, Ref, parse_version


class ReleaseStatus(StrEnum):
    """How far a release has come: proposed for testing, released, or taken back."""

    CANDIDATE = "candidate"
    RELEASED = "released"
    YANKED = "yanked"


@dataclass(frozen=True, kw_only=True)
class Source(Record):
    """The exact state of one repository that a release is made of."""

    commit: str
    url: str = ""
    ref: str = ""


@dataclass(frozen=True, kw_only=True)
class Release(Publication):
    """One release. `release` is its name (`ulmo.3`); the envelope's `version` is that of the format."""

    constants: ClassVar[Mapping[str, JSON]] = {"type": "release", "version": 1}

    line: str
    release: str
    status: ReleaseStatus
    tag: str = ""
    date: dt.date | None = None
    rollout_percent: int = 100
    paused: bool = False
    reason: str = ""
    notes: tuple[Link, ...] = ()
    repos: Mapping[str, Source] = field(default_factory=dict)
    texts: Mapping[str, LocaleText] = field(default_factory=dict)
    condition: Annotated[Condition | None, CONDITION] = None

    def is_offered_to(self, site_key: str) -> bool:
        """Whether the roll-out has reached this site. A site that was reached stays reached as the share
        grows; which sites come first differs from release to release.
        """
        if self.status is ReleaseStatus.YANKED or self.paused:
            return False
        digest = sha256(f"{self.uuid}:{site_key}".encode()).digest()
        return int.from_bytes(digest[:8]) % 100 < self.rollout_percent


def check_release(item: Release) -> None:
    """What the schema cannot say: the release lies on its line, its tag names it, links are https."""
    release, tag = _read(item.release), _read(item.tag)
    if release is None:
        raise SchemaError(
            Phrase("The release %(release)s cannot be read.", release=shorten(item.release)),
            hint=Phrase("Write it as ulmo.3 or as 21.0.9."),
            path="release",
        )
    if isinstance(release, NamedRelease) and release.line != item.line:
        raise SchemaError(
            Phrase(
                "The release %(release)s is not on the line %(line)s.",
                release=shorten(item.release),
                line=shorten(item.line),
            ),
            hint=Phrase("Correct the line or the release."),
            path="release",
        )
    if tag is not None and tag != release:
        raise SchemaError(
            Phrase(
                "The tag %(tag)s does not name the release %(release)s.",
                tag=shorten(item.tag),
                release=shorten(item.release),
            ),
            hint=Phrase("Correct the tag or the release."),
            path="tag",
        )
    check_links(item.notes, "notes")


def _read(text: str) -> Ref | None:
    try:
        return parse_version(text)
    except VersionRangeError:
        return None
