"""Advisory: a weakness, whom it affects, and where it is fixed: on a branch, in a tag, in a distribution.

The three places are apart because days and weeks lie between them, and a site is safe only when the one that
it installs from has the fix.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from sapwood.formats.canonical import JSON
from sapwood.formats.conditions import CONDITION, Condition
from sapwood.formats.errors import SchemaError, VersionRangeError
from sapwood.formats.logic import NO, Verdict, both, either, negate, unknown
from sapwood.formats.phrase import Phrase
from sapwood.formats.publication import Link, LocaleText, Publication, Severity, check_links
from sapwood.formats.records import Record
from sapwood.formats.versions import DistributionVersion, LineOrder, VersionRange, parse_version


class Phase(StrEnum):
    """Before disclosure, only that something comes and when; after it, everything."""

    PRE_ANNOUNCEMENT = "pre_announcement"
    DISCLOSURE = "disclosure"


@dataclass(frozen=True, kw_only=True)
class Cvss(Record):
    """A CVSS score, its vector, and the record that states it."""

    score: float
    vector: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Affected(VersionRange):
    """Versions that have the weakness: of the platform, or of the named distribution."""

    component: str = ""
    distribution: str = ""


@dataclass(frozen=True, kw_only=True)
class Fix(Record):
    """Where one line got the fix; what is null has not got it (yet).

    `branch` is a branch on a day (`release/ulmo@2026-06-04`), `tag` a release, `distributions` the first
    version of each distribution that has it.
    """

    line: str = ""
    branch: str | None = None
    tag: str | None = None
    distributions: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> frozenset[str]:
        """The line that this fix is for; empty if it is for any."""
        named = [self.line, *(_line_of(ref) for ref in (self.branch, self.tag) if ref)]
        return frozenset(name for name in named if name)


@dataclass(frozen=True, kw_only=True)
class Advisory(Publication):
    """One weakness. `id` is its public name (GHSA, CVE, or the project's own); a severity is never guessed."""

    constants: ClassVar[Mapping[str, JSON]] = {"type": "advisory", "version": 1}

    id: str
    phase: Phase
    texts: Mapping[str, LocaleText]
    aliases: tuple[str, ...] = ()
    severity: Severity | None = None
    cvss: Cvss | None = None
    affected: tuple[Affected, ...] = ()
    fixed_in: tuple[Fix, ...] = ()
    disclosed_on: dt.date | None = None
    discloses_at: dt.datetime | None = None
    condition: Annotated[Condition | None, CONDITION] = None
    links: tuple[Link, ...] = ()
    supersedes: tuple[UUID, ...] = ()

    def affects(self, release: str, lines: LineOrder, distributions: Mapping[str, str]) -> Verdict:
        """Whether a site that runs this release, from these distributions (name to version), is affected:
        its release lies in an affected range, and what it installs from has not got the fix.
        """
        if not self.affected:
            return unknown(Phrase("the affected versions are not published"))
        affected = either(self._in_range(item, release, lines, distributions) for item in self.affected)
        return both((affected, negate(either(self._fixes(release, lines, distributions)))))

    @staticmethod
    def _in_range(item: Affected, release: str, lines: LineOrder, distributions: Mapping[str, str]) -> Verdict:
        if item.distribution:
            version = distributions.get(item.distribution)
            return NO if version is None else item.contains(version, lines)
        return item.contains(release, lines)

    def _fixes(self, release: str, lines: LineOrder, distributions: Mapping[str, str]) -> Iterator[Verdict]:
        for fix in self.fixed_in:
            if fix.lines() and _line_of(release) not in fix.lines():
                continue  # the ranges say what holds on other lines
            for name, version in fix.distributions.items():
                if name in distributions:
                    yield lines.answer(distributions[name], ">=", version)
            for ref in (fix.branch, fix.tag):
                if ref:
                    yield lines.answer(release, ">=", ref)


def check_advisory(item: Advisory) -> None:
    """What the schema cannot say: a disclosure has its day, links are https, it does not replace itself."""
    if item.phase is Phase.DISCLOSURE and item.disclosed_on is None:
        raise SchemaError(
            Phrase("The advisory is disclosed, but does not say since when."),
            hint=Phrase('Add "disclosed_on", the first day on which anybody could know.'),
            path="disclosed_on",
        )
    if item.uuid in item.supersedes:
        raise SchemaError(
            Phrase("The advisory supersedes itself."), hint=Phrase("Remove it from supersedes."), path="supersedes"
        )
    check_links(item.links, "links")


def _line_of(ref: str) -> str:
    try:
        read = parse_version(ref)
    except VersionRangeError:
        return ""
    return "" if isinstance(read, DistributionVersion) else read.line
