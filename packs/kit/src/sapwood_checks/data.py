"""What the parts of the kit hand to each other, and what a check may see of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

SAFETY: Final = ("S0", "S1", "S2", "S3", "S4")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,63}")
_FIELDS: Final = {"id", "use_case", "safety", "needs", "owner", "covers"}
MAX_DETAIL: Final = 300
DATABASE: Final = "database"
SHADOW: Final = "shadow"


class Unknown(Exception):  # noqa: N818 - a verdict, not an error
    """A check ends with it when the site gives no means to tell."""


def unknown(reason: str) -> NoReturn:
    """End a check: it cannot be told, for this reason. That is never a pass."""
    raise Unknown(reason)


class MarkError(ValueError):
    """A marker does not say what it must."""


@dataclass(frozen=True)
class Check:
    """What the marker of a check says. `safety` is what it may do to the site, S0 (reads, signed out) to S4."""

    id: str
    use_case: str = ""
    safety: str = "S0"
    needs: tuple[str, ...] = ()
    owner: str = ""
    covers: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Check:
        """The marker's keywords, held to their shapes; raises MarkError."""
        if more := sorted(given.keys() - _FIELDS):
            raise MarkError(f"{more[0]!r} is no word of the marker; it knows {', '.join(sorted(_FIELDS))}")
        name, safety = given.get("id"), given.get("safety", "S0")
        if not isinstance(name, str) or not _ID.fullmatch(name):
            raise MarkError("a check needs an id of 3 to 64 letters, digits, dots, dashes: check(id='CAMPUS-001')")
        if safety not in SAFETY:
            raise MarkError(f"{name}: safety must be one of {', '.join(SAFETY)}")
        texts = {key: given.get(key, "") for key in ("use_case", "owner")}
        lists = {key: given.get(key, ()) for key in ("needs", "covers")}
        if not all(isinstance(text, str) for text in texts.values()):
            raise MarkError(f"{name}: use_case and owner are texts")
        if not all(isinstance(words, list | tuple) for words in lists.values()) or not all(
            isinstance(word, str) for words in lists.values() for word in words
        ):
            raise MarkError(f"{name}: needs and covers are lists of texts")
        needs, covers = tuple(lists["needs"]), tuple(lists["covers"])
        return cls(name, texts["use_case"], safety, needs, texts["owner"], covers)


@dataclass(frozen=True)
class Shadow:
    """The copy that a check runs against. `database_url` is there for checks that need "database"."""

    scratch: Path
    database_url: str = ""


@dataclass(frozen=True)
class Request:
    """What a run of a pack is given: `offers` are the capabilities that there are for `needs`, `sockets` theirs."""

    base_url: str
    socket: str = ""
    highest: str = "S0"
    declared: str = "S4"
    offers: tuple[str, ...] = ()
    scratch: str = ""
    database_url: str = ""
    sockets: tuple[str, ...] = ()


def above(safety: str, highest: str) -> bool:
    """Whether a safety class may do more than the highest one that is allowed."""
    return SAFETY.index(safety) > SAFETY.index(highest)


def scrubbed(words: object) -> str:
    """One line of words without what may be data about people, or a secret: texts in quotes, addresses, tokens."""
    line = next((line for line in str(words).strip().splitlines() if line.strip()), "")[: 10 * MAX_DETAIL]
    line = re.sub(r"([\"'])(?:(?!\1).)+\1", r"\1…\1", line)
    line = re.sub(r"://[^/\s@]*@", "://…@", line)
    line = re.sub(r"[\w.+-]+@[\w.-]+", "…@…", line)
    line = re.sub(r"(?=[\w+=-]*\d)[\w+=-]{20,}", "…", line)
    return one_line(line)


def one_line(words: str) -> str:
    """Bounded, and with nothing that a terminal would act on."""
    return "".join(letter if letter.isprintable() else " " for letter in words)[:MAX_DETAIL]
