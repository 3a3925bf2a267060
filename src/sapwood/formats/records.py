"""How the classes of this package are read from JSON objects and written back, field by field.

A record is a frozen dataclass. Its annotations say how each value crosses: text, numbers and enumerations
as they are, instants as `2026-11-22T10:00:00Z`, days as `2026-11-22`, identifiers as lower-case UUIDs,
tuples as lists, records as objects. What a record does not know is kept in `extra` and written back; an
optional field that the source wrote out although it holds the default is remembered in `explicit`. So
`to_dict(from_dict(x)) == x` for every valid x, whatever the age of its writer.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, ClassVar, Final, NamedTuple, Self
from uuid import UUID

from sapwood.formats.canonical import JSON, JSONObject, shorten, show_path
from sapwood.formats.errors import SchemaError
from sapwood.formats.phrase import Phrase

_OWN: Final = frozenset({"extra", "explicit"})
_PLANS: dict[type, Mapping[str, tuple[Codec, Any]]] = {}
_INSTANT_LENGTH: Final = len("2026-11-22T10:00:00Z")


class Codec(NamedTuple):
    """How one value crosses: `read(json, path)` and `write(value)`."""

    read: Callable[[JSON, str], Any]
    write: Callable[[Any], JSON]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A JSON object with known fields and whatever else its writer put there."""

    constants: ClassVar[Mapping[str, JSON]] = {}  # what every object of this class says, such as its type
    extra: Mapping[str, JSON] = field(default_factory=dict)
    explicit: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, datetime):
                object.__setattr__(self, item.name, whole_second(value, item.name))

    @classmethod
    def from_dict(cls, data: Mapping[str, JSON], path: str = "") -> Self:
        """Read this record from a JSON object. Raises SchemaError with the place of the first bad field."""
        if not isinstance(data, Mapping):
            raise wrong(path, Phrase("an object"))
        values: JSONObject = {}
        explicit = set()
        plan = _plan(cls)
        for name, (codec, default) in plan.items():
            place = f"{path}.{name}" if path else name
            if name in data:
                values[name] = codec.read(data[name], place)
                if values[name] == default:
                    explicit.add(name)
            elif default is MISSING:
                raise SchemaError(
                    Phrase("The field %(place)s is missing.", place=show_path(place)),
                    hint=Phrase("Add it, or publish without this part."),
                )
        extra = {name: value for name, value in data.items() if name not in plan and name not in cls.constants}
        return cls(**values, extra=extra, explicit=frozenset(explicit))

    def to_dict(self) -> JSONObject:
        """Write the record as JSON: what is not the default or was written out, and what was not understood."""
        data: JSONObject = {}
        for name, (codec, default) in _plan(type(self)).items():
            value = getattr(self, name)
            if value != default or name in self.explicit:
                data[name] = codec.write(value)
        return {**self.extra, **self.constants, **data}


def _plan(cls: type[Record]) -> Mapping[str, tuple[Codec, Any]]:
    """Codec and default of each field, worked out once for each class."""
    if cls not in _PLANS:
        hints = typing.get_type_hints(cls, include_extras=True)
        _PLANS[cls] = {f.name: (codec_of(hints[f.name]), _default(f)) for f in fields(cls) if f.name not in _OWN}
    return _PLANS[cls]


def _default(item: Field[Any]) -> Any:
    return item.default_factory() if item.default_factory is not MISSING else item.default


def codec_of(hint: Any) -> Codec:
    """The codec for one annotation; an annotation may bring its own as `Annotated[type, Codec(…)]`."""
    own = [item for item in getattr(hint, "__metadata__", ()) if isinstance(item, Codec)]
    if own:
        return own[0]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return _optional(codec_of(next(item for item in inner if item is not types.NoneType)))
    if origin is tuple:
        return _list(codec_of(inner[0]))
    if origin is Mapping:
        return _map(codec_of(inner[1]))
    if isinstance(hint, type):
        return _codec_of_class(hint)
    if hint is Any:
        return Codec(lambda value, _path: value, lambda value: value)
    raise TypeError(f"no codec for {hint!r}")


