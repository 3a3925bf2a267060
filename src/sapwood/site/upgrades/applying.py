"""The upgrade itself: steps in order, each in the journal before and after, and the way back.

Forward: a verified base backup while the site is up; early migrations that the rehearsal showed the running release to
survive; maintenance, workers stopped, nobody writing; the final backup, which is the point of return; the rest; the
switch; the checks; the end of maintenance, after which writes of users would be lost by a way back.

Each step may run again: whoever is killed anywhere goes on with `resume`, or back with `rollback`.
"""

import contextlib
import datetime as dt
import errno
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from sapwood.core.clock import Clock
from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades import journal as journals
from sapwood.site.upgrades import suites
from sapwood.site.upgrades.data import Stage, Subject
from sapwood.site.upgrades.drivers.django import ask, one
from sapwood.site.upgrades.engines.base import Backup, NoSpaceError, Say, engine_for, remove
from sapwood.site.upgrades.hooks import run_hook
from sapwood.site.upgrades.isolation import end_marked
from sapwood.site.upgrades.journal import Journal
from sapwood.site.upgrades.rehearsing import LOCK_WAITS, blockers_of, holder_words

FORWARD: Final = (
    "base_backup",
    "early",
    "maintenance_on",
    "stop",
    "quiet",
    "final_backup",
    "migrate",
    "switch",
    "start",
    "check",
    "maintenance_off",
)
BACK: Final = ("back_maintenance_on", "back_stop", "back_restore", "back_switch", "back_start", "back_maintenance_off")
SERVER_WAIT_S: Final = 120.0
QUIET_LOOKS_S: Final = 1.0
EARLY_HALF_DONE: Final = "an early migration is half done while the site is up"
PAUSE: Final = "pause"
SCRATCH: Final = "scratch"


class ApplyError(SapwoodError):
    """A step of the upgrade failed."""

    code = "upgrades.apply"


class NothingToDoError(SapwoodError):
    """There is no upgrade that could be gone on with or taken back."""

    code = "upgrades.nothing_to_do"
    exit_code = 2


class WritesLostError(SapwoodError):
    """A way back would lose what was written since, and nobody has accepted that."""

    code = "upgrades.writes_lost"
    exit_code = 3


class HalfDoneError(ApplyError):
    """A migration was interrupted where a database cannot take back a part of it."""

    code = "upgrades.half_done"


@dataclass(frozen=True)
class Status:
    """Where a run stands, from its journal. `may` are the commands that make sense now."""

    run: str
    stage: Stage
    step: str
    began_at: dt.datetime
    ended_at: dt.datetime | None
    message: str
    downtime_s: float | None
    rollback_s: float | None
    may: tuple[str, ...]
    warning: str = ""
    postponed: tuple[Mapping[str, Any], ...] = ()  # what earlier upgrades left for later, in `status` only

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "run": self.run,
            "stage": self.stage.value,
            "step": self.step,
            "began_at": self.began_at.isoformat(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "message": self.message,
            "downtime_s": self.downtime_s,
            "rollback_s": self.rollback_s,
            "may": list(self.may),
            "warning": self.warning,
            "postponed": [dict(row) for row in self.postponed],
        }


