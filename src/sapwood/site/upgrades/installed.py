"""The packages of both sides: what changes, what a target's package requires that is not there, what is left behind."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from sapwood.formats.phrase import NO_WORDS, Phrase
from sapwood.site.upgrades.preflight import Finding, Outcome

SHOWN = 5
REQUIRES, LEFT_BEHIND = "packages.requires", "packages.left_behind"
Said = Mapping[str, Any]


@dataclass(frozen=True)
class Package:
    """One package on both sides. `pins` are what it requires and the target has not; `apps` those that it brings."""

    name: str
    current: str | None
    target: str | None
    pins: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    migrated: bool = False

    @property
    def change(self) -> str:
        """What becomes of it."""
        if self.target is None:
            return "removed"
        if self.current is None:
            return "added"
        return "same" if self.current == self.target else "changed"

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "change": self.change,
            "current": self.current,
            "target": self.target,
            "pins": list(self.pins),
            "apps": list(self.apps),
            "migrated": self.migrated,
        }


def compare(current: Said, target: Said, applied: frozenset[str]) -> tuple[Package, ...]:
    """Every package that changes, and every one that does not fit the target though it fitted before.

    `applied` are the labels of applied migrations. What the running side broke already is no finding.
    """
    here, there = _by_name(current), _by_name(target)
    before, after = _missing(current, here), _missing(target, there)
    migrated = {label.partition(".")[0] for label in applied}
    homes: dict[str, list[str]] = {}
    for label, home in current["apps"].items():
        if home and label not in target["apps"]:
            homes.setdefault(canonicalize_name(home), []).append(label)
    found = []
    for name in sorted({*here, *there}):
        old, new = here.get(name), there.get(name)
        if new is None:
            pins = _unmet(here[name], there, target["markers"])  # why it could not come along
        else:
            pins = [pin for pin in after[name] if pin not in before.get(name, ())]
        row = Package(
            name,
            old["version"] if old else None,
            new["version"] if new else None,
            tuple(pins),
            tuple(homes.get(name, ())) if new is None else (),
            new is None and any(label in migrated for label in homes.get(name, ())),
        )
        if row.change != "same" or row.pins:
            found.append(row)
    return tuple(found)


def findings_of(packages: tuple[Package, ...]) -> Iterator[Finding]:
    """What is required and is not there, and what is left behind with its rows."""
    broken = [row for row in packages if row.target is not None and row.pins]
    if broken:
        words = _some([f"{row.name} {row.target} requires {', '.join(row.pins[:SHOWN])}" for row in broken])
        yield _found(
            REQUIRES,
            Outcome.FAIL,
            Phrase("Packages of the target do not fit each other: %(packages)s", packages=words),
            Phrase("Install their releases for the target."),
        )
    else:
        yield _found(REQUIRES, Outcome.PASS, Phrase("The target's packages fit each other"))
    lost = [row for row in packages if row.migrated]
    if lost:
        words = _some([f"{row.name} {row.current}{_because(row)}" for row in lost])
        yield _found(
            LEFT_BEHIND,
            Outcome.FAIL,
            Phrase("Packages whose tables are in the database are not in the target: %(packages)s", packages=words),
            Phrase("Install the plugin's release for the target, or remove the plugin first."),
        )
    else:
        yield _found(LEFT_BEHIND, Outcome.PASS, Phrase("No package that has tables is left behind"))


def unknown(refused: Exception) -> Iterator[Finding]:
    """What is not known where a side refuses to say what it is."""
    for name in (REQUIRES, LEFT_BEHIND):
        yield _found(name, Outcome.UNKNOWN, Phrase("The target refuses: %(reason)s", reason=Phrase.of(refused)))


def lines(packages: tuple[Package, ...]) -> Iterator[str]:
    """For a terminal: what is only new is in the JSON."""
    for row in packages:
        if row.change != "added":
            pins = f"; requires {', '.join(row.pins)}" if row.pins else ""
            yield f"package  {row.change:<8} {row.name} {row.current} > {row.target or 'not there'}{pins}"


def _because(row: Package) -> str:
    return f" (requires {', '.join(row.pins[:SHOWN])})" if row.pins else ""


def _found(name: str, outcome: Outcome, detail: Phrase, remedy: Phrase = NO_WORDS) -> Finding:
    return Finding(name, outcome, detail, remedy, of_plan=True)


def _some(words: list[str]) -> str:
    return "; ".join(words[:SHOWN]) + (f" (+{len(words) - SHOWN})" if len(words) > SHOWN else "")


def _by_name(side: Said) -> dict[str, Said]:
    return {canonicalize_name(name): one for name, one in side["distributions"].items()}


def _missing(side: Said, there: Mapping[str, Said]) -> dict[str, list[str]]:
    return {name: _unmet(one, there, side["markers"]) for name, one in there.items()}


def _unmet(one: Said, there: Mapping[str, Said], markers: Mapping[str, str]) -> list[str]:
    """What a package requires and an environment has not; what cannot be read is nobody's finding."""
    found = []
    python = one.get("python")
    if python and not _fits(str(python), markers["python_full_version"]):
        found.append(f"Python {python}")
    for text in one.get("requires") or ():
        try:
            wanted = Requirement(str(text))
            if wanted.marker and not wanted.marker.evaluate({**markers, "extra": ""}):
                continue
        except (InvalidRequirement, UndefinedEnvironmentName):
            continue
        has = there.get(canonicalize_name(wanted.name))
        if has is None or not _fits(str(wanted.specifier), str(has["version"])):
            found.append(f"{wanted.name}{wanted.specifier}")
    return found


def _fits(specifier: str, version: str) -> bool:
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True
