"""What a site is exposed to: its release, its support, the fixes that it lacks, and the way to the newest release.

A pure function of facts, catalogue and day. What cannot be told stays unknown and says why.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from sapwood.formats.catalogue import (
    Advisory,
    Applies,
    Catalogue,
    Hop,
    Line,
    NoPathError,
    Release,
    Risk,
    Step,
    Support,
    default_target,
    find_line,
    find_path,
    find_release,
    newest_release,
    shipped_release,
    support,
    version_key,
)
from sapwood.formats.catalogue.order import ReleaseOrder
from sapwood.formats.conditions import evaluate
from sapwood.formats.sitefacts import SiteFacts


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
    why: str

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
    why: str
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
    note: str

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


def exposure(facts: SiteFacts, catalogue: Catalogue, as_of: dt.date) -> Exposure:
    """Match a site's facts against the catalogue as it stood to the public on `as_of`."""
    facts = _with_distribution(facts, catalogue)
    standing = stand(facts, catalogue)
    line = standing.line
    newest = newest_release(catalogue, as_of)
    in_line = newest_release(catalogue, as_of, line) if line else None
    legs, path_why = _path(facts, catalogue, standing, as_of)
    return Exposure(
        as_of=as_of,
        standing=standing,
        support=support(catalogue, line, as_of) if line else Support(None, None, None, standing.why),
        newest=newest[1].version if newest else None,
        newest_in_line=in_line[1].version if in_line else None,
        threats=_threats(facts, catalogue, standing, as_of) if line else (),
        path=legs,
        path_why=path_why,
        catalogue_as_of=catalogue.as_of,
        catalogue_revision=catalogue.revision,
        notes=_notes(facts, catalogue, as_of),
    )


def _with_distribution(facts: SiteFacts, catalogue: Catalogue) -> SiteFacts:
    """Facts that only say `<name>_version` of a distribution in the catalogue name that distribution."""
    if facts.distribution is None:
        for name in catalogue.distributions:
            if version := facts.distribution_version(name):
                return replace(facts, distribution=(name, version))
    return facts


def stand(facts: SiteFacts, catalogue: Catalogue) -> Standing:
    """Which release or line the facts point to: what was inferred, else declared, else what the distribution pins."""
    kind = str((facts.build or {}).get("kind") or "")
    for text, origin in ((facts.inferred_release, "inferred"), (facts.declared_release, "declared")):
        found = find_release(catalogue, text)
        if found and kind != "fork":
            return Standing(found[0], found[1], "release", f"{origin} from the site's files")
        line = _line_named(catalogue, text) or (found[0] if found else None)
        if line and kind not in {"branch", "fork", "commit"}:
            return Standing(line, None, "line", f"only the line {line.name} is known, not the release")
    line = _line_named(catalogue, facts.inferred_line) or _line_by_release(catalogue, facts)
    if kind in {"branch", "fork", "commit"}:
        words = {"branch": "head of a branch", "fork": "fork", "commit": "single commit"}
        where = f" of {line.name}" if line else ""
        name = "head" if kind == "branch" else "fork"
        return Standing(line, None, name if line else "unknown", f"the site builds a {words[kind]}{where}")
    for name in catalogue.distributions:
        shipped = shipped_release(catalogue, name, facts.distribution_version(name))
        found = find_release(catalogue, shipped.release) if shipped else None
        if found and shipped:
            version = facts.distribution_version(name)
            return Standing(found[0], found[1], "release", f"{name} {version} ships {shipped.release}")
    if line:
        return Standing(line, None, "line", f"only the line {line.name} is known, not the release")
    reason = facts.why.get("inferred_release") or "the facts name no release that the catalogue knows"
    return Standing(None, None, "unknown", reason)


def _line_named(catalogue: Catalogue, text: str | None) -> Line | None:
    return next((line for line in catalogue.lines if text and text in (line.name, line.branch)), None)


def _line_by_release(catalogue: Catalogue, facts: SiteFacts) -> Line | None:
    for text in (facts.inferred_release, facts.declared_release):
        found = find_release(catalogue, text)
        if found:
            return found[0]
    for name in catalogue.distributions:
        shipped = shipped_release(catalogue, name, facts.distribution_version(name))
        found = find_release(catalogue, shipped.release) if shipped else None
        if found:
            return found[0]
    return None


