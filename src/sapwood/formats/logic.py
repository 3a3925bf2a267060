"""Yes, no, unknown: the three-valued logic (Kleene's strong one) of conditions and version ranges."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sapwood.formats.phrase import Phrase


class Answer(StrEnum):
    """The three answers."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verdict:
    """An answer and, where it is unknown, the reasons in plain words."""

    answer: Answer
    reasons: tuple[Phrase, ...] = ()

    def __bool__(self) -> bool:
        """Refuse: unknown is neither true nor false, so a caller says which answer it means."""
        raise TypeError("a Verdict is not a truth value; compare its answer, or ask is_yes, is_no, is_unknown")

    @property
    def is_yes(self) -> bool:
        """Certainly so."""
        return self.answer is Answer.YES

    @property
    def is_no(self) -> bool:
        """Certainly not so."""
        return self.answer is Answer.NO

    @property
    def is_unknown(self) -> bool:
        """It cannot be told; `reasons` say why."""
        return self.answer is Answer.UNKNOWN


YES: Final = Verdict(Answer.YES)
NO: Final = Verdict(Answer.NO)
MOST_REASONS: Final = 8


def unknown(*reasons: Phrase) -> Verdict:
    """The verdict that nothing can be told, and why."""
    return Verdict(Answer.UNKNOWN, reasons)


def known(*, fact: bool) -> Verdict:
    """The verdict of something that is certain."""
    return YES if fact else NO


def both(verdicts: Iterable[Verdict]) -> Verdict:
    """All of them: no as soon as one is no, unknown if any is unknown, else yes."""
    return _gather(verdicts, decisive=NO, otherwise=YES)


def either(verdicts: Iterable[Verdict]) -> Verdict:
    """Any of them: yes as soon as one is yes, unknown if any is unknown, else no."""
    return _gather(verdicts, decisive=YES, otherwise=NO)


def negate(verdict: Verdict) -> Verdict:
    """The opposite; what is unknown stays unknown."""
    opposites = {Answer.YES: NO, Answer.NO: YES}
    return opposites.get(verdict.answer, verdict)


def _gather(verdicts: Iterable[Verdict], *, decisive: Verdict, otherwise: Verdict) -> Verdict:
    reasons: dict[Phrase, None] = {}
    unsure = False
    for verdict in verdicts:
        if verdict.answer is decisive.answer:
            return decisive
        unsure = unsure or verdict.is_unknown
        reasons.update(dict.fromkeys(verdict.reasons))
    return unknown(*list(reasons)[:MOST_REASONS]) if unsure else otherwise
