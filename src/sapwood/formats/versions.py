"""Versions of three sorts, their order, and ranges of them that answer yes, no or unknown.

* A *named release*: a point on a line, `teak.3`, `koa.2a`, `ulmo.1rc1`; with or without the path of its tag
  (`release/teak.1`, `open-release/sumac.3`). A bare line (`ulmo`, `release/ulmo`, `open-release/koa.master`)
  names every release of that line.
* A *branch head*: `release/ulmo@2026-06-04`, the line's branch as it was on that day.
* A *distribution version*: `21.0.9`, ordered as Python packages are (PEP 440).

Which line comes after which is data (`LineOrder`), never guessed from names.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, TypeAlias

from packaging.version import InvalidVersion, Version

from sapwood.formats.canonical import shorten
from sapwood.formats.errors import VersionRangeError
from sapwood.formats.logic import YES, Verdict, both, either, known, unknown
from sapwood.formats.phrase import Phrase
from sapwood.formats.records import Record

Point: TypeAlias = tuple[tuple[int, str, int], ...]

MAX_VERSION_LENGTH: Final = 100
ORDER_OPS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})
_FINAL: Final = 1_000_000  # sorts after every release candidate of the same point
_LINE: Final = re.compile(r"[a-z][a-z0-9_-]*\Z")
_POINT: Final = re.compile(
    r"(?P<numbers>[0-9]{1,6}[a-z]?(?:\.[0-9]{1,6}[a-z]?){0,3})?(?:[.-]?rc\.?(?P<rc>[0-9]{1,5}))?\Z"
)
_PART: Final = re.compile(r"([0-9]+)([a-z]?)")
_BRANCH_NAMES: Final = frozenset({"master", "main"})


@dataclass(frozen=True)
class NamedRelease:
    """A point on a named line; with no point, the whole line."""

    line: str
    point: Point = ()

    @property
    def is_line(self) -> bool:
        """Whether only the line is named."""
        return not self.point


@dataclass(frozen=True)
class BranchHead:
    """A line's branch as it was at the end of one day."""

    line: str
    on: date


@dataclass(frozen=True)
class DistributionVersion:
    """A version of a package or distribution."""

    version: Version


Ref: TypeAlias = NamedRelease | BranchHead | DistributionVersion


def parse_version(text: str) -> Ref:
    """Read a version of any of the three sorts. Raises VersionRangeError."""
    name = text.strip().lower()
    if len(name) > MAX_VERSION_LENGTH:
        raise _unreadable(text)
    if name.removeprefix("v")[:1].isdigit():
        try:
            return DistributionVersion(Version(name))
        except InvalidVersion as error:
            raise _unreadable(text) from error
    name, at, day = name.partition("@")
    line, dot, rest = name.rpartition("/")[2].partition(".")
    if not _LINE.match(line) or (dot and not rest):
        raise _unreadable(text)
    if at:
        return _branch_head(text, line, rest, day)
    return NamedRelease(line, () if not rest or rest in _BRANCH_NAMES else _point(text, rest))


def _branch_head(text: str, line: str, rest: str, day: str) -> BranchHead:
    try:
        on = date.fromisoformat(day)
    except ValueError as error:
        raise _unreadable(text) from error
    if rest and rest not in _BRANCH_NAMES:
        raise _unreadable(text)
    return BranchHead(line, on)


def _point(text: str, rest: str) -> Point:
    match = _POINT.match(rest)
    if match is None:
        raise _unreadable(text)
    parts = _PART.findall(match["numbers"] or "0")
    last_stage = int(match["rc"]) if match["rc"] else _FINAL
    stages = [_FINAL] * (len(parts) - 1) + [last_stage]
    return tuple((int(number), letter, stage) for (number, letter), stage in zip(parts, stages, strict=True))


def _unreadable(text: str) -> VersionRangeError:
    return VersionRangeError(
        Phrase("%(text)s is not a version.", text=shorten(text)),
        hint=Phrase(
            "Write a release (ulmo.3), a line (ulmo), a branch on a day (ulmo@2026-06-04) or a number (21.0.9)."
        ),
    )