def _threats(facts: SiteFacts, catalogue: Catalogue, standing: Standing, as_of: dt.date) -> tuple[Threat, ...]:
    threats = []
    for advisory in catalogue.advisories:
        if advisory.disclosed is None or advisory.disclosed > as_of or standing.line is None:
            continue
        state, why, assessed = _Match(facts, catalogue, standing, standing.line, advisory).decide()
        threats.append(Threat(advisory, state, (as_of - advisory.disclosed).days, why, assessed))
    ranks = {"critical": 0, "high": 1, "medium": 2, "low": 3}
    threats.sort(key=lambda threat: (ranks.get(threat.advisory.rating or "", 4), -threat.days_exposed, threat.advisory.id))
    return tuple(threats)


@dataclass(frozen=True)
class _Match:
    """One advisory against one site."""

    facts: SiteFacts
    catalogue: Catalogue
    standing: Standing
    line: Line
    advisory: Advisory

    def decide(self) -> tuple[State, str, bool]:
        """The state, why, and whether the catalogue says anything about releases like this one."""
        patched = self._patched_by_distribution()
        if patched:
            return State.NO, patched, True
        by_package = self._by_package()
        if by_package:
            return by_package
        names = [line.name for line in self.catalogue.lines]
        here = names.index(self.line.name)
        affected = [names.index(name) for name in self.advisory.lines if name in names]
        fixed = self._fixed_here(names, here)
        if fixed:
            return State.NO, fixed, True
        if not affected:
            return State.UNKNOWN, f"which releases carry {self._component()} is not in the catalogue", False
        if here in affected:
            return self._on_affected_line()
        if here < min(affected):
            text = f"{self.line.name} is older than every line that was assessed, and gets no fixes"
            return State.UNKNOWN, text, True
        if not self.advisory.fixed_in.tags and here > max(affected):
            return State.UNKNOWN, f"{names[max(affected)]} is affected; where it is fixed is not known", False
        return State.NO, f"{self.line.name} is not affected", True

    def _component(self) -> str:
        return " ".join(text for text in (self.advisory.component, self.advisory.versions) if text)

    def _fixed_here(self, names: list[str], here: int) -> str:
        """Why a tag of this line, or of an earlier one, already carries the fix; empty when none does."""
        order = ReleaseOrder.of(self.catalogue.lines)
        for tag in self.advisory.fixed_in.tags:
            found = find_release(self.catalogue, tag)
            if found is None:
                continue
            there = names.index(found[0].name)
            if there < here and self.line.name not in self.advisory.lines:
                return f"fixed since {tag}"
            release = self.standing.release
            if there == here and release and order.older(release.version, tag) is False:
                return f"{release.version} carries the fix of {tag}"
        return ""

    def _on_affected_line(self) -> tuple[State, str, bool]:
        fixed = self.advisory.fixed_in
        tags = [tag for tag in fixed.tags if self._is_mine(tag)]
        if self.standing.kind == "fork":
            return State.UNKNOWN, f"{self.line.name} is affected; whether the fork carries the fix is not known", True
        if self.standing.kind == "head":
            if fixed.branch or tags:
                since = f" since {fixed.branch}" if fixed.branch else ""
                text = f"the branch of {self.line.name} holds the fix{since}; when the image was built is not known"
                return State.UNKNOWN, text, True
            return State.YES, f"{self.line.name} is affected and its branch got no fix", True
        if self.standing.release is None:
            if tags:
                return State.UNKNOWN, f"fixed in {tags[0]}; which release of {self.line.name} runs is not known", True
            return State.YES, f"every release of {self.line.name} is affected", True
        return State.YES, self._why_exposed(tags), True

    def _why_exposed(self, tags: list[str]) -> str:
        release = self.standing.name
        if tags:
            return f"{release} is older than {tags[0]}, which carries the fix"
        offered = [
            f"{name} {version}"
            for name, version in self.advisory.fixed_in.distributions.items()
            if self._ships_my_line(name, version)
        ]
        if offered:
            return f"{release} is affected; no tag of {self.line.name} carries the fix, {offered[0]} does"
        return f"{release} is affected and {self.line.name} got no fix"

    def _is_mine(self, tag: str) -> bool:
        found = find_release(self.catalogue, tag)
        return found is not None and found[0].name == self.line.name

    def _ships_my_line(self, name: str, version: str) -> bool:
        shipped = shipped_release(self.catalogue, name, version)
        return shipped is not None and self._is_mine(shipped.release)

    def _patched_by_distribution(self) -> str:
        """Distributions patch ahead of tags: theirs counts when it is of this line and the site builds no fork."""
        if self.standing.kind in {"fork", "head"}:
            return ""
        for name, fixed in self.advisory.fixed_in.distributions.items():
            installed = self.facts.distribution_version(name)
            mine, needed = version_key(installed), version_key(fixed)
            shipped = shipped_release(self.catalogue, name, installed)
            pins = shipped is not None and shipped.release == self.standing.name
            if mine and needed and mine >= needed and self._ships_my_line(name, fixed) and pins:
                return f"{name} {installed} carries the fix of {name} {fixed}"
        return ""

    def _by_package(self) -> tuple[State, str, bool] | None:
        """A component with a version range is decided by the version that the line runs, where that is known."""
        component, wanted = self.advisory.component, self.advisory.versions
        runtime = (self.line.runtimes or {}).get(component or "")
        if not isinstance(runtime, Mapping) or not wanted or self.line.name in self.advisory.lines:
            return None
        try:
            specifiers = SpecifierSet(wanted if wanted[0] in "<>=!~" else f"=={wanted}")
        except InvalidSpecifier:
            return None
        versions = [version_key(str(runtime.get(name))) for name in ("first", "last")]
        known = [version for version in versions if version]
        if not known or any(version in specifiers for version in known):
            return None
        return State.NO, f"{self.line.name} runs {component} {known[-1]}", True


