"""English sentences that a page can say in its reader's language.

What is pure Python here knows no language but English, and JSON, logs and the command line stay English whatever the
reader speaks. So a sentence that a page may show is a `Phrase`: a text like any other, which remembers the template
and the values that it was made of. Pages show it through `sapwood.console.phrases.say`; templates with `|say`.
Templates are found in the sources by `tests.messages`, so each is one literal with named places: `%(line)s`.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from itertools import zip_longest
from typing import Any, Final, Self

from typing_extensions import override

TEMPLATE = "$phrase"
_VALUES, _FIGURE, _DAY = "values", "$figure", "$day"


class Figure(int):
    """A number that is written with its grouping: `1,234,567`."""

    @override
    def __str__(self) -> str:
        return f"{int(self):,}"


class Phrase(str):
    """An English text made of a template and values; a value may be a phrase itself, a day, or a figure."""

    __slots__ = ("template", "values")
    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, /, **values: object) -> Self:
        """The English text: `Phrase("%(line)s is not affected", line="teak")`. Without values, `%` is itself."""
        self = super().__new__(cls, template % values if values else template)
        self.template, self.values = template, values
        return self

    @classmethod
    def joined(cls, separator: str, parts: Iterable[object]) -> "Phrase":
        """Several in a row: each is translated by itself, what stands between them is not."""
        values = {f"part{number}": part for number, part in enumerate(parts)}
        return cls(separator.replace("%", "%%").join(f"%({name})s" for name in values), **values)

    @classmethod
    def listed(cls, parts: Iterable[object]) -> "Phrase":
        """Sentences in a row: `it is so; it is not so`."""
        return cls.linked(parts, lambda one, other: Phrase("%(one)s; %(other)s", one=one, other=other))

    @classmethod
    def all_of(cls, parts: Iterable[object]) -> "Phrase":
        """The parts with “and” between them: `1 and 2`."""
        return cls.linked(parts, lambda one, other: Phrase("%(one)s and %(other)s", one=one, other=other))

    @classmethod
    def one_of(cls, parts: Iterable[object]) -> "Phrase":
        """The parts with “or” between them."""
        return cls.linked(parts, lambda one, other: Phrase("%(one)s or %(other)s", one=one, other=other))

    @classmethod
    def linked(cls, parts: Iterable[object], link: "Callable[[Phrase, Phrase], Phrase]") -> "Phrase":
        """The parts with words of your own between any two; halved again and again, so that many nest no deeper."""
        rest = [cls.verbatim(part) for part in parts] or [NO_WORDS]
        while len(rest) > 1:
            pairs = zip_longest(rest[::2], rest[1::2])
            rest = [one if other is None else link(one, other) for one, other in pairs]
        return rest[0]

    @classmethod
    def of(cls, error: Exception) -> "Phrase":
        """What an exception says, whoever raised it; a phrase that it was given stays one."""
        return cls.verbatim(error.args[0] if error.args and isinstance(error.args[0], Phrase) else str(error))

    @classmethod
    def verbatim(cls, text: object) -> "Phrase":
        """Words from outside, which are shown as they came; a phrase stays what it is."""
        return text if isinstance(text, Phrase) else cls("%(text)s", text=text)


NO_WORDS: Final = Phrase.verbatim("")


def recorded(value: Any) -> Any:
    """JSON for a database column: every phrase in `value` with its template and values instead of its text."""
    if isinstance(value, Phrase):
        return {TEMPLATE: value.template, _VALUES: {name: recorded(item) for name, item in value.values.items()}}
    if isinstance(value, Figure):
        return {_FIGURE: int(value)}
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return {_DAY: value.isoformat()}
    if isinstance(value, Mapping):
        return {key: recorded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [recorded(item) for item in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


def recalled(value: Any) -> Any:
    """The reverse of `recorded`. What is not in its form stays as it is: older rows hold the bare text."""
    if isinstance(value, Mapping):
        if isinstance(value.get(TEMPLATE), str) and isinstance(value.get(_VALUES), Mapping):
            try:
                return Phrase(value[TEMPLATE], **{str(k): recalled(v) for k, v in value[_VALUES].items()})
            except (KeyError, TypeError, ValueError):
                return value[TEMPLATE]
        if isinstance(value.get(_FIGURE), int):
            return Figure(value[_FIGURE])
        if isinstance(value.get(_DAY), str):
            return _day(value[_DAY])
        return {key: recalled(item) for key, item in value.items()}
    return [recalled(item) for item in value] if isinstance(value, list) else value


def _day(text: str) -> dt.date | str:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return text
