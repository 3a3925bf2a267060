"""Differences between texts, by line and by word; and between two texts and the one they both came from."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
# Below this likeness, marking single words makes two unlike lines harder to read, not easier.
_ALIKE = 0.5
# A line longer than this is compared as a whole: the matcher's time grows with the square of its length.
_LONGEST_LINE = 4000


class Change(StrEnum):
    """What happened to a line or a run of words."""

    SAME = "same"
    DELETED = "deleted"
    INSERTED = "inserted"
    CHANGED = "changed"


@dataclass(frozen=True)
class Run:
    """Words of one line that share a fate; `marked` ones differ from the other side."""

    text: str
    marked: bool = False


@dataclass(frozen=True)
class Row:
    """A line on both sides; a number is None where that side has no such line."""

    change: Change
    old_number: int | None
    new_number: int | None
    old: tuple[Run, ...] = ()
    new: tuple[Run, ...] = ()


class Origin(StrEnum):
    """Who changed a part since the common text."""

    NOBODY = "nobody"
    OURS = "ours"
    THEIRS = "theirs"
    BOTH_ALIKE = "both-alike"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Part:
    """A run of lines in a three-way comparison, as each of the three has it."""

    origin: Origin
    base: tuple[str, ...]
    ours: tuple[str, ...]
    theirs: tuple[str, ...]

    @property
    def base_text(self) -> str:
        """The common text of this part."""
        return "\n".join(self.base)

    @property
    def ours_runs(self) -> tuple[Run, ...]:
        """The text of this site, with what it changed marked."""
        return _words(self.base_text, "\n".join(self.ours))[1]

    @property
    def theirs_runs(self) -> tuple[Run, ...]:
        """The text of the source, with what it changed marked."""
        return _words(self.base_text, "\n".join(self.theirs))[1]


def compare(old: str, new: str) -> list[Row]:
    """Two texts as rows, in reading order."""
    old_lines, new_lines = old.splitlines(), new.splitlines()
    matcher = SequenceMatcher(a=old_lines, b=new_lines, autojunk=False)
    rows: list[Row] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            rows.extend(_same(old_lines, i1, j1, i2 - i1))
        else:
            rows.extend(_replaced(old_lines[i1:i2], new_lines[j1:j2], i1, j1))
    return rows


def compare_three(base: str, ours: str, theirs: str) -> list[Part]:
    """What each side did to the text they both come from; a conflict is where both did different things."""
    base_lines, our_lines, their_lines = base.splitlines(), ours.splitlines(), theirs.splitlines()
    to_ours, to_theirs = _matches(base_lines, our_lines), _matches(base_lines, their_lines)
    parts: list[Part] = []
    at = our_at = their_at = 0
    for line in [*sorted(to_ours.keys() & to_theirs.keys()), len(base_lines)]:
        our_end = to_ours.get(line, len(our_lines))
        their_end = to_theirs.get(line, len(their_lines))
        parts.extend(_parts(base_lines[at:line], our_lines[our_at:our_end], their_lines[their_at:their_end]))
        if line < len(base_lines):
            _append_same(parts, base_lines[line])
        at, our_at, their_at = line + 1, our_end + 1, their_end + 1
    return parts


def _same(lines: Sequence[str], i: int, j: int, count: int) -> Iterator[Row]:
    for step in range(count):
        run = (Run(lines[i + step]),)
        yield Row(Change.SAME, i + step + 1, j + step + 1, run, run)


def _replaced(old: Sequence[str], new: Sequence[str], i: int, j: int) -> Iterator[Row]:
    """Pair line with line as far as both sides go; the rest was only deleted or only inserted."""
    for step in range(max(len(old), len(new))):
        if step >= len(new):
            yield Row(Change.DELETED, i + step + 1, None, old=(Run(old[step]),))
        elif step >= len(old):
            yield Row(Change.INSERTED, None, j + step + 1, new=(Run(new[step]),))
        else:
            before, after = _words(old[step], new[step])
            yield Row(Change.CHANGED, i + step + 1, j + step + 1, before, after)


def _words(old: str, new: str) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    if max(len(old), len(new)) > _LONGEST_LINE:
        return (Run(old, marked=True),), (Run(new, marked=True),)
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    matcher = SequenceMatcher(a=before, b=after, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return (Run(old, marked=True),), (Run(new, marked=True),)
    left: list[Run] = []
    right: list[Run] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        marked = tag != "equal"
        left.append(Run("".join(before[i1:i2]), marked))
        right.append(Run("".join(after[j1:j2]), marked))
    return _joined(left), _joined(right)


def _joined(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Marked words with only space between them become one mark, which reads better than confetti."""
    joined: list[Run] = []
    for place, run in enumerate(runs):
        following = runs[place + 1 : place + 2]
        bridges = run.text.isspace() and bool(joined) and joined[-1].marked and any(r.marked for r in following)
        marked = run.marked or bridges
        if joined and joined[-1].marked == marked:
            joined[-1] = Run(joined[-1].text + run.text, marked)
        elif run.text:
            joined.append(Run(run.text, marked))
    return tuple(joined)


def _matches(base: Sequence[str], other: Sequence[str]) -> dict[int, int]:
    blocks = SequenceMatcher(a=base, b=other, autojunk=False).get_matching_blocks()
    return {block.a + step: block.b + step for block in blocks for step in range(block.size)}


def _parts(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> Iterator[Part]:
    """One part, or one for each line where all three have as many: neighbours are then no conflict."""
    if len(base) == len(ours) == len(theirs):
        for line in zip(base, ours, theirs, strict=True):
            yield _part(line[:1], line[1:2], line[2:])
    else:
        yield _part(base, ours, theirs)


def _part(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> Part:
    return Part(_origin(base, ours, theirs), tuple(base), tuple(ours), tuple(theirs))


def _origin(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> Origin:
    if ours == theirs:
        return Origin.BOTH_ALIKE
    if ours == base:
        return Origin.THEIRS
    if theirs == base:
        return Origin.OURS
    return Origin.CONFLICT


def _append_same(parts: list[Part], line: str) -> None:
    if parts and parts[-1].origin is Origin.NOBODY:
        lines = (*parts[-1].base, line)
        parts[-1] = Part(Origin.NOBODY, lines, lines, lines)
    else:
        parts.append(Part(Origin.NOBODY, (line,), (line,), (line,)))
