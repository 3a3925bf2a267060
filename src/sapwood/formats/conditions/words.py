"""A condition in plain English, for a screen. Texts from outside are shown quoted and on one line."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

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
from sapwood.formats.phrase import Phrase

Ask: TypeAlias = Callable[[Phrase, str], Phrase]

_FACTS: Final[Mapping[str, Phrase]] = {
    "release": Phrase("the release"),
    "line": Phrase("the release line"),
    "database.engine": Phrase("the database engine"),
    "database.version": Phrase("the database version"),
    "locale": Phrase("the site's language"),
    "language": Phrase("the site's language"),
    "languages": Phrase("the site's language"),
}
# What is asked, as a question about texts and versions; about numbers, two of them have words of their own.
_OPS: Final[Mapping[str, Ask]] = {
    "==": lambda subject, value: Phrase("%(subject)s is %(value)s", subject=subject, value=value),
    "!=": lambda subject, value: Phrase("%(subject)s is not %(value)s", subject=subject, value=value),
    "<": lambda subject, value: Phrase("%(subject)s is before %(value)s", subject=subject, value=value),
    "<=": lambda subject, value: Phrase("%(subject)s is at most %(value)s", subject=subject, value=value),
    ">": lambda subject, value: Phrase("%(subject)s is after %(value)s", subject=subject, value=value),
    ">=": lambda subject, value: Phrase("%(subject)s is at least %(value)s", subject=subject, value=value),
    "in": lambda subject, value: Phrase("%(subject)s is one of %(value)s", subject=subject, value=value),
}
_NUMBER_OPS: Final[Mapping[str, Ask]] = {
    "<": lambda subject, value: Phrase("%(subject)s is less than %(value)s", subject=subject, value=value),
    ">": lambda subject, value: Phrase("%(subject)s is more than %(value)s", subject=subject, value=value),
}


def describe(condition: Condition | None) -> Phrase:
    """What the condition asks, in words: `the release is before ulmo.1, and plugin 'indigo' is installed`."""
    return Phrase("every site") if condition is None else _describe(condition, outer=True)


def _describe(condition: Condition, *, outer: bool = False) -> Phrase:
    if isinstance(condition, AllOf | AnyOf):
        return _joined(condition, outer=outer)
    if isinstance(condition, Not):
        return Phrase("not (%(condition)s)", condition=_describe(condition.part, outer=True))
    if isinstance(condition, NotUnderstood):
        return Phrase("something that this version does not understand (%(why)s)", why=condition.why)
    return _question(condition)


def _joined(condition: AllOf | AnyOf, *, outer: bool) -> Phrase:
    every = isinstance(condition, AllOf)
    if not condition.parts:
        return Phrase("every site") if every else Phrase("no site")
    if len(condition.parts) == 1:
        return _describe(condition.parts[0], outer=outer)
    text = Phrase.linked((_describe(part) for part in condition.parts), _and if every else _or)
    return text if outer else Phrase.joined("", ("(", text, ")"))


def _and(one: Phrase, other: Phrase) -> Phrase:
    return Phrase("%(one)s, and %(other)s", one=one, other=other)


def _or(one: Phrase, other: Phrase) -> Phrase:
    return Phrase("%(one)s, or %(other)s", one=one, other=other)


def _comma(one: Phrase, other: Phrase) -> Phrase:
    return Phrase("%(one)s, %(other)s", one=one, other=other)


def _question(question: Comparison) -> Phrase:
    if question.fact.startswith(PLUGINS):
        name = shorten(question.fact.removeprefix(PLUGINS))
        if question.op == "present":
            return Phrase("plugin %(name)s is installed", name=name)
        if question.op == "absent":
            return Phrase("plugin %(name)s is not installed", name=name)
        subject = Phrase("the version of plugin %(name)s", name=name)
    else:
        subject = _FACTS.get(question.fact) or Phrase("the fact %(name)s", name=shorten(question.fact))
    if question.op == "present":
        return Phrase("%(subject)s is there", subject=subject)
    if question.op == "absent":
        return Phrase("%(subject)s is not there", subject=subject)
    if question.op == "matches_range":
        ranges = Phrase.one_of(_range(item) for item in range_list(question.value))
        return Phrase("%(subject)s is %(value)s", subject=subject, value=ranges)
    asks = {**_OPS, **_NUMBER_OPS} if isinstance(question.value, int | float) else _OPS
    return asks[question.op](subject, _value(question.value))


def _range(item: Mapping[str, JSON]) -> Phrase:
    start, end = item.get("affected_from"), item.get("fixed_in")
    parts = [Phrase("from %(version)s", version=_value(start))] if start else []
    parts += [Phrase("before %(version)s", version=_value(end))] if end else []
    return Phrase.all_of(parts) if parts else Phrase("any")


def _value(value: JSON) -> str:
    if isinstance(value, list):
        return Phrase.linked((_value(item) for item in value), _comma) if value else Phrase("nothing")
    if isinstance(value, bool):
        return "true" if value else "false"
    return shorten(value) if isinstance(value, str) else str(value)