class Run:
    """One upgrade, from its journal: everything that it needs stands in the first entry."""

    def __init__(self, subject: Subject, journal: Journal, *, clock: Clock, say: Say) -> None:
        self.subject, self.journal, self.clock, self.say = subject, journal, clock, say
        self.begun = journal.entries[0].details

    # --- forward ----------------------------------------------------------------------------------------------------

    def forward(self) -> None:
        """Every step that is not done yet; on a failure the way back, as far as it may go by itself."""
        try:
            for step in FORWARD:
                if self.journal.has("done", step=step):
                    continue
                if step == "maintenance_on":
                    self.say("the last moment at which it can wait")
                if step == "maintenance_on" and (self.journal.folder / PAUSE).exists():
                    self.journal.write("paused")
                    self.say("paused before the site is closed")
                    return
                self._step(step)
        except (SapwoodError, OSError) as raised:
            error = _plain(raised)
            self.journal.write("failed", step=self._current(), **error.as_dict())
            self.say(f"failed: {error.message}")
            self._after_failure(error)
            return
        remove(self.journal.folder / SCRATCH)
        self.journal.write("finished", downtime_s=self._since("maintenance_on", "maintenance_off"))

    def _step(self, step: str) -> None:
        self.journal.write("started", step=step)
        self.say(STEP_WORDS[step])
        began = time.perf_counter()
        details = getattr(self, f"_do_{step}")() or {}
        self.journal.write("done", step=step, seconds=round(time.perf_counter() - began, 3), **details)

    def _after_failure(self, error: SapwoodError) -> None:
        if self.journal.has("started", step="maintenance_off"):
            self.journal.write("stopped", why="the site may be open to its users already")
        elif isinstance(error, HalfDoneError) and not self.journal.has("done", step="final_backup"):
            self.journal.write("stopped", why=EARLY_HALF_DONE)
        else:
            self.back()

    def _do_base_backup(self) -> dict[str, Any]:
        return self._backup("base")

    def _do_final_backup(self) -> dict[str, Any]:
        return self._backup("final")

    def _backup(self, kind: str) -> dict[str, Any]:
        made = {}
        for alias, url in self.subject.databases.items():
            backup = engine_for(url).backup(url, self.journal.folder / kind / alias, self.say)
            made[alias] = {"path": str(backup.path), "bytes": backup.size_bytes}
        return {"backups": made}

    def _do_early(self) -> dict[str, Any]:
        return self._migrate(self.begun["early"], signals=False)

    def _do_migrate(self) -> dict[str, Any]:
        return self._migrate([*self.begun["early"], *self.begun["rest"]], signals=True)

    def _migrate(self, labels: Sequence[str], *, signals: bool) -> dict[str, Any]:
        """Run these migrations, in the plan's order, each with its own lines in the journal."""
        if not labels and not signals:
            return {}
        self._refuse_half_done()
        scratch = self.journal.folder / SCRATCH
        count = 0
        for alias in self.subject.databases:
            given: dict[str, Any] = {"alias": alias, "stop": True, "signals": signals, "real": True}
            if alias == "default":
                given["only"] = list(labels)
            elif not signals:  # the plan speaks of the default database; what another one lacks runs with the rest
                continue
            answers = ask(
                self.subject, self.subject.target, "migrate", databases=self.subject.databases, scratch=scratch,
                level=None, **given,
            )  # fmt: skip
            with contextlib.closing(answers):  # whatever is heard, the migrator has ended before anything else happens
                for answer in answers:
                    count += self._heard(answer, alias, len(labels))
        return {"migrations": count}

    def _heard(self, answer: Mapping[str, Any], alias: str, total: int) -> int:
        event, label = answer["event"], f"{answer.get('app')}.{answer.get('name')}"
        if event == "started":
            self.journal.write("migration_started", label=label, alias=alias)
            self.say(f"migrating {label} ({answer['number']} of {total})")
        elif event == "done":
            self.journal.write("migration_done", label=label, alias=alias, seconds=round(answer["seconds"], 3))
            return 1
        elif event == "failed":
            holders = blockers_of(self.subject.databases[alias]) if answer["error_code"] in LOCK_WAITS else []
            message = "; ".join([answer["message"], *map(holder_words, holders)])
            whole = self._atomic(alias, label) or not answer["changes"]
            self.journal.write("migration_failed", label=label, alias=alias, message=message, taken_back=whole)
            error = ApplyError if whole else HalfDoneError
            raise error(f"The migration {label} failed: {message}", hint="The rehearsal did not show this.")
        return 0

    def _refuse_half_done(self) -> None:
        for alias, label in self.half_done():
            raise HalfDoneError(
                f"The migration {label} was interrupted, and {self.subject.databases[alias].vendor} cannot take "
                "back a part of it",
                hint="The way back is the point of return.",
            )

    def half_done(self) -> list[tuple[str, str]]:
        """Migrations that were begun and neither ended nor recorded: each may have left a part of itself."""
        half_done: list[tuple[str, str]] = []
        for alias in self.subject.databases:
            begun = {label for label in self._open_migrations(alias) if not self._atomic(alias, label)}
            if not begun:
                continue
            found = one(
                self.subject, self.subject.target, "plan", databases=self.subject.databases,
                scratch=self.journal.folder / SCRATCH, level=None, alias=alias,
            )  # fmt: skip
            pending = {f"{item['app']}.{item['name']}" for item in found["pending"]}
            half_done += [(alias, label) for label in sorted(begun & pending)]
        return half_done

    def _open_migrations(self, alias: str) -> set[str]:
        begun: set[str] = set()
        for entry in self.journal.entries:
            if entry.details.get("alias") == alias:
                label = str(entry.details.get("label"))
                if entry.event == "migration_started":
                    begun.add(label)
                elif entry.event == "migration_done" or entry.details.get("taken_back"):
                    begun.discard(label)
        return begun

    def _atomic(self, alias: str, label: str) -> bool:
        """Whether the database takes back all of a migration that did not end."""
        return bool(self.begun["atomic"].get(alias)) and label not in self.begun["not_atomic"]

    def _do_maintenance_on(self) -> None:
        self._hook("maintenance_on", "target")

    def _do_stop(self) -> None:
        self._hook("stop", "target")

    def _do_quiet(self) -> dict[str, Any]:
        """Prove that nobody writes: nobody else is connected, and two looks a moment apart see the same."""
        for alias, url in self.subject.databases.items():
            engine = engine_for(url)
            before = engine.position(url)
            time.sleep(QUIET_LOOKS_S)
            others = engine.others(url)
            if others:
                who = ", ".join(f"{other['who']} ({other['id']})" for other in others[:3])
                raise ApplyError(
                    f"Somebody still uses the database {alias}: {who}", hint="Let the hook stop end it, then try again."
                )
            if engine.position(url) != before:
                raise ApplyError(f"Something still writes to the database {alias}", hint="Let the hook stop end it.")
        return {}

    def _do_switch(self) -> None:
        self._hook("switch", "target")

    def _do_start(self) -> None:
        self._hook("start", "target")

    def _do_check(self) -> dict[str, Any]:
        """The rows of every model, with the new code; what failed before the upgrade too is no reason."""
        known = {tuple(row) for row in self.begun["known"]}
        answers = ask(
            self.subject, self.subject.target, "check", databases=self.subject.databases,
            scratch=self.journal.folder / SCRATCH, level=None,
        )  # fmt: skip
        failed = [
            answer
            for answer in answers
            if answer["event"] == "check"
            and answer["verdict"] == "fail"
            and (answer["id"], answer["model"], answer["field"]) not in known
        ]
        if failed and not self.begun["override"]:
            first = failed[0]
            raise ApplyError(
                f"After the upgrade {first['model']} {first['field']} fails: {first['detail']}",
                hint=f"{len(failed)} checks failed in all.",
            )
        return {"failed": len(failed), **self._look_at_site(known)}

    def _look_at_site(self, known: set[tuple[Any, ...]]) -> dict[str, Any]:
        """The packs, with what they can ask of the live address by reading; what they cannot judge is no reason."""
        found = suites.on_site(self.subject, self.journal.folder / SCRATCH, self.say)
        failed = [row for row in found.rows if row["verdict"] == "fail" and (row["id"], "", "") not in known]
        if failed and not self.begun["override"]:
            raise ApplyError(
                f"After the upgrade the check {suites.where(failed[0])} fails: {failed[0]['detail']}",
                hint=f"{len(failed)} checks failed in all.",
            )
        if not found.runs and not found.doubts:
            return {}
        return {"packs": found.runs, "packs_failed": len(failed), "packs_doubts": found.doubts}

    def _do_maintenance_off(self) -> None:
        self._hook("maintenance_off", "target")

    # --- back -------------------------------------------------------------------------------------------------------

    def back(self, *, to_base: bool = False) -> None:
        """The way back, as far as the forward way had come; what it needs is decided once and kept in the journal."""
        last = self.journal.last("back", "rolled_back")
        if last is None or last.event == "rolled_back" or (to_base and last.details["kind"] != "base"):
            restore = to_base or self.journal.has("started", step="migrate")
            closed = restore or self.journal.has("started", step="maintenance_on")
            self.journal.write(
                "back",
                kind="base" if to_base else "final" if restore else "",
                closed=closed,
                switched=self.journal.has("started", step="switch"),
            )
        plan = self._plan_back()
        try:
            for step in self._needed(plan):
                if not self._done_since_back(step):
                    self._step(step)
        except (SapwoodError, OSError) as raised:
            error = _plain(raised)
            self.journal.write("failed", step=self._current(), **error.as_dict())
            self.journal.write("stopped", why="the way back could not be finished; the site stays closed")
            self.say(f"the way back failed: {error.message}")
            return
        remove(self.journal.folder / SCRATCH)
        self.journal.write("rolled_back", seconds=self._since("back", "rolled_back"), equal=bool(plan["kind"]))

    def _plan_back(self) -> Mapping[str, Any]:
        entry = self.journal.last("back")
        return entry.details if entry else {}

    def _done_since_back(self, step: str) -> bool:
        decided = self.journal.last("back")
        done = self.journal.last_of("done", step)
        return done is not None and decided is not None and done.seq > decided.seq

    def _needed(self, plan: Mapping[str, Any]) -> Iterable[str]:
        if not plan["closed"]:
            return
        yield from ("back_maintenance_on", "back_stop")
        if plan["kind"]:
            yield "back_restore"
        if plan["switched"]:
            yield "back_switch"
        yield from ("back_start", "back_maintenance_off")

    def _do_back_maintenance_on(self) -> None:
        self._hook("maintenance_on", "current")

    def _do_back_stop(self) -> None:
        self._hook("stop", "current")

    def _do_back_restore(self) -> dict[str, Any]:
        """Each database exactly as in its backup, and proved so."""
        kind = str(self._plan_back()["kind"])
        end_marked(str(self.journal.folder / SCRATCH))
        for alias, url in self.subject.databases.items():
            engine = engine_for(url)
            self._wait_for(partial(engine.version, url))
            engine.restore(self._kept(kind, alias), url, self.say)
        return {"kind": kind, "equal": True}

    def _kept(self, kind: str, alias: str) -> Backup:
        done = self.journal.last_of("done", f"{kind}_backup")
        if done is None:
            raise ApplyError(f"There is no {kind} backup of this upgrade", hint="Look at its journal.")
        return engine_for(self.subject.databases[alias]).load_backup(Path(done.details["backups"][alias]["path"]))

    def _wait_for(self, ask_: Callable[[], object]) -> None:
        """A server that was killed takes its time to recover (12 s were measured)."""
        until = time.monotonic() + SERVER_WAIT_S
        while True:
            try:
                ask_()
            except SapwoodError:
                if time.monotonic() > until:
                    raise
                self.say("waiting for the database server")
                time.sleep(1)
            else:
                return

    def _do_back_switch(self) -> None:
        self._hook("switch", "current")

    def _do_back_start(self) -> None:
        self._hook("start", "current")

    def _do_back_maintenance_off(self) -> None:
        self._hook("maintenance_off", "current")

    def drop_backups(self) -> None:
        """Remove the backups of this run: they are kept until the next one begins."""
        for kind in ("base", "final"):
            remove(self.journal.folder / kind)

    # --- shared -----------------------------------------------------------------------------------------------------

    def _hook(self, name: str, towards: str) -> None:
        run_hook(self.subject, name, towards=towards, run=self.journal.run, log=self.journal.folder / "hooks.log")

    def _current(self) -> str:
        entry = self.journal.last("started")
        return str(entry.details["step"]) if entry else ""

    def _since(self, first: str, last: str) -> float | None:
        """Seconds from the beginning of one thing to the end of another, by the journal."""
        return between(self.journal, first, last, self.clock.now())


