"""Frozen values of announcements, for other modules and the doors."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from sapwood.formats.canonical import JSON
from sapwood.formats.phrase import NO_WORDS, Phrase

DEFAULT_LIVE_ITEMS = 5


@dataclass(frozen=True)
class Problem:
    """What keeps a file, a form or an item from being published, and where it stands."""

    message: Phrase
    hint: Phrase = NO_WORDS
    file: str = ""
    line: int = 0
    path: str = ""

    @property
    def place(self) -> str:
        """`file:line`, as editors and terminals open it."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def words(self) -> Phrase:
        """Place, message and hint in one line."""
        where = (self.place, ": ") if self.file else ()
        return Phrase.joined("", (*where, self.message, *((" ", self.hint) if self.hint else ())))

    def __str__(self) -> str:
        return str(self.words)

    def as_dict(self) -> dict[str, JSON]:
        """For `--json` and the REST API."""
        return {"file": self.file, "line": self.line, "message": self.message, "hint": self.hint}


@dataclass(frozen=True)
class AnnouncementFile:
    """One announcement as its files say it: the document without its revision number, and what is not in it."""

    slug: str
    document: dict[str, JSON]
    organisation: str = ""
    contact: str = ""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


class Outcome(StrEnum):
    """What publishing a folder did, or would do, with one announcement."""

    STAGED = "staged"
    UNCHANGED = "unchanged"
    NEEDS_SECOND_PERSON = "needs_second_person"
    NEEDS_CONSENT = "needs_consent"
    INVALID = "invalid"


@dataclass(frozen=True)
class FolderLine:
    """One announcement of a folder and what became of it."""

    slug: str
    outcome: Outcome
    uuid: UUID | None = None
    revision: int | None = None
    title: str = ""
    alert: bool = True


@dataclass(frozen=True)
class FolderReport:
    """What publishing a folder did, or would do."""

    lines: tuple[FolderLine, ...]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    dry_run: bool = False

    @property
    def staged(self) -> tuple[FolderLine, ...]:
        """What is ready to be signed now."""
        return tuple(line for line in self.lines if line.outcome is Outcome.STAGED)


@dataclass(frozen=True)
class LiveBudget:
    """How many announcements an audience sees at present, and how many it should at most."""

    audience: str
    live: int
    limit: int
    titles: tuple[str, ...] = field(default=())

    @property
    def over(self) -> bool:
        """Whether there are more than the audience can be expected to read."""
        return self.live > self.limit
