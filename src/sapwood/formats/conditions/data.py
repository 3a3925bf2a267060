"""Conditions: which sites a publication concerns, as data that the site itself evaluates.

    {"all": [{"fact": "release", "op": "<", "value": "ulmo.1"}, {"fact": "plugins.indigo", "op": "present"}]}

`all`, `any` and `not` combine; comparisons ask about one fact. Whatever this version does not understand
(an operator, a fact, values that cannot be compared) makes that part *unknown*, with a reason, and Kleene's
logic decides whether the whole is. Only a broken structure is an error.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from sapwood.formats.canonical import JSON, JSONObject, shorten, show_path
from sapwood.formats.errors import ConditionError
from sapwood.formats.phrase import Phrase
from sapwood.formats.records import Codec

MAX_DEPTH: Final = 8
MAX_PARTS: Final = 200
MAX_TEXT: Final = 500
MAX_LIST: Final = 200

ORDERED: Final = frozenset({"<", "<=", ">", ">="})
OPERATORS: Final = ORDERED | {"==", "!=", "in", "present", "absent", "matches_range"}
RANGE_KEYS: Final = frozenset({"affected_from", "fixed_in"})
_COMPARISON_KEYS: Final = frozenset({"fact", "op", "value"})
_NO_VALUE: Final = frozenset({"present", "absent"})


@dataclass(frozen=True)
class AllOf:
    """True where every part is."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True)
