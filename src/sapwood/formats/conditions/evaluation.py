"""Whether a condition holds for a site: yes, no, or unknown with the reasons. Never an exception."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from sapwood.formats.canonical import JSON, shorten
from sapwood.formats.conditions.data import (
    ORDERED,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Not,
    NotUnderstood,
    parse_condition,
    range_list,
)
from sapwood.formats.conditions.facts import PLUGINS, Fact, look_up
from sapwood.formats.errors import ConditionError
from sapwood.formats.logic import YES, Answer, Verdict, both, either, known, negate, unknown
from sapwood.formats.phrase import Phrase
from sapwood.formats.publication import normal_locale
from sapwood.formats.versions import LineOrder, VersionRange, contains_any

LANGUAGES: Final = frozenset({"locale", "language", "languages"})
NO_LINES: Final = LineOrder()
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LEADING_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")


class StatesFacts(Protocol):
    """Anything that becomes a mapping of facts, such as SiteFacts."""

    def to_dict(self) -> dict[str, Any]:
        """The facts, by name."""
        ...


def evaluate(
    condition: Condition | Mapping[str, JSON] | bool | None,  # noqa: FBT001 - a catalogue may say just true
    facts: Mapping[str, JSON] | StatesFacts,
    *,
    lines: LineOrder = NO_LINES,
) -> Verdict:
    """Whether the condition holds for a site with these facts; no condition holds for every site.

    `lines` is the order of the project's release lines; without it, releases of two lines are not comparable.
    """
    if condition is None or isinstance(condition, bool):
        return known(fact=condition is not False)
    if isinstance(condition, Mapping):
        try:
            condition = parse_condition(condition)
        except ConditionError as error:
            return unknown(Phrase.verbatim(error.message))
    return _evaluate(condition, facts if isinstance(facts, Mapping) else facts.to_dict(), lines)


def _evaluate(condition: Condition, facts: Mapping[str, JSON], lines: LineOrder) -> Verdict:
    if isinstance(condition, AllOf):
        return both(_evaluate(part, facts, lines) for part in condition.parts)
    if isinstance(condition, AnyOf):
        return either(_evaluate(part, facts, lines) for part in condition.parts)
    if isinstance(condition, Not):
        return negate(_evaluate(condition.part, facts, lines))
    if isinstance(condition, NotUnderstood):
        return unknown(condition.why)
    return _compare(condition, look_up(facts, condition.fact), lines)


def _compare(question: Comparison, fact: Fact, lines: LineOrder) -> Verdict:
    if question.op in {"present", "absent"}:
        there = Verdict(fact.there, (fact.why,) if fact.there is Answer.UNKNOWN else ())
        return there if question.op == "present" else negate(there)
    if fact.there is Answer.NO:  # what a site does not have equals nothing and lies in no range
        return known(fact=question.op == "!=")
    if fact.value is None:
        return unknown(fact.why)
    if question.op == "!=":
        return negate(_any_member(question.fact, "==", fact.value, question.value, lines))
    return _any_member(question.fact, question.op, fact.value, question.value, lines)


def _any_member(name: str, op: str, have: JSON, want: JSON, lines: LineOrder) -> Verdict:
    """A fact that is a list meets a question if one of its members does."""
    members = have if isinstance(have, list | tuple) else [have]
    return either(_one(name, op, member, want, lines) for member in members)


def _one(name: str, op: str, have: JSON, want: JSON, lines: LineOrder) -> Verdict:
    if op == "in":
        return either(_one(name, "==", have, item, lines) for item in want)
    if isinstance(have, str):
        if op == "matches_range":
            return contains_any(_ranges(want), _version_text(name, have), lines)
        return _texts(name, op, have, want, lines) if isinstance(want, str) else _not_comparable(name)
    if _number(have) and _number(want):
        return known(fact=_COMPARE[op](have, want))
    if isinstance(have, bool) and isinstance(want, bool) and op == "==":
        return known(fact=have == want)
    return _not_comparable(name)


def _number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ranges(value: JSON) -> list[VersionRange]:
    return [
        VersionRange(affected_from=item.get("affected_from"), fixed_in=item.get("fixed_in"))
        for item in range_list(value)
    ]


def _texts(name: str, op: str, have: str, want: str, lines: LineOrder) -> Verdict:
    if name in LANGUAGES:
        return _not_comparable(name) if op in ORDERED else known(fact=_speaks(have, want))
    if _holds_version(name):
        verdict = lines.answer(_version_text(name, have), op, _version_text(name, want))
        return YES if verdict.is_unknown and op == "==" and have == want else verdict
    if op == "==":
        return known(fact=have == want)
    return lines.answer(have, op, want)


def _holds_version(name: str) -> bool:
    """Whether texts of this fact are versions: then 8.4 equals 8.4.0, and release/ulmo.1 equals ulmo.1."""
    last = name.rpartition(".")[2]
    return name.startswith(PLUGINS) or last.endswith(("version", "release"))


def _version_text(name: str, text: str) -> str:
    """Database servers add their build to their version: 10.11.6-MariaDB-1 is 10.11.6 for a condition."""
    if name == "database.version" and (match := _LEADING_NUMBER.match(text)):
        return match[0]
    return text


def _speaks(have: str, want: str) -> bool:
    """Whether the language range `want` matches (RFC 4647, basic filtering): es matches es-419."""
    return f"{normal_locale(have)}-".startswith(f"{normal_locale(want)}-")


def _not_comparable(name: str) -> Verdict:
    return unknown(Phrase("this site's %(name)s cannot be compared with what is asked", name=shorten(name)))
