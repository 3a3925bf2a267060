"""Version order: plain distribution versions, and releases that are ordered by line before number."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from sapwood.formats.catalogue.document import Catalogue
from sapwood.formats.catalogue.lines import Line, Release
from sapwood.formats.versions import LineOrder

RELEASE = re.compile(r"(?P<line>[a-z][a-z0-9-]*)(?:\.(?P<point>[0-9]+[a-z]?))?\Z")


def version_key(text: str | None) -> Version | None:
    """A sortable form of a distribution's or package's version, or None when it has none."""
    try:
        return Version(text) if text else None
    except InvalidVersion:
        return None


@dataclass(frozen=True)
class ReleaseOrder:
    """Which of two releases is newer: by the order of their lines first, then by their place in the line."""

    lines: tuple[str, ...]
    releases: tuple[str, ...]

    @classmethod
    def of(cls, lines: Iterable[Line]) -> "ReleaseOrder":
        """The order that a catalogue's lines stand in."""
        kept = tuple(lines)
        return cls(tuple(line.name for line in kept), tuple(item.version for line in kept for item in line.releases))

    def line_index(self, name: str | None) -> int | None:
        """The place of a line, or None when it is unknown."""
        return self.lines.index(name) if name in self.lines else None

    def release_index(self, version: str | None) -> int | None:
        """The place of a release among all releases, or None when it is unknown."""
        return self.releases.index(version) if version in self.releases else None

    def older(self, one: str, other: str) -> bool | None:
        """True when release `one` is older than `other`; None when either is unknown."""
        first, second = self.release_index(one), self.release_index(other)
        return None if first is None or second is None else first < second


def find_line(catalogue: Catalogue, name: str | None) -> Line | None:
    """The line of that name."""
    return next((line for line in catalogue.lines if line.name == name), None)


def find_release(catalogue: Catalogue, version: str | None) -> tuple[Line, Release] | None:
    """The release of that version or tag, with its line."""
    for line in catalogue.lines:
        for release in line.releases:
            if version in (release.version, release.tag):
                return line, release
    return None


def line_order(catalogue: Catalogue) -> LineOrder:
    """The order of the lines and the days of their releases, as conditions ask for them."""
    days = {item.version: item.date for line in catalogue.lines for item in line.releases if item.date}
    return LineOrder(tuple(line.name for line in catalogue.lines), days)


def line_of(version: str) -> str:
    """The line's name in a release's version (`ulmo.3` gives `ulmo`)."""
    match = RELEASE.match(version)
    return match["line"] if match else version
