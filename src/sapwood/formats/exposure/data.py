"""The answer's parts: where a site stands, what threatens it, what its way asks of it."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sapwood.formats.catalogue import Advisory, Hop, Line, Release, Risk, Step, Support
from sapwood.formats.phrase import Phrase


class State(StrEnum):
    """Whether something holds for this site."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Standing:
    """Where a site stands: a release, or only a line when it follows a branch or a fork."""

    line: Line | None
    release: Release | None
    kind: str  # release, head, fork, line or unknown
    why: str  # a phrase, or what the facts themselves say

    @property
    def name(self) -> str | None:
        """The release's version; None when only the line is known."""
        return self.release.version if self.release else None


@dataclass(frozen=True)
class Threat:
    """An advisory and this site. `assessed` is False when the catalogue says nothing about releases like this one."""

    advisory: Advisory
    state: State
    days_exposed: int
    why: Phrase
    assessed: bool = True

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        advisory = self.advisory
        return {
            "id": advisory.id,
            "cve": advisory.cve,
            "title": advisory.title,
            "severity": advisory.rating,
            "score": (advisory.severity or {}).get("score"),
            "state": self.state.value,
            "disclosed": advisory.disclosed.isoformat() if advisory.disclosed else None,
            "published": advisory.published.isoformat() if advisory.published else None,
            "days_exposed": self.days_exposed,
            "fixed_in": advisory.fixed_in.to_dict(),
            "why": self.why,
        }


@dataclass(frozen=True)
class Applied:
    """A step or risk that this site must look at: it applies, or nobody can tell from the facts."""

    part: Step | Risk
    state: State
    note: Phrase

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        own = (
            {"when": self.part.when, "automation": self.part.automation}
            if isinstance(self.part, Step)
            else {"severity": self.part.severity}
        )
        return {
            "id": self.part.id,
            **own,
            "title": self.part.title,
            "detail": self.part.detail,
            "applies": self.state.value,
            "applies_if": self.part.applies.words,
            "note": self.note,
            "source": list(self.part.source),
        }


@dataclass(frozen=True)
class Leg:
    """One hop of this site's path, with what applies to it and how much was left out."""

    hop: Hop
    steps: tuple[Applied, ...]
    risks: tuple[Applied, ...]

    @property
    def left_out(self) -> int:
        """How many of the hop's steps and risks certainly do not concern this site."""
        return len(self.hop.steps) + len(self.hop.risks) - len(self.steps) - len(self.risks)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "from": self.hop.start,
            "to": self.hop.end,
            "kind": self.hop.kind,
            "release": self.hop.release,
            "announced": self.hop.announced,
            "steps": [step.to_dict() for step in self.steps],
            "risks": [risk.to_dict() for risk in self.risks],
            "left_out": self.left_out,
        }


@dataclass(frozen=True)
class Exposure:
    """The answer for one site on one day."""

    as_of: dt.date
    standing: Standing
    support: Support
    newest: str | None
    newest_in_line: str | None
    threats: tuple[Threat, ...]
    path: tuple[Leg, ...]
    path_why: str
    catalogue_as_of: dt.date
    catalogue_revision: int
    notes: tuple[str, ...] = ()

    @property
    def advisories(self) -> tuple[Threat, ...]:
        """Those that affect this site."""
        return tuple(threat for threat in self.threats if threat.state is State.YES)

    @property
    def undecided(self) -> tuple[Threat, ...]:
        """Those of which nobody can tell from the facts."""
        return tuple(threat for threat in self.threats if threat.state is State.UNKNOWN)

    @property
    def verdict(self) -> State:
        """YES: exposed or unsupported. NO: all well. UNKNOWN: it cannot be told."""
        if self.advisories or self.support.supported is False:
            return State.YES
        if self.standing.line is None or self.support.supported is None:
            return State.UNKNOWN
        return State.UNKNOWN if any(threat.assessed for threat in self.undecided) else State.NO

    @property
    def unsupported_days(self) -> int | None:
        """For how many days the line has had no support."""
        if self.support.supported is not False or self.support.until is None:
            return None
        return (self.as_of - self.support.until).days

    def count(self, state: State) -> dict[str, int]:
        """How many steps and risks of the whole path are in a state."""
        return {
            "steps": sum(step.state is state for leg in self.path for step in leg.steps),
            "risks": sum(risk.state is state for leg in self.path for risk in leg.risks),
        }

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        until = self.support.until
        return {
            "as_of": self.as_of.isoformat(),
            "verdict": {State.YES: "exposed", State.NO: "good", State.UNKNOWN: "unknown"}[self.verdict],
            "release": self.standing.name,
            "line": self.standing.line.name if self.standing.line else None,
            "release_kind": self.standing.kind,
            "release_why": self.standing.why,
            "supported": self.support.supported,
            "supported_until": until.isoformat() if until else None,
            "support_planned_end": self.support.planned_end,
            "support_why": self.support.why,
            "unsupported_days": self.unsupported_days,
            "newest": self.newest,
            "newest_in_line": self.newest_in_line,
            "advisories": [threat.to_dict() for threat in self.advisories],
            "advisories_unknown": [threat.to_dict() for threat in self.undecided],
            "path": [leg.to_dict() for leg in self.path],
            "path_why": self.path_why,
            "path_counts": {
                "hops": len(self.path),
                "apply": self.count(State.YES),
                "check_by_hand": self.count(State.UNKNOWN),
            },
            "catalogue": {"as_of": self.catalogue_as_of.isoformat(), "revision": self.catalogue_revision},
            "notes": list(self.notes),
        }
