"""What stands in the way of a Tutor site's upgrade: each look under a name that stays, unknown never a pass."""

from typing import Any, Final

from sapwood.formats.catalogue import version_key
from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades.drivers.tutor_sides import Seen
from sapwood.site.upgrades.drivers.tutor_steps import by_hand, commands
from sapwood.site.upgrades.preflight import Finding, Outcome
from sapwood.site.upgrades.ways import part_findings

NEVER_RUN: Final = (
    "No step of this plan was ever run by Sapwood on a real Tutor site, nor against a real MySQL 8 or MongoDB",
)
SHOWN: Final = 8


def findings(seen: Seen) -> tuple[Finding, ...]:
    """Everything looked at, in this order."""
    looks = (
        _path,
        _target,
        _environment,
        _order,
        _site,
        _plugins,
        _pins,
        _patches,
        _images,
        _settings,
        _engine,
        _by_hand,
        _tried,
    )
    return (*(look(seen) for look in looks), *part_findings(seen.legs))


def plugins(seen: Seen) -> list[dict[str, Any]]:
    """Every enabled plugin, its version on both sides, and whether the target has it."""
    rows = []
    for name in seen.current.enabled:
        here, there = seen.current.plugins.get(name, {}), seen.target.plugins.get(name)
        rows.append(
            {
                "name": name,
                "current": here.get("version"),
                "target": (there or {}).get("version"),
                "in_target": there is not None and name in seen.target.loaded,
                "pins": list((there or {}).get("pins", ())),
            }
        )
    return rows


def _found(name: str, outcome: Outcome, detail: str, remedy: str = "") -> Finding:
    return Finding(name, outcome, Phrase.verbatim(detail), Phrase.verbatim(remedy))


def _some(words: Any) -> str:
    listed = [str(word) for word in words]
    return ", ".join(listed[:SHOWN]) + (f" (+{len(listed) - SHOWN})" if len(listed) > SHOWN else "")


def _path(seen: Seen) -> Finding:
    name = "tutor.path"
    if not seen.legs:
        if seen.start and seen.start == seen.goal:
            return _found(name, Outcome.PASS, f"The site is on {seen.start} already: there is nothing to do")
        remedy = "Name a newer Tutor in [target], or a release of the catalogue with --to."
        return _found(name, Outcome.FAIL, f"No way is known: {seen.path_why}", remedy)
    barriers = [hop.leg.hop.end for hop in seen.hops if hop.tutor is None and hop.leg.hop.kind == "point"]
    if barriers:
        remedy = "Name a Tutor that installs it under via, or upgrade to it first."
        return _found(name, Outcome.FAIL, f"The site must pass through {_some(barriers)} first", remedy)
    skipped = [hop.leg.hop.end for hop in seen.hops if hop.tutor is None]
    if skipped:
        remedy = "Name the Tutor of each under via: Tutor runs the migrations of the last release only."
        detail = f"Releases are skipped whose own steps cannot run then: {_some(skipped)}"
        return _found(name, Outcome.UNKNOWN, detail, remedy)
    return _found(name, Outcome.PASS, f"{len(seen.legs)} hops, each with the Tutor that makes it")


def _target(seen: Seen) -> Finding:
    name = "tutor.target"
    last = seen.hops[-1] if seen.hops else None
    if last is not None and last.tutor is not seen.target:
        detail = f"Tutor {seen.target.version} of [target] does not install {seen.goal}"
        return _found(name, Outcome.FAIL, detail, "Name the Tutor of that release in [target], or another --to.")
    wanted = last.leg.hop.release if last else None
    if wanted and wanted != seen.target.pinned:
        detail = f"Tutor {seen.target.version} installs {seen.target.pinned or 'a release that it does not name'}"
        remedy = f"Take a newer Tutor, or --to {seen.target.pinned}." if seen.target.pinned else ""
        return _found(name, Outcome.UNKNOWN, f"{detail}, the way leads to {wanted}", remedy)
    return _found(name, Outcome.PASS, f"Tutor {seen.target.version} installs {seen.target.pinned}")


def _environment(seen: Seen) -> Finding:
    """Whether `config save` of a newer Tutor came before the upgrade: Tutor would then skip its own steps."""
    name, rendered = "tutor.environment", seen.facts.distribution_version("tutor")
    if rendered is None:
        return _found(
            name, Outcome.UNKNOWN, "Nothing says which Tutor rendered the environment", "Is env/version there?"
        )
    if seen.bumped:
        detail = f"The environment was rendered by Tutor {rendered}, the site runs Tutor {seen.current.version}"
        remedy = (
            f"Run `config save` of Tutor {seen.current.version} again; as it stands, launch skips the upgrade's steps,"
            " and a restart starts new code on old data."
        )
        return _found(name, Outcome.FAIL, detail, remedy)
    return _found(name, Outcome.PASS, f"The environment is of Tutor {rendered}")


def _order(seen: Seen) -> Finding:
    here, there = version_key(seen.current.version), version_key(seen.target.version)
    if here is None or there is None:
        return _found("tutor.order", Outcome.UNKNOWN, "A version of Tutor cannot be read")
    if there < here:
        detail = f"Tutor {seen.target.version} is older than {seen.current.version}"
        return _found("tutor.order", Outcome.FAIL, detail, "Going back is a restore, not an upgrade.")
    return _found("tutor.order", Outcome.PASS, "The target is not older")


