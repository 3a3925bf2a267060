"""The rehearsal of a Tutor site: the edge's own steps, by the target's Tutor, on a second project that reaches nothing.

The databases are dumped from the site while it runs and loaded into the shadow, or their files are copied while it is
stopped. Then everything that the button would do is done to the shadow, and timed.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sapwood.core.errors import SapwoodError
from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades.data import Subject, Verdict
from sapwood.site.upgrades.drivers import container
from sapwood.site.upgrades.drivers.base import Asked, Command
from sapwood.site.upgrades.drivers.tutor_looks import NEVER_RUN
from sapwood.site.upgrades.drivers.tutor_place import (
    DAY_S,
    PLATFORM,
    PREPARES,
    Place,
    PlaceError,
    closed,
    program_of,
    stores_of,
    words_of,
)
from sapwood.site.upgrades.drivers.tutor_shadow import require_isolated, require_no_way_out, secret_values, shadow_of
from sapwood.site.upgrades.drivers.tutor_sides import Seen
from sapwood.site.upgrades.drivers.tutor_steps import kind_of
from sapwood.site.upgrades.engines.base import Say, require_room
from sapwood.site.upgrades.planning import Plan
from sapwood.site.upgrades.rehearsing import Rehearsal, judged, verdict_of
from sapwood.site.upgrades.remedies import remedy
from sapwood.site.upgrades.scratch import private_folder

ROOM_FACTOR: Final = 3.2  # the dumps, the shadow's data, and the backup of these
LOG: Final = "rehearsal-of-containers.log"  # of the last one: the shadow's folder does not outlive it
COPIED: Final = frozenset({"uploads"})
DATABASES: Final = frozenset({"sql", "mongodb"})
UNMEASURED: Final = {"rows": None, "bytes_delta": None, "algorithms": [], "classes": ["unknown"], "tables": []}
HELD: Final = (
    "the network: a container of the shadow found no way out, this machine's own ports included",
    "the site's containers, folders, ports and volumes: the shadow has its own, as compose says before each start",
    "queues and workers: the shadow's queue starts empty and no worker is started",
    "mail: nothing that delivers it can be reached",
)
NOT_HELD: Final = (
    "names: the engine may ask this machine's resolver for what a container looks up",
    "Tutor and its plugins, which run as this account, on the shadow's root",
    "building and fetching images, which use the network as they do for the site",
)


def rehearse_tutor(
    subject: Subject, asked: Asked, seen: Seen, plan: Plan, steps: tuple[Command, ...], say: Say
) -> Rehearsal:
    """Run the upgrade on a shadow; it is removed, also after an error. Without an engine raises NoEngineError."""
    container.require_engine()
    with private_folder(asked.work) as folder:
        found = Rehearsal(subject.name, asked.now, plan, subject_file=str(subject.path))
        log = asked.work / LOG
        log.unlink(missing_ok=True)
        found.waivers = [{"name": name, "reason": reason} for name, reason in asked.waivers.items()]
        sizes = [store["size_bytes"] for store in plan.details["stores"]]
        require_room(folder, int(sum(size or 0 for size in sizes) * ROOM_FACTOR))
        if None in sizes:
            found.untested.append(Phrase("whether the disk has room: the size of a store is not known"))
        site = Place(
            seen.root, seen.current.project, folder / "site", subject.plugins_root, secret_values(seen.root),
            seen.current.images.get("DOCKER_IMAGE_OPENEDX", ""), log,
        )  # fmt: skip
        site.folder.mkdir(mode=0o700)
        up = bool(site.running())
        physical = subject.technique == "physical" or (subject.technique == "auto" and not up)
        if physical and up:
            raise PlaceError(
                Phrase("The files of databases that run cannot be copied"),
                hint=Phrase("Stop the site, or leave shadow.technique at auto: then they are dumped."),
            )
        if not physical and not up:
            raise PlaceError(
                Phrase("Databases that do not run cannot be dumped"),
                hint=Phrase("Start the site, or leave shadow.technique at auto: then their files are copied."),
            )
        found.technique = "physical" if physical else "logical"
        found.technique_why = (
            Phrase("the site is stopped")
            if physical
            else Phrase("the site runs, and files of a running server are not whole")
        )
        with shadow_of(seen, folder, keep_passwords=physical, log=log) as (shadow, secrets):
            found.isolation = {"kind": "containers", "held": list(HELD), "not_held": list(NOT_HELD), "why": ""}
            found.secrets = secrets
            _Rehearsing(seen, site, shadow, found, say).run(steps, physical=physical)
    _conclude(found)
    return found


class _Rehearsing:
    """One run on one shadow."""

    def __init__(self, seen: Seen, site: Place, shadow: Place, found: Rehearsal, say: Say) -> None:
        self.seen, self.site, self.shadow, self.found, self.say = seen, site, shadow, found, say
        self.tutor = seen.current.program  # the last one that ran

    def run(self, steps: tuple[Command, ...], *, physical: bool) -> None:
        self.say("copying the site")
        began = time.perf_counter()
        self._copy(physical=physical)
        self.found.copy_s = time.perf_counter() - began
        self.found.known = {
            (row["id"], row["model"], row["field"]) for row in self._check("before") if row["verdict"] == "fail"
        }
        self.shadow.stop(self.tutor)
        self.say("backing up the copy, as the button would")
        began = time.perf_counter()
        backup = self.shadow.folders("replace", self._data, self._kept)
        self.found.backup_s = time.perf_counter() - began
        self._steps(steps)
        began = time.perf_counter()
        after = self._check("after")
        self.found.check_s = time.perf_counter() - began
        broken = bool(self.found.failures)
        self.found.checks = [{**row, "after_failure": broken} for row in judged(self.found.known, after)]
        self._way_back(backup)

    @property
    def _data(self) -> Path:
        return self.shadow.root / "data"

    @property
    def _kept(self) -> Path:
        return self.shadow.folder / "backup"

    def _copy(self, *, physical: bool) -> None:
        """What the site keeps, into the shadow: databases by dump or by their files, uploads by their files."""
        shadow, site, current = self.shadow, self.site, self.seen.current.program
        require_isolated(shadow, current)
        for store in self.found.plan.details["stores"]:
            place = store["place"]
            if place and (store["kind"] in COPIED or (physical and store["kind"] in DATABASES)):
                shadow.folders("replace", site.root / place, shadow.root / place)
            elif store["kind"] not in {*DATABASES, "configuration"}:
                self.found.untested.append(Phrase("%(store)s: it starts empty in the copy", store=store["name"]))
        model = shadow.model(current)
        shadow.start(current, stores_of(model))
        kinds = {kind_of(str(one.get("image", ""))): name for name, one in model["services"].items()}
        if "mysql" in model["services"]:
            shadow.wait_for_sql()
        else:
            self.found.untested.append(Phrase("SQL: it is run by others, and no copy of it can be made here"))
        if "mongodb" in kinds:
            shadow.wait_for_mongodb()
        if not physical:
            self._dump_and_load(model)
        self.found.copy_bytes = _bytes(self._data)
        shadow.tutor(current, "local", "do", "init", "--limit=mysql", limit_s=3600)
        shadow.start(current, closed(model))
        require_no_way_out(shadow, current)

    def _dump_and_load(self, model: Mapping[str, Any]) -> None:
        shadow, site = self.shadow, self.site
        for service, dump, load in (
            ("mysql", site.dump_sql, shadow.load_sql),
            ("mongodb", site.dump_mongodb, shadow.load_mongodb),
        ):
            if service in model["services"]:
                self.say(f"copying {service}")
                path = shadow.folder / f"{service}.dump"
                dump(path)
                load(path)
                path.unlink()

    def _steps(self, steps: tuple[Command, ...]) -> None:
        """Everything that the button does between the backup and the opening, on the shadow's root."""
        for step in steps:
            name = step.id.partition(".")[2]
            if step.id in {"1.stop", "1.backup"} or name == "open":
                continue  # the shadow is stopped and backed up already, and is never opened
            if not step.automated:
                self.found.untested.append(Phrase("%(step)s: a person does it", step=step.title))
                continue
            self.say(f"running {step.id}: {step.title}")
            began, program = time.perf_counter(), program_of(step.argv)
            try:
                if name in {"upgrade", "start", "init"}:
                    require_isolated(self.shadow, program)
                if name == "init":
                    self._migrate(program)
                self._one(step, name, program)
            except SapwoodError as error:
                self.found.failures.append(_failure("migrate", error, step))
                return
            finally:
                took = time.perf_counter() - began
                self.tutor = program
                if name in PREPARES:  # the button does these while the site is up
                    self.found.early_s += took
                    self.found.early = (*self.found.early, step.id)
                self.found.migrate_s += took

    def _one(self, step: Command, name: str, program: Path) -> None:
        if name == "stop":
            self.shadow.stop(program)
        elif name == "start":
            self.shadow.start(program, closed(self.shadow.model(program)))
        elif name == "pull":
            self.shadow.pull(program)
        else:
            self.shadow.tutor(program, *words_of(step.argv), limit_s=DAY_S)

    def _migrate(self, program: Path) -> None:
        """The migrations one by one, before Tutor runs what is left of its initialisation."""
        self.shadow.wait_for_sql()
        for service in PLATFORM:
            for answer in self._answers(program, service, "migrate"):
                event = answer.get("event")
                if event in {"done", "failed", "skipped"}:
                    row = {name: value for name, value in answer.items() if name not in {"event", "ddl"}}
                    times = {"seconds": None, "sql_seconds": None, "state_seconds": None, "after_failure": True}
                    self.found.migrations.append(
                        {**times, **row, **UNMEASURED, "outcome": event, "database": "default"}
                    )
                if event == "failed":
                    self.found.failures.append(_failed_migration(answer))

    def _check(self, phase: str) -> list[dict[str, Any]]:
        self.say(f"checking the rows of every model, {phase} the upgrade")
        names = ("id", "verdict", "model", "field", "detail")
        try:
            return [
                {name: answer[name] for name in names}
                for answer in self._answers(self.tutor, PLATFORM[0], "check")
                if answer.get("event") == "check"
            ]
        except SapwoodError as error:
            self.found.failures.append(_failure(f"check {phase}", error))
            return []

    def _answers(self, program: Path, service: str, verb: str) -> Iterator[dict[str, Any]]:
        yield from self.shadow.inside(program, service, verb)

    def _way_back(self, backup: str) -> None:
        """Take the upgraded shadow back to its backup and prove it equal, as the button would."""
        self.say("measuring the way back")
        began = time.perf_counter()
        try:
            self.shadow.stop(self.tutor)
            if self.shadow.folders("replace", self._kept, self._data) != backup:
                raise PlaceError(
                    Phrase("The restored folders differ from the backup"), hint=Phrase("Look at that disk.")
                )
        except SapwoodError as error:
            self.found.failures.append(_failure("way back", error))
        self.found.restore_s = time.perf_counter() - began