@dataclass(frozen=True)
class LineOrder:
    """The lines of one project from the oldest to the newest, and when their releases came out.

    Without the days, a branch head cannot be placed among the releases of its line.
    """

    names: Sequence[str] = ()
    released: Mapping[str, date] = field(default_factory=dict)

    def place(self, line: str) -> int | None:
        """The line's place, counted from the oldest; None if this order does not hold it."""
        return next((i for i, name in enumerate(self.names) if name.lower() == line.lower()), None)

    def sort_key(self, version: str | NamedRelease) -> tuple[int, Point]:
        """The key of a total order over the releases of known lines; a bare line comes before its releases."""
        ref = parse_version(version) if isinstance(version, str) else version
        place = self.place(ref.line) if isinstance(ref, NamedRelease) else None
        if place is None or not isinstance(ref, NamedRelease):
            raise VersionRangeError(
                Phrase("%(version)s is not a release of a known line.", version=shorten(str(version))),
                hint=Phrase("Add its line to the catalogue."),
            )
        return place, ref.point

    def compare(self, a: str | Ref, b: str | Ref) -> int | None:
        """-1, 0 or 1 as `a` comes before, with or after `b`; None where that cannot be told.

        A bare line stands for its start here; see `answer` for what it means in a condition.
        """
        left, right = _read(a), _read(b)
        if left is None or right is None:
            return None
        if isinstance(left, DistributionVersion) or isinstance(right, DistributionVersion):
            if isinstance(left, DistributionVersion) and isinstance(right, DistributionVersion):
                return _sign(left.version, right.version)
            return None
        if left.line != right.line:
            places = self.place(left.line), self.place(right.line)
            return None if None in places else _sign(*places)
        return self._on_one_line(left, right)

    def answer(self, subject: str | Ref, op: str, bound: str | Ref) -> Verdict:
        """Whether `subject op bound`, where a bare line as bound means every release of it (`<= ulmo` holds
        for ulmo.3) and as subject means some release of it, we do not know which.
        """
        left, right = _read(subject), _read(bound)
        for text, ref in ((subject, left), (bound, right)):
            if ref is None:
                return unknown(Phrase("%(text)s is not a version", text=shorten(str(text))))
        if left is None or right is None or op not in ORDER_OPS:  # the first two only for the type checker
            return unknown(Phrase("%(op)s is not a comparison", op=shorten(op)))
        order = self._answer_order(left, right)
        if order is None:
            return unknown(
                Phrase(
                    "the order of %(subject)s and %(bound)s is not known",
                    subject=shorten(str(subject)),
                    bound=shorten(str(bound)),
                )
            )
        truth = {"==": order == 0, "!=": order != 0, "<": order < 0, "<=": order <= 0, ">": order > 0}
        return known(fact=truth.get(op, order >= 0))

    def _answer_order(self, left: Ref, right: Ref) -> int | None:
        if isinstance(left, DistributionVersion) or isinstance(right, DistributionVersion) or left.line != right.line:
            return self.compare(left, right)
        if isinstance(right, NamedRelease) and right.is_line:
            return 0
        if isinstance(left, NamedRelease) and left.is_line and left not in self._days():
            return None
        return self.compare(left, right)

    def _on_one_line(self, left: NamedRelease | BranchHead, right: NamedRelease | BranchHead) -> int | None:
        if isinstance(left, NamedRelease):
            if isinstance(right, NamedRelease):
                return _sign(left.point, right.point)
            order = self._head_and_release(right, left)
            return None if order is None else -order
        if isinstance(right, BranchHead):
            return _sign(left.on, right.on)
        return self._head_and_release(left, right)

    def _head_and_release(self, head: BranchHead, release: NamedRelease) -> int | None:
        """A head is newer than each release that came out before its day, and so than all before that one."""
        if release.is_line:
            return 1
        dated = [(other.point, day) for other, day in self._days().items() if other.line == head.line]
        if any(point >= release.point and day < head.on for point, day in dated):
            return 1
        if any(point <= release.point and day > head.on for point, day in dated):
            return -1
        return None

    def _days(self) -> dict[NamedRelease, date]:
        read = ((_read(text), day) for text, day in self.released.items())
        return {ref: day for ref, day in read if isinstance(ref, NamedRelease)}


@dataclass(frozen=True, kw_only=True)
class VersionRange(Record):
    """From `affected_from` (included; None: from the beginning) up to `fixed_in` (excluded; None: not fixed)."""

    affected_from: str | None = None
    fixed_in: str | None = None

    def contains(self, version: str | Ref, lines: LineOrder) -> Verdict:
        """Whether this version lies in the range."""
        return both(
            (
                YES if self.affected_from is None else lines.answer(version, ">=", self.affected_from),
                YES if self.fixed_in is None else lines.answer(version, "<", self.fixed_in),
            )
        )


def contains_any(ranges: Sequence[VersionRange], version: str | Ref, lines: LineOrder) -> Verdict:
    """Whether this version lies in one of the ranges; no if there are none."""
    return either(item.contains(version, lines) for item in ranges)


def _read(version: str | Ref) -> Ref | None:
    if not isinstance(version, str):
        return version
    try:
        return parse_version(version)
    except VersionRangeError:
        return None


def _sign(a: Any, b: Any) -> int:
    return int(a > b) - int(a < b)
