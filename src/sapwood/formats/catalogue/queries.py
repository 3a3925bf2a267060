"""Questions to a catalogue: what is newest, what is supported on a day, which way leads from here to there."""

import calendar
import datetime as dt
from collections import deque
from dataclasses import dataclass

from sapwood.formats.catalogue.document import Catalogue
from sapwood.formats.catalogue.lines import Line, Release
from sapwood.formats.catalogue.order import find_line, find_release, version_key
from sapwood.formats.catalogue.ways import Edge, Risk, Step
from sapwood.formats.errors import SapwoodError
from sapwood.formats.phrase import Phrase


class UnknownReleaseError(SapwoodError):
    """A release or line is not in the catalogue."""

    code = "catalogue.unknown_release"
    http_status = 404


class NoPathError(SapwoodError):
    """The catalogue holds no way between two releases."""

    code = "catalogue.no_path"
    http_status = 404


@dataclass(frozen=True)
class Support:
    """Whether a line is supported on a day. None: the catalogue is too old to tell."""

    supported: bool | None
    until: dt.date | None
    planned_end: str | None
    why: Phrase


@dataclass(frozen=True)
class Shipped:
    """What a distribution's version pins. `listed` is the catalogue's entry that says so."""

    release: str
    listed: str
    exact: bool


@dataclass(frozen=True)
class Hop:
    """One step of a path. A hop of kind `point` stays on its line; one of kind `line` follows an edge."""

    start: str
    end: str
    kind: str
    release: str | None
    announced: bool = False
    steps: tuple[Step, ...] = ()
    risks: tuple[Risk, ...] = ()


def newest_release(catalogue: Catalogue, on: dt.date, line: Line | None = None) -> tuple[Line, Release] | None:
    """The newest release that was out on a day, in one line or in all."""
    lines = (line,) if line else tuple(reversed(catalogue.lines))
    for candidate in lines:
        for release in reversed(candidate.releases):
            if release.out_by and release.out_by <= on:
                return candidate, release
    return None


def support(catalogue: Catalogue, line: Line, on: dt.date) -> Support:
    """Whether a line was, is or will be supported on a day, by the catalogue's dates and not by its status word."""
    first = line.first.out_by if line.first else None
    if first is None or on < first:
        return Support(
            False, line.supported_until, None, Phrase("%(line)s was not released by %(day)s", line=line.name, day=on)
        )
    if line.supported_until is not None:
        held = on < line.supported_until
        why = (
            Phrase("%(line)s is supported until %(day)s", line=line.name, day=line.supported_until)
            if held
            else Phrase("%(line)s is supported only until %(day)s", line=line.name, day=line.supported_until)
        )
        return Support(held, line.supported_until, None, why)
    after = _next_line(catalogue, line)
    planned = after.planned if after else None
    if line.status == "unsupported":
        return Support(
            False, None, planned, Phrase("%(line)s is no longer supported; since when is not known", line=line.name)
        )
    if planned and on > catalogue.as_of and _last_day(planned) <= on and after:
        why = Phrase(
            "%(line)s was supported on %(day)s; %(after)s, which ends that, was planned for %(planned)s "
            "and the catalogue is older",
            line=line.name,
            day=catalogue.as_of,
            after=after.name,
            planned=planned,
        )
        return Support(None, None, planned, why)
    return Support(True, None, planned, Phrase("%(line)s is the supported line", line=line.name))


def shipped_release(catalogue: Catalogue, distribution: str, version: str | None) -> Shipped | None:
    """Which release a distribution's version pins; a version that is not listed pins what the one before it did."""
    wanted = version_key(version)
    if wanted is None:
        return None
    best: tuple[object, Shipped] | None = None
    for entry in catalogue.distributions.get(distribution, ()):
        key = version_key(entry.version)
        if key is None or key.major != wanted.major or key > wanted:
            continue
        if best is None or key > best[0]:  # type: ignore[operator]  # the first item is always a Version
            best = (key, Shipped(entry.ships, entry.version, exact=key == wanted))
    return best[1] if best else None


def default_target(catalogue: Catalogue, on: dt.date) -> Line | None:
    """The line to go to: the newest that was supported on that day."""
    for line in reversed(catalogue.lines):
        if support(catalogue, line, on).supported is not False:
            return line
    return None


