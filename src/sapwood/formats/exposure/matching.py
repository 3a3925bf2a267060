"""One advisory against one site: affected, not affected, or not to be told; always with the reason."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from sapwood.formats.catalogue import Advisory, Catalogue, Line, find_release, shipped_release, support, version_key
from sapwood.formats.catalogue.order import ReleaseOrder
from sapwood.formats.exposure.data import Standing, State, Threat
from sapwood.formats.phrase import Phrase
from sapwood.formats.sitefacts import SiteFacts

# The state, why, and whether the catalogue says anything about releases like this one.
Decision: TypeAlias = tuple[State, Phrase, bool]


def find_threats(facts: SiteFacts, catalogue: Catalogue, standing: Standing, as_of: dt.date) -> tuple[Threat, ...]:
    threats = []
    for advisory in catalogue.advisories:
        if advisory.disclosed is None or advisory.disclosed > as_of or standing.line is None:
            continue
        state, why, assessed = Match(facts, catalogue, standing, standing.line, advisory).decide()
        threats.append(Threat(advisory, state, (as_of - advisory.disclosed).days, why, assessed))
    ranks = {"critical": 0, "high": 1, "medium": 2, "low": 3}
    threats.sort(
        key=lambda threat: (ranks.get(threat.advisory.rating or "", 4), -threat.days_exposed, threat.advisory.id)
    )
    return tuple(threats)


@dataclass(frozen=True)
class Match:
    """One advisory against one site."""

    facts: SiteFacts
    catalogue: Catalogue
    standing: Standing
    line: Line
    advisory: Advisory

    def decide(self) -> Decision:
        """The state, why, and whether the catalogue says anything about releases like this one."""
        fixed = self._patched_by_distribution() or self._fixed_here()
        if fixed:
            return State.NO, fixed, True
        return self._by_package() or self._by_line()

    def _by_line(self) -> Decision:
        affected = [self._place(name) for name in self.advisory.lines if name in self._names()]
        here = self._place(self.line.name)
        if here in affected:
            return self._on_affected_line()
        if not affected:
            text = Phrase("which releases carry %(component)s is not in the catalogue", component=self._component())
            return State.UNKNOWN, text, False
        if here < min(affected) and not self._was_supported():
            text = Phrase("%(line)s was unsupported by then: only newer lines were assessed", line=self.line.name)
            return State.UNKNOWN, text, True
        if not self.advisory.fixed_in.tags and here > max(affected):
            newest = self._names()[max(affected)]
            text = Phrase("%(line)s is affected; where it is fixed is not known", line=newest)
            return State.UNKNOWN, text, False
        return State.NO, Phrase("%(line)s is not affected", line=self.line.name), True

    def _names(self) -> list[str]:
        return [line.name for line in self.catalogue.lines]

    def _place(self, name: str) -> int:
        return self._names().index(name)

    def _was_supported(self) -> bool:
        """Whether the line was supported when the advisory came out, and so was looked at."""
        disclosed = self.advisory.disclosed
        return disclosed is not None and support(self.catalogue, self.line, disclosed).supported is True

    def _component(self) -> str:
        return " ".join(text for text in (self.advisory.component, self.advisory.versions) if text)

    def _fixed_here(self) -> Phrase | None:
        """Why a tag of this line, or of an earlier one, already carries the fix; None when none does."""
        order = ReleaseOrder.of(self.catalogue.lines)
        for tag in self.advisory.fixed_in.tags:
            found = find_release(self.catalogue, tag)
            if found is None:
                continue
            there, here = self._place(found[0].name), self._place(self.line.name)
            if there < here and self.line.name not in self.advisory.lines:
                return Phrase("fixed since %(tag)s", tag=tag)
            release = self.standing.release
            if there == here and release and order.older(release.version, tag) is False:
                return Phrase("%(release)s carries the fix of %(tag)s", release=release.version, tag=tag)
        return None

    def _on_affected_line(self) -> Decision:
        fixed = self.advisory.fixed_in
        tags = [tag for tag in fixed.tags if self._is_mine(tag)]
        line = self.line.name
        if self.standing.kind == "fork":
            text = Phrase("%(line)s is affected; whether the fork carries the fix is not known", line=line)
            return State.UNKNOWN, text, True
        if self.standing.kind == "head":
            if fixed.branch or tags:
                return State.UNKNOWN, self._why_unsure_of_head(), True
            return State.YES, Phrase("%(line)s is affected and its branch got no fix", line=line), True
        if self.standing.release is None:
            if tags:
                text = Phrase("fixed in %(tag)s; which release of %(line)s runs is not known", tag=tags[0], line=line)
                return State.UNKNOWN, text, True
            return State.YES, Phrase("every release of %(line)s is affected", line=line), True
        return State.YES, self._why_exposed(tags), True

    def _why_unsure_of_head(self) -> Phrase:
        line, day = self.line.name, self.advisory.fixed_in.branch
        if day is None:
            return Phrase("the branch of %(line)s holds the fix; when the image was built is not known", line=line)
        return Phrase(
            "the branch of %(line)s holds the fix since %(day)s; when the image was built is not known",
            line=line,
            day=day,
        )

    def _why_exposed(self, tags: list[str]) -> Phrase:
        release = self.standing.name
        if tags:
            return Phrase("%(release)s is older than %(tag)s, which carries the fix", release=release, tag=tags[0])
        offered = [
            f"{name} {version}"
            for name, version in self.advisory.fixed_in.distributions.items()
            if self._ships_my_line(name, version)
        ]
        if offered:
            return Phrase(
                "%(release)s is affected; no tag of %(line)s carries the fix, %(offered)s does",
                release=release,
                line=self.line.name,
                offered=offered[0],
            )
        return Phrase("%(release)s is affected and %(line)s got no fix", release=release, line=self.line.name)

    def _is_mine(self, tag: str) -> bool:
        found = find_release(self.catalogue, tag)
        return found is not None and found[0].name == self.line.name

    def _ships_my_line(self, name: str, version: str) -> bool:
        shipped = shipped_release(self.catalogue, name, version)
        return shipped is not None and self._is_mine(shipped.release)

    def _patched_by_distribution(self) -> Phrase | None:
        """Distributions patch ahead of tags: theirs counts where the site builds the very release that they pin."""
        for name, fixed in self.advisory.fixed_in.distributions.items():
            installed = self.facts.distribution_version(name)
            mine, needed = version_key(installed), version_key(fixed)
            shipped = shipped_release(self.catalogue, name, installed)
            pins = shipped is not None and shipped.release == self.standing.name
            if mine and needed and mine >= needed and self._ships_my_line(name, fixed) and pins:
                return Phrase(
                    "%(name)s %(installed)s carries the fix of %(name)s %(fixed)s",
                    name=name,
                    installed=installed,
                    fixed=fixed,
                )
        return None

    def _by_package(self) -> Decision | None:
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
        runs = {"line": self.line.name, "component": component, "version": known[-1]}
        return State.NO, Phrase("%(line)s runs %(component)s %(version)s", **runs), True
