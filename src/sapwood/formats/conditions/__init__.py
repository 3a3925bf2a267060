"""Conditions: which sites a publication concerns, as data that the site itself evaluates."""

from sapwood.formats.conditions.data import (
    CONDITION,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Not,
    NotUnderstood,
    condition_to_data,
    parse_condition,
    parts_of,
)
from sapwood.formats.conditions.evaluation import evaluate
from sapwood.formats.conditions.facts import Fact, look_up
from sapwood.formats.conditions.words import describe
from sapwood.formats.logic import Answer, Verdict

__all__ = [
    "CONDITION",
    "AllOf",
    "Answer",
    "AnyOf",
    "Comparison",
    "Condition",
    "Fact",
    "Not",
    "NotUnderstood",
    "Verdict",
    "condition_to_data",
    "describe",
    "evaluate",
    "look_up",
    "parse_condition",
    "parts_of",
]