def find_path(
    catalogue: Catalogue, start: str, end: str, *, announced: bool = False, on: dt.date | None = None
) -> tuple[Hop, ...]:
    """The shortest way from one release or line to another, hop by hop; empty when there is nothing to do.

    A move inside one line is one hop. Before an edge that asks for a certain release, a hop leads there first.
    """
    from_line, from_release = _place(catalogue, start)
    to_line, to_release = _place(catalogue, end)
    today = on or catalogue.as_of
    if from_line.name == to_line.name:
        return _inside(catalogue, from_line, from_release, to_release, today)
    hops: list[Hop] = []
    at = from_release
    for edge in _edges_between(catalogue, from_line.name, to_line.name, announced=announced):
        if edge.needs_release and at is not None and _older(catalogue, at.version, edge.needs_release):
            hops.append(Hop(at.version, edge.needs_release, "point", edge.needs_release))
        line = _line(catalogue, edge.end)
        newest = newest_release(catalogue, today, line)
        at = newest[1] if newest else None
        if edge.end == to_line.name and to_release is not None:
            at = to_release
        hops.append(
            Hop(
                start=edge.start,
                end=edge.end,
                kind="line",
                release=at.version if at else None,
                announced=edge.announced,
                steps=catalogue.edge_defaults.steps + edge.steps,
                risks=catalogue.edge_defaults.risks + edge.risks,
            )
        )
    return tuple(hops)


def _inside(
    catalogue: Catalogue, line: Line, start: Release | None, end: Release | None, today: dt.date
) -> tuple[Hop, ...]:
    if start is None:
        return ()
    newest = newest_release(catalogue, today, line)
    goal = end or (newest[1] if newest else None)
    if goal is None or goal.version == start.version:
        return ()
    if _older(catalogue, goal.version, start.version):
        if end is None:
            return ()
        raise NoPathError(
            Phrase("%(goal)s is older than %(start)s", goal=goal.version, start=start.version),
            hint=Phrase("Going back is a restore, not an upgrade."),
        )
    return (Hop(start.version, goal.version, "point", goal.version),)


def _edges_between(catalogue: Catalogue, start: str, end: str, *, announced: bool) -> list[Edge]:
    came_by: dict[str, Edge | None] = {start: None}
    queue = deque([start])
    while queue and end not in came_by:
        here = queue.popleft()
        for edge in catalogue.edges:
            if edge.start == here and edge.end not in came_by and (announced or not edge.announced):
                came_by[edge.end] = edge
                queue.append(edge.end)
    if end not in came_by:
        raise NoPathError(
            Phrase("No way is known from %(start)s to %(end)s", start=start, end=end),
            hint=_hint(catalogue, start, end, announced=announced),
        )
    way: list[Edge] = []
    here = end
    while (edge_here := came_by[here]) is not None:
        way.append(edge_here)
        here = edge_here.start
    return way[::-1]


def _hint(catalogue: Catalogue, start: str, end: str, *, announced: bool) -> Phrase:
    names = [line.name for line in catalogue.lines]
    if names.index(end) < names.index(start):
        return Phrase("Upgrades lead from an older line to a newer one.")
    if not announced and any(edge.announced and edge.end == end for edge in catalogue.edges):
        return Phrase("%(end)s is announced only: ask for announced edges to see what is known.", end=end)
    first = catalogue.edges[0].start if catalogue.edges else "none"
    return Phrase("The catalogue's edges begin at %(line)s.", line=first)


def _place(catalogue: Catalogue, name: str) -> tuple[Line, Release | None]:
    found = find_release(catalogue, name)
    line = find_line(catalogue, name)
    if line is not None and (found is None or len(line.releases) > 1):
        return line, None
    if found is not None:
        return found
    raise UnknownReleaseError(
        Phrase("The catalogue knows no line or release named %(name)s", name=repr(name)),
        hint=Phrase("`sapwood catalogue show` lists them."),
    )


def _line(catalogue: Catalogue, name: str) -> Line:
    line = find_line(catalogue, name)
    if line is None:
        raise UnknownReleaseError(
            Phrase("An edge leads to %(name)s, which is not a line", name=repr(name)),
            hint=Phrase("Validate the catalogue."),
        )
    return line


def _older(catalogue: Catalogue, one: str, other: str) -> bool:
    versions = [release.version for line in catalogue.lines for release in line.releases]
    return one in versions and other in versions and versions.index(one) < versions.index(other)


def _next_line(catalogue: Catalogue, line: Line) -> Line | None:
    names = [item.name for item in catalogue.lines]
    place = names.index(line.name) + 1
    return catalogue.lines[place] if place < len(names) else None


def _last_day(planned: str) -> dt.date:
    """The last day of a planned day or month: before that, nothing is late."""
    parts = [int(part) for part in planned.split("-")]
    if len(parts) == 2:  # noqa: PLR2004 - year and month
        return dt.date(parts[0], parts[1], calendar.monthrange(parts[0], parts[1])[1])
    return dt.date(*parts)