def _plain(error: SapwoodError | OSError) -> SapwoodError:
    """What an operator is told of a disk that is full or not ours to write."""
    if isinstance(error, SapwoodError):
        return error
    kind = NoSpaceError if error.errno in {errno.ENOSPC, errno.EDQUOT} else ApplyError
    where = f" ({error.filename})" if error.filename else ""
    return kind(f"A file cannot be written or read: {error.strerror or error}{where}", hint="Look at that disk.")


STEP_WORDS: Final = {
    "base_backup": "backing up while the site is up",
    "early": "running what the present release survives",
    "maintenance_on": "closing the site",
    "stop": "stopping the workers",
    "quiet": "proving that nobody writes",
    "final_backup": "backing up: the point of return",
    "migrate": "migrating",
    "switch": "switching to the new release",
    "start": "starting the new release",
    "check": "checking the rows of every model",
    "maintenance_off": "opening the site",
    "back_maintenance_on": "keeping the site closed",
    "back_stop": "stopping what runs",
    "back_restore": "restoring the backup and proving it equal",
    "back_switch": "switching back to the old release",
    "back_start": "starting the old release",
    "back_maintenance_off": "opening the site",
}


def between(journal: Journal, first: str, last: str, now: dt.datetime) -> float | None:
    """Seconds between the start of step or event `first` and the end of `last`, or now."""
    begun = next((one_ for one_ in journal.entries if _names(one_, "started", first)), None)
    ended = next((one_ for one_ in journal.entries if _names(one_, "done", last)), None)
    if begun is None:
        return None
    return round(max(0.0, ((ended.at if ended else now) - begun.at).total_seconds()), 3)  # a clock may be set back