def _codec_of_class(cls: type[Any]) -> Codec:
    if issubclass(cls, Record):
        return Codec(cls.from_dict, lambda value: value.to_dict())
    if issubclass(cls, Enum):
        return _enum(cls)
    known = {datetime: INSTANT, date: DAY, UUID: IDENTIFIER}
    return known[cls] if cls in known else _plain(cls)


def _plain(cls: type[Any]) -> Codec:
    names = {
        str: Phrase("a text"),
        int: Phrase("a whole number"),
        float: Phrase("a number"),
        bool: Phrase("true or false"),
    }
    kinds = (int, float) if cls is float else (cls,)

    def read(value: JSON, path: str) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and cls is not bool):
            raise wrong(path, names[cls])
        return value

    return Codec(read, lambda value: value)


def _enum(cls: type[Enum]) -> Codec:
    def read(value: JSON, path: str) -> Enum:
        try:
            return cls(value)
        except ValueError as error:
            words = ", ".join(str(item.value) for item in cls)
            raise wrong(path, Phrase("one of: %(words)s", words=words)) from error

    return Codec(read, lambda value: value.value)


def _optional(inner: Codec) -> Codec:
    return Codec(
        lambda value, path: None if value is None else inner.read(value, path),
        lambda value: None if value is None else inner.write(value),
    )


def _list(inner: Codec) -> Codec:
    def read(value: JSON, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise wrong(path, Phrase("a list"))
        return tuple(inner.read(item, f"{path}[{index}]") for index, item in enumerate(value))

    return Codec(read, lambda value: [inner.write(item) for item in value])


def _map(inner: Codec) -> Codec:
    def read(value: JSON, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong(path, Phrase("an object"))
        return {key: inner.read(item, f"{path}.{key}") for key, item in value.items()}

    return Codec(read, lambda value: {key: inner.write(item) for key, item in value.items()})


def wrong(path: str, expected: Phrase) -> SchemaError:
    """The error for a value of the wrong kind."""
    return SchemaError(
        Phrase("%(path)s must be %(expected)s.", path=show_path(path), expected=expected),
        hint=Phrase("Correct it and publish a new revision."),
        path=path,
    )


def whole_second(value: datetime, name: str) -> datetime:
    """An instant as documents carry it: UTC, whole seconds. Raises SchemaError without a time zone."""
    if value.tzinfo is None:
        raise SchemaError(
            Phrase("%(name)s has no time zone.", name=show_path(name)), hint=Phrase("Give the instant in UTC.")
        )
    return value.astimezone(UTC).replace(microsecond=0)


def _read_instant(value: JSON, path: str) -> datetime:
    if isinstance(value, str) and len(value) == _INSTANT_LENGTH and value.isascii():
        try:
            found = datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            found = None
        if found is not None and _write_instant(found) == value:
            return found
    if not isinstance(value, str):
        raise wrong(path, Phrase("an instant in UTC such as 2026-11-22T10:00:00Z"))
    found_here = shorten(value)
    raise wrong(path, Phrase("an instant in UTC such as 2026-11-22T10:00:00Z, not %(value)s", value=found_here))


def _write_instant(value: datetime) -> str:
    return value.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _read_day(value: JSON, path: str) -> date:
    if isinstance(value, str):
        try:
            found = date.fromisoformat(value)
        except ValueError:
            found = None
        if found is not None and found.isoformat() == value:
            return found
    raise wrong(path, Phrase("a day such as 2026-11-22"))


def _read_identifier(value: JSON, path: str) -> UUID:
    if isinstance(value, str):
        try:
            found = UUID(value)
        except ValueError:
            found = None
        if found is not None and str(found) == value:
            return found
    raise wrong(path, Phrase("a UUID in lower case, with hyphens"))


INSTANT: Final = Codec(_read_instant, _write_instant)
DAY: Final = Codec(_read_day, date.isoformat)
IDENTIFIER: Final = Codec(_read_identifier, str)
