"""Reads one JSON object field by field, says where a wrong one stands, and keeps what it does not know."""

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sapwood.formats.errors import FormatError
from sapwood.formats.phrase import Phrase

T = TypeVar("T")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


class UnreadableCatalogueError(FormatError):
    """A catalogue has a field that cannot be read."""

    code = "catalogue.unreadable"


def fail(where: str, problem: Phrase) -> UnreadableCatalogueError:
    """The error for a field at `where`; returned so that the caller raises it."""
    return UnreadableCatalogueError(
        Phrase("The catalogue cannot be read at %(where)s: %(problem)s", where=where, problem=problem),
        hint=Phrase("Correct that field and validate again."),
    )


class Fields:
    """Takes fields out of one object; `rest()` is what nobody asked for."""

    def __init__(self, data: object, where: str) -> None:
        if not isinstance(data, Mapping):
            raise fail(where, Phrase("expected an object"))
        self.data: dict[str, Any] = dict(data)
        self.where = where

    def at(self, name: str) -> str:
        """The place of a field, for messages."""
        return f"{self.where}.{name}" if self.where else name

    def take(self, name: str, default: object = None) -> Any:
        """The raw value, removed from the rest."""
        return self.data.pop(name, default)

    def text(self, name: str) -> str:
        """Text that must be there."""
        value = self.maybe_text(name)
        if value is None or not value.strip():
            raise fail(self.at(name), Phrase("expected text"))
        return value

    def maybe_text(self, name: str) -> str | None:
        """Text or nothing."""
        value = self.take(name)
        if value is not None and not isinstance(value, str):
            raise fail(self.at(name), Phrase("expected text or null"))
        return value

    def day(self, name: str) -> dt.date | None:
        """A day as YYYY-MM-DD, or nothing."""
        return parse_day(self.take(name), self.at(name))

    def flag(self, name: str, default: bool) -> bool:  # noqa: FBT001 - a default is data
        """True or false."""
        value = self.take(name, default)
        if not isinstance(value, bool):
            raise fail(self.at(name), Phrase("expected true or false"))
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; absent or null means empty."""
        value = self.take(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise fail(self.at(name), Phrase("expected a list of texts"))
        return tuple(value)

    def items(self, name: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
        """A list of objects; absent or null means empty."""
        value = self.take(name)
        if value is None:
            return ()
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise fail(self.at(name), Phrase("expected a list"))
        return tuple(read(item, f"{self.at(name)}[{index}]") for index, item in enumerate(value))

    def mapping(self, name: str) -> dict[str, Any]:
        """An object of any shape; absent or null means empty."""
        value = self.take(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise fail(self.at(name), Phrase("expected an object"))
        return dict(value)

    def rest(self) -> dict[str, Any]:
        """Fields that this version does not know; they are written back unchanged."""
        return self.data


def parse_day(value: object, where: str) -> dt.date | None:
    """A day as YYYY-MM-DD, or None for null."""
    if value is None:
        return None
    if not isinstance(value, str) or not DAY.match(value):
        raise fail(where, Phrase("expected a day as YYYY-MM-DD"))
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise fail(where, Phrase("%(value)s is not a day", value=value)) from None


def day_text(value: dt.date | None) -> str | None:
    """The day as YYYY-MM-DD, or None."""
    return value.isoformat() if value else None