def _names(entry: journals.Entry, event: str, name: str) -> bool:
    return entry.event == name or (entry.event == event and entry.details.get("step") == name)


def status_of(journal: Journal, *, busy: bool, now: dt.datetime) -> Status:
    """Where a run stands."""
    entries, begun = journal.entries, journal.entries[0]
    over = journal.last("finished", "rolled_back", "stopped", "paused", "resumed", "back")
    failure = journal.last("failed")
    step = next((str(one_.details["step"]) for one_ in reversed(entries) if one_.event in {"started", "done"}), "")
    stage, may = Stage.RUNNING, tuple[str, ...]()
    if not busy:
        stage, may = _ended(over.event if over is entries[-1] else "")
        back_failed = stage is Stage.STOPPED and journal.last("back")
        if (back_failed or stage is Stage.ROLLED_BACK) and journal.has("done", step="base_backup"):
            may += ("rollback --to-base",)
    warnings = []
    if stage is Stage.STOPPED and entries[-1].details["why"] == EARLY_HALF_DONE:
        may = ("rollback --to-base",)
    if stage is Stage.STOPPED:
        warnings.append(f"It stopped: {entries[-1].details['why']}.")
    if journal.has("started", step="maintenance_off") and not journal.has("rolled_back"):
        warnings.append("A way back would lose what was written since the site was opened.")
    return Status(
        run=journal.run,
        stage=stage,
        step=step,
        began_at=begun.at,
        ended_at=entries[-1].at if stage in {Stage.DONE, Stage.ROLLED_BACK} else None,
        message=str(failure.details["message"]) if failure and stage is not Stage.DONE else "",
        downtime_s=between(journal, "maintenance_on", "maintenance_off", now) if stage is Stage.DONE else None,
        rollback_s=between(journal, "back", "back_maintenance_off", now) if stage is Stage.ROLLED_BACK else None,
        may=may,
        warning=" ".join(warnings),
    )


def _ended(event: str) -> tuple[Stage, tuple[str, ...]]:
    return {
        "finished": (Stage.DONE, ("rollback",)),
        "rolled_back": (Stage.ROLLED_BACK, ()),
        "stopped": (Stage.STOPPED, ("resume", "rollback")),
        "paused": (Stage.PAUSED, ("resume", "rollback")),
    }.get(event, (Stage.INTERRUPTED, ("resume", "rollback")))
