"""The ledger of postponed steps: what earlier upgrades left for later, read from all of their journals.

A step stands on it from the upgrade that left it out until one has run it, or until somebody has by hand. An upgrade
that was taken back left nothing and ran nothing.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades.preflight import Finding, Outcome

SHOWN = 5


@dataclass(frozen=True)
class Postponed:
    """A migration that only takes away and waits for a later press. `times`: how often it was left out."""

    label: str
    run: str
    since: dt.datetime
    times: int = 1

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"label": self.label, "run": self.run, "since": self.since.isoformat(), "times": self.times}


def ledger(begun: Iterable[tuple[str, dt.datetime, Mapping[str, Any]]]) -> tuple[Postponed, ...]:
    """What still waits, oldest first, from the first entry of each journal of an upgrade that ended well, in order."""
    found: dict[str, Postponed] = {}
    for run, at, details in begun:
        for label in (*details["early"], *details["rest"]):
            found.pop(label, None)
        for label in details["postponed"]:
            before = found.get(label)
            found[label] = replace(before, times=before.times + 1) if before else Postponed(label, run, at)
    return tuple(found.values())


def waiting(rows: Iterable[Postponed], applied: frozenset[str]) -> tuple[Postponed, ...]:
    """Those that nobody has run by hand meanwhile."""
    return tuple(row for row in rows if row.label not in applied)


def findings_of(rows: tuple[Postponed, ...], pending: Iterable[str]) -> Iterator[Finding]:
    """Each waiting step is in the plan, and so runs at the next press; one that is not has been lost."""
    labels = set(pending)
    gone = [row.label for row in rows if row.label not in labels]
    if gone:
        words = ", ".join(gone[:SHOWN]) + (f" (+{len(gone) - SHOWN})" if len(gone) > SHOWN else "")
        yield Finding(
            "postponed",
            Outcome.FAIL,
            Phrase("Steps that were postponed are not in the target: %(steps)s", steps=words),
            Phrase("Upgrade to a release that still has them first, or run them with the release that runs now."),
            of_plan=True,
        )
    elif rows:
        yield Finding(
            "postponed",
            Outcome.PASS,
            Phrase("Every postponed step is in this plan, and runs with it"),
            of_plan=True,
        )


def lines(rows: Iterable[Postponed]) -> Iterator[str]:
    """For a terminal."""
    for row in rows:
        again = f", {row.times} times" if row.times > 1 else ""
        yield f"postponed {row.label} since {row.since:%Y-%m-%d} (upgrade {row.run}{again})"