def _site(seen: Seen) -> Finding:
    if seen.facts.mismatches:
        said = _some(item["message"] for item in seen.facts.mismatches)
        return _found("site.mismatches", Outcome.UNKNOWN, f"The site's files contradict each other: {said}")
    if (seen.facts.build or {}).get("kind") != "tag":
        detail = "The site does not run a release as it was published: the catalogue cannot speak for it"
        return _found("site.mismatches", Outcome.UNKNOWN, detail, "See `sapwood fork status` for what a fork carries.")
    return _found("site.mismatches", Outcome.PASS, "The site's files agree with each other")


def _plugins(seen: Seen) -> Finding:
    name = "plugins.in_target"
    lost = [row["name"] for row in plugins(seen) if not row["in_target"]]
    if lost:
        remedy = "Install each plugin's release for the target there, or disable it first."
        if seen.subject.plugins_root is None:
            remedy += " Is it a file? Then name plugins_root."
        return _found(
            name, Outcome.FAIL, f"The target's Tutor has no working plugin of the name: {_some(lost)}", remedy
        )
    broken = [one for one in seen.current.enabled if one not in seen.current.loaded]
    if broken:
        return _found(name, Outcome.UNKNOWN, f"The present Tutor cannot load: {_some(broken)}", "Name plugins_root.")
    return _found(name, Outcome.PASS, f"The target has every enabled plugin: {_some(seen.current.enabled)}")


def _pins(seen: Seen) -> Finding:
    broken = [f"{row['name']} {row['target']} requires {_some(row['pins'])}" for row in plugins(seen) if row["pins"]]
    if broken:
        return _found("plugins.pins", Outcome.FAIL, _some(broken), "Install the plugins' releases for the target.")
    return _found("plugins.pins", Outcome.PASS, "The enabled plugins' packages allow the target's Tutor")


def _patches(seen: Seen) -> Finding:
    here, there = seen.current.places, seen.target.places
    lost = [name for name in seen.current.own_patches if name in here and name not in there]
    if lost:
        detail = f"The target's templates have no place for the patches: {_some(lost)}"
        return _found(
            "patches.place", Outcome.FAIL, detail, "Rename them in your plugin, else they are left out silently."
        )
    return _found("patches.place", Outcome.PASS, "The target has a place for every patch of the site's own plugins")


def _images(seen: Seen) -> Finding:
    """An image whose name the configuration fixes stays the old one, unless somebody builds it anew."""
    name = "images.rebuilt"
    fixed = [key for key in seen.current.chosen if key in seen.current.images]
    before, after = seen.current.images, seen.target.images
    same = [f"{key} = {before[key]}" for key in fixed if before[key] == after.get(key)]
    if seen.current.version != seen.target.version and same:
        remedy = (
            "Give it a tag of the new release and build it with the target's Tutor; keep the old one for the way back."
        )
        return _found(name, Outcome.FAIL, f"config.yml fixes images that stay the old ones: {_some(same)}", remedy)
    if (seen.facts.build or {}).get("mounted"):
        return _found(name, Outcome.UNKNOWN, "A mounted checkout runs instead of what the image holds")
    return _found(name, Outcome.PASS, "Every image changes with Tutor, or is fixed to one that differs")


def _settings(seen: Seen) -> Finding:
    old, new = seen.current.settings, seen.target.settings
    lost = [name for name in seen.current.chosen if name in old and name not in new]
    if lost:
        detail = f"config.yml sets what the target does not read: {_some(lost)}"
        return _found("settings.lost", Outcome.UNKNOWN, detail, "Look in the release notes for what took its place.")
    return _found(
        "settings.lost", Outcome.PASS, "The target reads every setting of config.yml that the present Tutor reads"
    )


def _engine(seen: Seen) -> Finding:
    if seen.no_engine:
        detail = f"Nothing in the containers was looked at: {seen.no_engine}"
        return _found("engine.containers", Outcome.UNKNOWN, detail, "Run this where the site runs.")
    return _found(
        "engine.containers", Outcome.UNKNOWN, "Nothing in the containers was looked at: that cannot be done yet"
    )


def _by_hand(seen: Seen) -> Finding:
    name, steps = "steps.by_hand", by_hand(commands(seen))
    if not steps:
        return _found(name, Outcome.PASS, "Nothing has to be done by hand between Tutor's own steps")
    sure = any(step.applies == "yes" for step in steps)
    detail = f"The button cannot do what a person does between its steps: {_some(step.title for step in steps)}"
    remedy = "See each in the plan; where it is done already, or need not be, waive this and say so."
    return _found(name, Outcome.FAIL if sure else Outcome.UNKNOWN, detail, remedy)


def _tried(seen: Seen) -> Finding:
    if not seen.hops:
        return _found("plan.verified", Outcome.PASS, "There is nothing to run")
    return _found("plan.verified", Outcome.UNKNOWN, NEVER_RUN[0], "Try it on a copy of the site first.")
