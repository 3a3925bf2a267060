"""A condition in plain English, for a screen. Texts from outside are shown quoted and on one line."""

from collections.abc import Mapping
from typing import Final

from sapwood.formats.canonical import JSON, shorten
from sapwood.formats.conditions.data import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Not,
    NotUnderstood,
    range_list,
)
from sapwood.formats.conditions.facts import PLUGINS

_FACTS: Final[Mapping[str, str]] = {
    "release": "the release",
    "line": "the release line",
    "database.engine": "the database engine",
    "database.version": "the database version",
    "locale": "the site's language",
    "language": "the site's language",
    "languages": "the site's language",
}
_OPS: Final[Mapping[str, str]] = {
    "==": "is",
    "!=": "is not",
    "<": "is before",
    "<=": "is at most",
    ">": "is after",
    ">=": "is at least",
    "in": "is one of",
}
_NUMBER_OPS: Final[Mapping[str, str]] = {"<": "is less than", ">": "is more than"}


def describe(condition: Condition | None) -> str:
    """What the condition asks, in words: `the release is before ulmo.1, and plugin 'indigo' is installed`."""
    return "every site" if condition is None else _describe(condition, outer=True)


def _describe(condition: Condition, *, outer: bool = False) -> str:
    if isinstance(condition, AllOf | AnyOf):
        return _joined(condition, outer=outer)
    if isinstance(condition, Not):
        return f"not ({_describe(condition.part, outer=True)})"
    if isinstance(condition, NotUnderstood):
        return f"something that this version does not understand ({condition.why})"
    return _question(condition)


def _joined(condition: AllOf | AnyOf, *, outer: bool) -> str:
    word, empty = ("and", "every site") if isinstance(condition, AllOf) else ("or", "no site")
    if len(condition.parts) <= 1:
        return _describe(condition.parts[0], outer=outer) if condition.parts else empty
    text = f", {word} ".join(_describe(part) for part in condition.parts)
    return text if outer else f"({text})"


def _question(question: Comparison) -> str:
    if question.fact.startswith(PLUGINS):
        plugin = f"plugin {shorten(question.fact.removeprefix(PLUGINS))}"
        if question.op in {"present", "absent"}:
            return f"{plugin} is {'not ' if question.op == 'absent' else ''}installed"
        subject = f"the version of {plugin}"
    else:
        subject = _FACTS.get(question.fact, f"the fact {shorten(question.fact)}")
    if question.op in {"present", "absent"}:
        return f"{subject} is {'not ' if question.op == 'absent' else ''}there"
    if question.op == "matches_range":
        return f"{subject} is {' or '.join(_range(item) for item in range_list(question.value))}"
    words = {**_OPS, **_NUMBER_OPS} if isinstance(question.value, int | float) else _OPS
    return f"{subject} {words[question.op]} {_value(question.value)}"


def _range(item: Mapping[str, JSON]) -> str:
    start, end = item.get("affected_from"), item.get("fixed_in")
    parts = [f"from {_value(start)}"] if start else []
    parts += [f"before {_value(end)}"] if end else []
    return " and ".join(parts) or "any"


def _value(value: JSON) -> str:
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value) or "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return shorten(value) if isinstance(value, str) else str(value)