def _path(
    facts: SiteFacts, catalogue: Catalogue, standing: Standing, as_of: dt.date
) -> tuple[tuple[Leg, ...], str]:
    target = default_target(catalogue, as_of)
    if standing.line is None or target is None:
        return (), standing.why if standing.line is None else "no line is supported"
    start = standing.name or standing.line.name
    try:
        hops = find_path(catalogue, start, target.name, on=as_of)
    except NoPathError as error:
        return (), f"{error.message}. {error.hint}"
    if not hops:
        return (), f"{start} is on the newest supported line" if standing.release is None else "this is the newest release"
    return tuple(_leg(facts, hop) for hop in hops), ""


def _leg(facts: SiteFacts, hop: Hop) -> Leg:
    steps = tuple(item for step in hop.steps if (item := _applied(facts, step)))
    risks = tuple(item for risk in hop.risks if (item := _applied(facts, risk)))
    return Leg(hop, steps, risks)


def _applied(facts: SiteFacts, part: Step | Risk) -> Applied | None:
    state, note = applies(part.applies, facts)
    return None if state is State.NO else Applied(part, state, note)


def applies(rule: Applies, facts: SiteFacts) -> tuple[State, str]:
    """Whether a step or risk applies to a site, with the note to show when that is unknown."""
    if rule.rule is True:
        return State.YES, ""
    if rule.rule is None or rule.rule is False:
        return State.UNKNOWN, f"check by hand: {rule.words}"
    verdict = evaluate(rule.rule, facts)
    state = State(verdict.answer.value)
    if state is not State.UNKNOWN:
        return state, ""
    why = f" ({'; '.join(verdict.reasons)})" if verdict.reasons else ""
    return state, f"check by hand: {rule.words}{why}"


def _notes(facts: SiteFacts, catalogue: Catalogue, as_of: dt.date) -> tuple[str, ...]:
    notes = [str(item.get("message")) for item in facts.mismatches if item.get("message")]
    if as_of > catalogue.as_of:
        notes.append(f"the catalogue is of {catalogue.as_of}; later releases and fixes are not in it")
    return tuple(notes)