def _bytes(folder: Path) -> int:
    found = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            found += path.lstat().st_size if path.is_file() else 0
    return found


def _failure(phase: str, error: SapwoodError, step: Command | None = None) -> dict[str, Any]:
    message = Phrase.joined(": ", [step.title, error.message]) if step else error.message
    nothing: dict[str, Any] = {"app": None, "name": None, "statement": None, "after_failure": False}
    return {"phase": phase, **nothing, "error_code": error.code, "remedy": error.hint, "message": message}


def _failed_migration(answer: Mapping[str, Any]) -> dict[str, Any]:
    names = ("app", "name", "statement", "error_code", "after_failure", "held_back")
    half = len(answer.get("ddl", ())) > 1  # MySQL takes nothing on the schema back
    what = remedy(answer.get("error_code"), str(answer["message"]), half_done=half, held_back=bool(answer["held_back"]))
    kept = {name: answer.get(name) for name in names}
    return {"phase": "migrate", **kept, "remedy": what, "message": answer["message"], "half_done": half}


def _conclude(found: Rehearsal) -> None:
    """What was found speaks against the upgrade; what was not found speaks for nothing, as long as it is unverified."""
    verdict_of(found)
    found.untested += [
        Phrase("the models that the CMS alone has: their migrations ran, their rows were not checked"),
        Phrase("which algorithm the server takes for each statement, and how much each table grew"),
    ]
    if found.verdict is Verdict.GO:
        found.verdict = Verdict.UNKNOWN
        found.reasons = [NEVER_RUN[0], *found.reasons]
