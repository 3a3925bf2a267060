"""The tutor driver: local deployments made by Tutor, read without a container engine.

Each side's own Tutor is asked, confined and on a copy of the configuration, what it would do with this root. What it
would give to the container engine is written down, never run. No step of these was ever seen to run on a real site,
so a plan is at most unknown.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

from sapwood.core.clock import Clock
from sapwood.core.errors import UsageError
from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.formats.catalogue import Catalogue, find_line, find_release, shipped_release
from sapwood.formats.exposure import Leg, Standing, find_way, stand
from sapwood.site.facts import api as facts_api
from sapwood.site.upgrades import forks
from sapwood.site.upgrades.applying import Run
from sapwood.site.upgrades.costs import published_on
from sapwood.site.upgrades.data import Subject, Verdict
from sapwood.site.upgrades.drivers import tutor_looks, tutor_steps
from sapwood.site.upgrades.drivers.base import Asked, Command, Driver, Looked, Planned, Store
from sapwood.site.upgrades.drivers.container import missing_engine, require_engine
from sapwood.site.upgrades.drivers.running import InsideError, answers
from sapwood.site.upgrades.drivers.tutor_applying import TutorRun
from sapwood.site.upgrades.drivers.tutor_rehearsing import rehearse_tutor
from sapwood.site.upgrades.drivers.tutor_sides import Hop, Seen, Tutor, difference
from sapwood.site.upgrades.engines.base import Say
from sapwood.site.upgrades.foretold import learn_and_keep
from sapwood.site.upgrades.isolation import Level, confinement
from sapwood.site.upgrades.journal import Journal
from sapwood.site.upgrades.planning import Plan
from sapwood.site.upgrades.preflight import Outcome, Preflight, answered
from sapwood.site.upgrades.rehearsing import Rehearsal
from sapwood.site.upgrades.scratch import private_folder
from sapwood.site.upgrades.subject import SubjectError

INSIDE: Final = Path(__file__).with_name("inside_tutor.py")
LIMIT_S: Final = 120.0
VERDICTS: Final = {
    Outcome.PASS: Verdict.GO,
    Outcome.UNKNOWN: Verdict.UNKNOWN,
    Outcome.FAIL: Verdict.NO_GO,
}


class TutorDriver(Driver):
    """Local deployments made by Tutor."""

    name = "tutor"

    @override
    def facts(self, subject: Subject, asked: Asked) -> Mapping[str, Any]:
        seen = _look(subject, asked)
        return {
            "site": seen.facts.to_dict(),
            "current": seen.current.to_dict(),
            "target": seen.target.to_dict(),
            "via": [tutor.to_dict() for tutor in seen.via],
            "container_engine": seen.no_engine or "there",
        }

    @override
    def stores(self, subject: Subject, asked: Asked) -> tuple[Store, ...]:
        return tutor_steps.stores(_look(subject, asked))

    @override
    def commands(self, subject: Subject, asked: Asked) -> tuple[Command, ...]:
        return tutor_steps.commands(_look(subject, asked))

    @override
    def plan(self, subject: Subject, asked: Asked) -> Planned:
        seen = _look(subject, asked)
        reports, steps, stores = forks.reports_of(subject), tutor_steps.commands(seen), tutor_steps.stores(seen)
        before = _judged(seen, asked, reports)
        diff, frozen = difference(seen.current, seen.target), _frozen(seen)
        hints = published_on([(leg.hop.start, leg.hop.end) for leg in seen.legs], seen.catalogue)
        data: dict[str, Any] = {
            "from": seen.start,
            "to": seen.goal,
            "tutor": {"current": seen.current.version, "target": seen.target.version},
            "facts": seen.facts.to_dict(),
            "path": [leg.to_dict() for leg in seen.legs],
            "path_why": str(seen.path_why),
            "steps": [step.to_dict() for step in steps],
            "published": [hint.to_dict() for hint in hints],
            "plugins": tutor_looks.plugins(seen),
            "configuration": diff,
            "forks": [report.to_dict() for report in reports],
            "stores": [store.to_dict() for store in stores],
            "irreversible": [
                {"store": store.name, "what": what, "way_back": store.restore or store.no_way_back}
                for store in stores
                for what in store.irreversible
            ],
            "preflight": before.to_dict(),
            "container_engine": seen.no_engine or "there",
            "unverified": tutor_looks.NEVER_RUN,
        }
        data |= {"parts": dict(frozen.parts), "digest": frozen.digest}
        verdict = VERDICTS[before.verdict]
        if verdict is Verdict.GO and any(step.unverified for step in steps):
            verdict = Verdict.UNKNOWN  # no waiver makes a go of what was never run
        data["verdict"] = verdict.value
        lines = _lines(seen, before, steps, stores, diff)
        return Planned(verdict, data, (*lines, *forks.lines(reports), *(hint.line for hint in hints)))

    @override
    def preflight(self, subject: Subject, asked: Asked) -> Preflight:
        return _judged(_look(subject, asked), asked, forks.reports_of(subject))

    @override
    def require_rehearsal(self, subject: Subject) -> None:
        require_engine()

    @override
    def freeze(self, subject: Subject, asked: Asked) -> Plan:
        return _frozen(_look(subject, asked))

    @override
    def look(self, subject: Subject, asked: Asked, *, count: bool = False) -> Looked:
        seen, reports = _look(subject, asked), forks.reports_of(subject)
        told = {
            "path": [leg.to_dict() for leg in seen.legs],
            "forks": [report.to_dict() for report in reports],
        }
        return Looked(_frozen(seen), None, _judged(seen, asked, reports), (), told)

    @override
    def rehearse(self, subject: Subject, asked: Asked, say: Say) -> Rehearsal:
        if asked.masking:
            raise UsageError(
                "The copy of a Tutor site cannot be masked yet",
                hint="Rehearse it without --mask, on a machine that may see its data.",
            )
        if asked.masking:  # never a copy with the values of people, when one without them was asked for
            raise UsageError(
                "The copy of a Tutor site cannot be masked yet", hint="Rehearse without --mask, or not at all."
            )
        require_engine()
        say("reading both environments")
        seen = _look(subject, asked)
        found = rehearse_tutor(subject, asked, seen, _frozen(seen), tutor_steps.commands(seen), say)
        return learn_and_keep(found, subject, asked.work)

    @override
    def upgrade(self, subject: Subject, journal: Journal, clock: Clock, say: Say) -> Run:
        return TutorRun(subject, journal, clock=clock, say=say)


def _frozen(seen: Seen) -> Plan:
    """What must not change between the look, the rehearsal and the button, and what the button needs to know of it."""
    steps, stores = tutor_steps.commands(seen), tutor_steps.stores(seen)
    parts: dict[str, Any] = {
        "facts": seen.facts.to_dict(),
        "path": [[leg.to_dict() for leg in seen.legs], [step.to_dict() for step in steps]],
        "packages": [seen.current.to_dict(), seen.target.to_dict(), [tutor.to_dict() for tutor in seen.via]],
        "settings": [seen.config_sha256, difference(seen.current, seen.target)],
        "stores": [[store.name, store.kind, store.no_way_back, list(store.irreversible)] for store in stores],
    }

    def side(tutor: Tutor) -> dict[str, Any]:
        images = {name.removeprefix("DOCKER_IMAGE_").lower(): image for name, image in tutor.images.items()}
        databases = {
            name: {"vendor": image.rpartition(":")[0], "version": image.rpartition(":")[2], "atomic_ddl": False}
            for name, image in images.items()
            if name in {"mysql", "mongodb"}
        }
        return {"tutor": tutor.version, "release": tutor.release, "databases": databases}

    return Plan(
        seen.subject.name,
        side(seen.current),
        side(seen.target),
        (),
        (),
        {name: sha256_hex(canonical_bytes(part)) for name, part in parts.items()},
        {
            "root": str(seen.root),
            "project": seen.current.project,
            "image": seen.current.images.get("DOCKER_IMAGE_OPENEDX", ""),
            "programs": [str(seen.current.program), str(seen.target.program)],
            "steps": [{"id": step.id, "title": step.title, "argv": list(step.argv)} for step in steps],
            "stores": [store.to_dict() | {"place": tutor_steps.place_of(store)} for store in stores],
        },
    )


def _judged(seen: Seen, asked: Asked, reports: tuple[forks.Report, ...]) -> Preflight:
    return answered((*tutor_looks.findings(seen), *forks.findings_of(reports)), asked.waivers)


def _lines(
    seen: Seen, before: Preflight, steps: tuple[Command, ...], stores: tuple[Store, ...], diff: Mapping[str, Any]
) -> Iterator[str]:
    yield f"{seen.start or 'unknown'} > {seen.goal or 'unknown'}, Tutor {seen.current.version} > {seen.target.version}"
    for leg in seen.legs:
        yield f"hop  {leg.hop.start} > {leg.hop.release or leg.hop.end}"
        for risk in leg.risks:
            yield f"  risk     {risk.state.value:<8}  {risk.part.title} [{risk.part.id}]"
    for step in steps:
        does = " ".join(step.argv) if step.automated else "by hand"
        unsure = "" if step.applies == "yes" else " (may not apply)"
        yield f"step {step.when:<7} {step.place:<10} {step.title}{unsure}: {does}"
    for kind in ("added", "removed", "changed"):
        for item in diff[kind]:
            values = (
                f": {item.get('before', '?')} > {item.get('after', '?')}" if {"before", "after"} & set(item) else ""
            )
            yield f"setting {kind:<8} {item['name']}{values}"
    for store in stores:
        size = f"{store.size_bytes:,} bytes" if store.size_bytes is not None else "size unknown"
        way = f"NO WAY BACK: {store.no_way_back}" if store.no_way_back else store.restore
        yield f"store    {store.name:<14} {store.kind:<14} {size}; {way}"
        for what in store.irreversible:
            yield f"  cannot be undone in place: {what}"
    for finding in before.findings:
        if finding.outcome is not Outcome.PASS:
            yield finding.line


@dataclass(frozen=True)
class _Side:
    """The Tutor of a side: the program that is run, and the interpreter that has it."""

    program: Path
    python: Path


def _programs(given: Path, key: str) -> _Side:
    """Both may be named: the program (or a link to it), or the interpreter."""
    folder = given.parent if given.name.startswith("python") else Path(os.path.realpath(given)).parent
    side = _Side(folder / "tutor", folder / "python")
    for path in (side.program, side.python):
        if not os.access(path, os.X_OK):
            raise SubjectError(
                f"{key} names no Tutor in a Python environment: {path} cannot be run",
                hint="Name bin/tutor or bin/python of an environment that was made with pip, pipx or uv.",
            )
    return side


def _look(subject: Subject, asked: Asked) -> Seen:
    """Ask the files and each Tutor; the folder with the copy of the configuration is removed at once."""
    if subject.root is None or subject.current.tutor is None or subject.target.tutor is None:
        raise SubjectError("root, current.tutor and target.tutor are needed", hint="See the how-to on Tutor sites.")
    current = _programs(subject.current.tutor, "current.tutor")
    target = _programs(subject.target.tutor, "target.tutor")
    between = [_programs(path, "via") for path in subject.via]
    facts = facts_api.inspect_root(subject.root, plugins_root=subject.plugins_root, python=current.python)
    catalogue = facts_api.catalogue_at_hand(asked.catalogue)
    with private_folder(asked.work) as folder:
        config = _copied(subject.root, folder / "root")
        salt = secrets.token_hex(16)

        def ask(side: _Side, name: str, **more: str) -> Tutor:
            return _ask(subject, side, folder / name, root=folder / "root", salt=salt, **more)

        here, there = ask(current, "current"), ask(target, "target")
        via = [ask(side, f"via-{number}") for number, side in enumerate(between)]
        bumped = _major(facts.distribution_version("tutor")) != _major(here.version)
        standing = _standing(here, catalogue) if bumped else stand(facts, catalogue)
        goal = asked.to or _release(there, catalogue)
        legs, why = find_way(facts, catalogue, standing, asked.now.date(), to=goal)
        hops = tuple(_hops(legs, [*via, there], catalogue))
        recorded = []
        for number, hop in enumerate(hops):
            tutor, source = hop.tutor, hop.source(here, hops[:number])
            side = next((side for side, it in zip([*between, target], [*via, there], strict=True) if it is tutor), None)
            if tutor is not None and side is not None and hop.leg.hop.kind == "line":
                asked_again = ask(side, f"hop-{number}", from_release=source)
                recorded.append(Hop(hop.leg, tutor, asked_again.upgrade, source))
            else:
                recorded.append(hop)
    return Seen(
        subject=subject,
        facts=facts,
        catalogue=catalogue,
        start=standing.name or (standing.line.name if standing.line else ""),
        goal=goal or "",
        legs=legs,
        path_why=why,
        current=here,
        target=there,
        via=tuple(via),
        hops=tuple(recorded),
        bumped=bumped,
        config_sha256=sha256_hex(config),
        no_engine=missing_engine(),
    )


def _ask(subject: Subject, side: _Side, scratch: Path, *, root: Path, salt: str, from_release: str = "") -> Tutor:
    """One Tutor's answer; it can neither write outside its folder nor reach any network or socket."""
    scratch.mkdir(mode=0o700)
    nothing = scratch / "plugins"
    nothing.mkdir()
    request = scratch / "request.json"
    request.write_bytes(
        canonical_bytes(
            {
                "root": str(root),
                "plugins_root": str(subject.plugins_root or nothing),
                "salt": salt,
                "from_release": from_release,
            }
        )
    )
    kept = {name: os.environ[name] for name in ("PATH", "TZ", "LD_LIBRARY_PATH") if name in os.environ}
    found = list(
        answers(
            [side.python, "-I", INSIDE, request],
            scratch / "tutor.log",
            cwd=scratch,
            environment={
                **kept,
                "HOME": str(scratch),
                "TMPDIR": str(scratch),
                "LC_ALL": "C.UTF-8",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            confined=confinement(Level.READING, databases={}, production=(), scratch=scratch),
            limit_s=LIMIT_S,
        )
    )
    if len(found) != 1 or found[0]["event"] != "tutor":
        raise InsideError(f"{side.program} gave no answer", hint="Does this Tutor read the root by itself?")
    return Tutor.from_answer(found[0], program=side.program)


def _copied(root: Path, folder: Path) -> bytes:
    """What each Tutor reads instead of the root: its configuration alone, in a private folder."""
    folder.mkdir(mode=0o700)
    text = facts_api.TutorRoot(root).text("config.yml")
    if text is None:
        raise SubjectError(
            f"config.yml in {root} cannot be read", hint="Name the folder of `tutor config printroot`, readable here."
        )
    content = text.encode()
    descriptor = os.open(folder / "config.yml", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return content


def _major(version: str | None) -> str:
    return (version or "").partition(".")[0]


def _release(tutor: Tutor, catalogue: Catalogue) -> str | None:
    """What a Tutor installs by default: the release that it pins, where the catalogue knows it, or its line."""
    found = find_release(catalogue, tutor.pinned)
    if found:
        return found[1].version
    shipped = shipped_release(catalogue, "tutor", tutor.version)
    if shipped and find_release(catalogue, shipped.release):
        return shipped.release
    return tutor.release if find_line(catalogue, tutor.release) else None


def _line_name(tutor: Tutor, catalogue: Catalogue) -> str:
    found = find_release(catalogue, _release(tutor, catalogue))
    return found[0].name if found else tutor.release


def _standing(tutor: Tutor, catalogue: Catalogue) -> Standing:
    """Where a site stands by its present Tutor alone: its rendered files are of another."""
    found = find_release(catalogue, _release(tutor, catalogue))
    line = found[0] if found else find_line(catalogue, tutor.release)
    return Standing(line, found[1] if found else None, "release" if found else "line", "")


def _hops(legs: tuple[Leg, ...], tutors: list[Tutor], catalogue: Catalogue) -> Iterator[Hop]:
    """Each hop with the Tutor that installs its line; None where the subject file names none."""
    for leg in legs:
        goal = leg.hop.end if leg.hop.kind == "line" else find_release(catalogue, leg.hop.end)
        line = goal if isinstance(goal, str) else goal[0].name if goal else ""
        yield Hop(leg, next((tutor for tutor in tutors if _line_name(tutor, catalogue) == line), None))
