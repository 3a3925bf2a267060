"""Example sites, to see what a condition says about each before it is published."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sapwood.commons.announcements.lines import line_order
from sapwood.formats.canonical import JSON
from sapwood.formats.conditions import Verdict, evaluate

PROFILES = Path(__file__).parent / "openedx" / "profiles.json"


@dataclass(frozen=True)
class Profile:
    """A kind of site: its name and what it states about itself."""

    slug: str
    name: str
    facts: dict[str, JSON]


@cache
def profiles() -> tuple[Profile, ...]:
    """The example sites, in the order of their file."""
    return tuple(Profile(**entry) for entry in json.loads(PROFILES.read_text(encoding="utf-8")))


def verdict(condition: dict[str, JSON] | None, profile: Profile) -> Verdict:
    """What this site would say: yes, no, or unknown with the reasons."""
    return evaluate(condition, profile.facts, lines=line_order())
