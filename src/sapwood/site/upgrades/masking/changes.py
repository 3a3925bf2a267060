"""What happens to one column's values, whatever the engine: the rule, and how many there were."""

import datetime as dt
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from sapwood.site.upgrades.engines.base import Say
from sapwood.site.upgrades.masking.rules import Chosen
from sapwood.site.upgrades.masking.substitution import Substitution

Rewrite = Callable[[str, Mapping[str, "Change"]], None]
"""Writes every row of a table anew, with the values of some columns changed."""

SAY_EVERY: Final = 5_000
SAY_AFTER_S: Final = 2.0


class Change:
    """The change of one column: called with each of its values. Counts what it changed, and what it could not."""

    def __init__(self, chosen: Chosen, substitution: Substitution, say: Say) -> None:
        self.chosen, self.substitution, self.tell = chosen, substitution, say
        self.rows = self.same = 0
        self.said_at = time.monotonic()
        self.work = _work(chosen, substitution)

    def __call__(self, value: Any) -> Any:
        """The other value; NULL stays."""
        if value is None:
            return None
        self.rows += 1
        if self.rows % SAY_EVERY == 0 and time.monotonic() - self.said_at > SAY_AFTER_S:
            self.said_at = time.monotonic()
            self.tell(f"masking {self.chosen.column.label}: {self.rows:,} values")
        other = self._other(value)
        self.same += other == value
        return other

    def _other(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.work(value)
        if isinstance(value, bytes):
            return self.substitution.binary(value)
        return type(value)(self.substitution.number(repr(value), self.chosen.column.highest))


def _work(chosen: Chosen, substitution: Substitution) -> Callable[[str], str]:
    column, codec = chosen.column, chosen.column.codec
    first = dt.date.fromisoformat(column.earliest)

    def text(value: str) -> str:
        # Whatever the column is called, what looks like a document stays one.
        document = column.kind == "json" or value.strip()[:1] + value.strip()[-1:] in {"{}", "[]"}
        return substitution.document(value, codec) if document else substitution.text(value, codec)

    known: dict[str, Callable[[str], str]] = {
        "email": lambda value: substitution.email(value, codec),
        "password": lambda value: substitution.password(value, codec),
        "number": lambda value: substitution.number(value, column.highest),
        "shift": lambda value: substitution.shift(value, first),
        "ip": lambda value: substitution.address(value, codec),
        "uuid": lambda value: substitution.uuid(value, codec),
    }
    return known.get(chosen.rule, text)