class AnyOf:
    """True where one part is."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True)
class Not:
    """True where its part is not."""

    part: "Condition"


@dataclass(frozen=True)
class Comparison:
    """One question about one fact of a site."""

    fact: str
    op: str
    value: JSON = None


@dataclass(frozen=True)
class NotUnderstood:
    """A part from a newer Sapwood: kept as it came, and unknown for every site."""

    data: JSONObject
    why: Phrase


Condition: TypeAlias = AllOf | AnyOf | Not | Comparison | NotUnderstood


def parse_condition(data: JSON, path: str = "condition") -> Condition:
    """Read a condition. Raises ConditionError for a broken structure, with its place."""
    return _Reader().read(data, path, 1)


def condition_to_data(condition: Condition) -> JSONObject:
    """The JSON of a condition, as it was read."""
    if isinstance(condition, AllOf):
        return {"all": [condition_to_data(part) for part in condition.parts]}
    if isinstance(condition, AnyOf):
        return {"any": [condition_to_data(part) for part in condition.parts]}
    if isinstance(condition, Not):
        return {"not": condition_to_data(condition.part)}
    if isinstance(condition, NotUnderstood):
        return condition.data
    data = {"fact": condition.fact, "op": condition.op}
    return data if condition.op in _NO_VALUE else {**data, "value": condition.value}


def parts_of(condition: Condition) -> Iterator[Comparison | NotUnderstood]:
    """Every question that the condition asks, whatever its place."""
    if isinstance(condition, Comparison | NotUnderstood):
        yield condition
    else:
        for part in (condition.part,) if isinstance(condition, Not) else condition.parts:
            yield from parts_of(part)


class _Reader:
    """Reads one condition and counts its parts."""

    def __init__(self) -> None:
        self.parts = 0

    def read(self, data: JSON, path: str, depth: int) -> Condition:
        self.parts += 1
        if depth > MAX_DEPTH or self.parts > MAX_PARTS:
            raise _broken(
                path,
                Phrase(
                    "is too large: at most %(parts)s parts, %(levels)s levels deep",
                    parts=MAX_PARTS,
                    levels=MAX_DEPTH,
                ),
            )
        if not isinstance(data, Mapping) or not all(isinstance(key, str) for key in data):
            raise _broken(path, Phrase("must be an object"))
        keys = set(data)
        if keys in ({"all"}, {"any"}):
            return self._several(data, path, depth)
        if keys == {"not"}:
            return Not(self.read(data["not"], f"{path}.not", depth + 1))
        if {"fact", "op"} <= keys:
            return _comparison(data, path)
        if not keys or keys & {"all", "any", "not", *_COMPARISON_KEYS}:
            raise _broken(path, Phrase("must be one of: all, any, not, or a fact with an op"))
        _check_size(data, path)
        return NotUnderstood(
            dict(data), Phrase("%(keys)s is not understood here", keys=shorten(", ".join(sorted(keys))))
        )

    def _several(self, data: Mapping[str, JSON], path: str, depth: int) -> Condition:
        [(key, items)] = data.items()
        if not isinstance(items, list):
            raise _broken(f"{path}.{key}", Phrase("must be a list"))
        parts = tuple(self.read(item, f"{path}.{key}[{i}]", depth + 1) for i, item in enumerate(items))
        return AllOf(parts) if key == "all" else AnyOf(parts)


def _comparison(data: Mapping[str, JSON], path: str) -> Condition:
    fact, op = data["fact"], data["op"]
    if not isinstance(fact, str) or not isinstance(op, str) or not fact or max(len(fact), len(op)) > MAX_TEXT:
        raise _broken(path, Phrase("must name its fact and its op as texts"))
    if unknown_keys := set(data) - _COMPARISON_KEYS:
        _check_size(data, path)
        return NotUnderstood(
            dict(data),
            Phrase("%(keys)s is not understood here", keys=shorten(", ".join(sorted(unknown_keys)))),
        )
    if op not in OPERATORS:
        _check_size(data, path)
        return NotUnderstood(dict(data), Phrase("the operator %(op)s is not understood here", op=shorten(op)))
    if (op in _NO_VALUE) == ("value" in data):
        if op in _NO_VALUE:
            raise _broken(path, Phrase("with the op %(op)s takes no value", op=op))
        raise _broken(path, Phrase("with the op %(op)s takes a value", op=op))
    _check_value(op, data.get("value"), f"{path}.value")
    if op == "matches_range" and any(set(item) - RANGE_KEYS for item in range_list(data["value"])):
        return NotUnderstood(dict(data), Phrase("a field of its range is not understood here"))
    return Comparison(fact, op, data.get("value"))


def range_list(value: JSON) -> list[JSONObject]:
    """The ranges of a `matches_range`: one object or a list of them."""
    return value if isinstance(value, list) else [value]


def _check_value(op: str, value: JSON, path: str) -> None:
    if op == "in":
        if not isinstance(value, list) or len(value) > MAX_LIST:
            raise _broken(path, Phrase("must be a list of at most %(n)s", n=MAX_LIST))
        for index, item in enumerate(value):
            _check_scalar(item, f"{path}[{index}]")
    elif op == "matches_range":
        ranges = range_list(value)
        if not ranges or len(ranges) > MAX_LIST or not all(isinstance(item, dict) for item in ranges):
            raise _broken(path, Phrase("must be a range, or a list of ranges"))
        for item in ranges:
            for end in RANGE_KEYS & set(item):
                if item[end] is not None and not isinstance(item[end], str):
                    raise _broken(f"{path}.{end}", Phrase("must be a version, as text"))
        _check_size(ranges, path)
    elif op not in _NO_VALUE:
        _check_scalar(value, path)


def _check_scalar(value: JSON, path: str) -> None:
    if not isinstance(value, str | int | float) or (isinstance(value, str) and len(value) > MAX_TEXT):
        raise _broken(
            path,
            Phrase("must be a text of at most %(n)s characters, a number, true or false", n=MAX_TEXT),
        )


def _check_size(value: JSON, path: str, depth: int = 1) -> None:
    """Bounds for parts that are kept without being understood."""
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise _broken(path, Phrase("holds a text of more than %(n)s characters", n=MAX_TEXT))
    if isinstance(value, list | Mapping):
        if len(value) > MAX_LIST or depth > MAX_DEPTH:
            raise _broken(
                path,
                Phrase("holds more than %(n)s items or %(levels)s levels", n=MAX_LIST, levels=MAX_DEPTH),
            )
        for item in value.values() if isinstance(value, Mapping) else value:
            _check_size(item, path, depth + 1)


def _broken(path: str, problem: Phrase) -> ConditionError:
    return ConditionError(
        Phrase("The condition at %(path)s %(problem)s.", path=show_path(path), problem=problem),
        hint=Phrase("See the reference page on conditions."),
        path=path,
    )


CONDITION: Final = Codec(
    lambda value, path: None if value is None else parse_condition(value, path),
    lambda value: None if value is None else condition_to_data(value),
)
