"""One confined process of the subject: `core.isolation.running` in words of upgrades."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from sapwood.core.errors import SapwoodError
from sapwood.core.isolation import running
from sapwood.core.isolation.running import LIMIT_S, Words

__all__ = ["LIMIT_S", "WORDS", "InsideError", "answers"]


class InsideError(SapwoodError):
    """The subject's own environment failed: its interpreter, its settings or its code."""

    code = "upgrades.inside"


WORDS: Final = Words("The environment", InsideError, slow="Do its settings wait for something that is not there?")


def answers(argv: Sequence[str | Path], log: Path, **given: Any) -> Iterator[dict[str, Any]]:
    """As `core.isolation.running.answers`; raises InsideError."""
    return running.answers(argv, log, words=WORDS, **given)
