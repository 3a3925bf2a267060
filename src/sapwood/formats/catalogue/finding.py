"""What a validator says about one place of a catalogue."""

from dataclasses import asdict, dataclass
from enum import StrEnum

from sapwood.formats.phrase import Phrase


class Weight(StrEnum):
    """How much a finding counts: an error stops publication, a warning wants a look, a note explains."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One problem or remark: a stable code, the place in the document, and a sentence."""

    code: str
    where: str
    message: Phrase
    severity: Weight = Weight.ERROR

    def as_dict(self) -> dict[str, str]:
        """As JSON."""
        return asdict(self) | {"severity": self.severity.value}


def error(code: str, where: str, message: Phrase) -> Finding:
    """A finding that stops publication."""
    return Finding(code, where, message)


def warning(code: str, where: str, message: Phrase) -> Finding:
    """A finding that wants a look."""
    return Finding(code, where, message, Weight.WARNING)


def note(code: str, where: str, message: Phrase) -> Finding:
    """A remark."""
    return Finding(code, where, message, Weight.NOTE)
