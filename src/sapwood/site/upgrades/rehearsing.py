"""The rehearsal: the upgrade run on a copy, measured, checked, and the copy thrown away whatever happens."""

import contextlib
import datetime as dt
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sapwood.core.errors import SapwoodError
from sapwood.formats.certificate import Table
from sapwood.site.upgrades.data import DatabaseUrl, Side, Subject, Verdict
from sapwood.site.upgrades.drivers.django import InsideError, ask
from sapwood.site.upgrades.planning import Plan, make_plan, measure_tables
from sapwood.site.upgrades.shadows import copy_sqlite, fingerprint

Say = Callable[[str], None]
Databases = Mapping[str, DatabaseUrl]
# One rehearsal says how this machine behaved once; by how much the next may differ is an assumption, shown as one.
SPREAD = (0.8, 1.5)
NO_SPACE_FACTOR = 3.2


class NoSpaceError(SapwoodError):
    """The disk has no room for the copies."""

    code = "upgrades.no_space"


@dataclass
class Rehearsal:
    """What a rehearsal found. Times are in seconds, sizes in bytes."""

    subject: str
    started_at: dt.datetime
    plan: Plan
    verdict: Verdict = Verdict.UNKNOWN
    reasons: list[str] = field(default_factory=list)
    migrations: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    untested: list[str] = field(default_factory=list)
    copy_s: float = 0.0
    copy_bytes: int = 0
    migrate_s: float = 0.0
    restore_s: float = 0.0
    tables: tuple[Table, ...] = ()
    certificate: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "subject": self.subject,
            "started_at": self.started_at.isoformat(),
            "plan": self.plan.digest,
            "verdict": self.verdict.value,
            "reasons": self.reasons,
            "predicted_downtime_s": _interval(self.copy_s + self.migrate_s),
            "predicted_rollback_s": _interval(self.restore_s),
            "migrations": self.migrations,
            "checks": self.checks,
            "failures": self.failures,
            "untested": self.untested,
            "shadow_technique": "file-copy",
            "shadow": {"seconds": self.copy_s, "bytes": self.copy_bytes},
            "isolation": "process",
            "certificate": self.certificate,
        }


def rehearse(subject: Subject, *, work: Path, now: dt.datetime, say: Say = lambda _line: None) -> Rehearsal:
    """Run the upgrade on a copy of the subject's database; the copy is removed, also after an error."""
    with _folder(work) as folder:
        say("reading both environments")
        found = Rehearsal(subject.name, now, make_plan(subject, folder / "plan"))
        sources = {alias: Path(url.name) for alias, url in subject.databases.items()}
        _enough_space(sources.values(), folder)
        say("copying the database")
        copies = {alias: copy_sqlite(source, folder / f"{alias}.sqlite3") for alias, source in sources.items()}
        found.copy_s = sum(copied.seconds for copied in copies.values())
        found.copy_bytes = sum(copied.size_bytes for copied in copies.values())
        shadow = {alias: copied.url for alias, copied in copies.items()}
        found.tables = measure_tables(subject, shadow, folder / "tables")
        before = _check(subject, subject.current, shadow, folder / "before", found, "before", say)
        for alias in shadow:
            _migrate(subject, alias, shadow, folder / "migrate", found, say)
        after = _check(subject, subject.target, shadow, folder / "after", found, "after", say)
        found.checks = list(_judged(before, after))
        say("measuring the way back")
        found.restore_s = sum(_restore(source, folder) for source in sources.values())
        _conclude(found)
        found.untested += [
            f"the rows of the database {alias}: only its migrations ran" for alias in shadow if alias != "default"
        ]
    return found


@contextlib.contextmanager
def _folder(work: Path) -> Iterator[Path]:
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in work.glob("shadow-*"):  # a rehearsal that was killed cannot clear up after itself
        with contextlib.suppress(ValueError, OSError):
            if not _alive(int(left.name.split("-")[1])):
                shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=f"shadow-{os.getpid()}-", dir=work))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _enough_space(sources: Iterable[Path], folder: Path) -> None:
    needed = int(sum(source.stat().st_size for source in sources if source.is_file()) * NO_SPACE_FACTOR)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpaceError(
            f"The copies need about {needed:,} bytes and {free:,} are free in {folder.parent}",
            hint="Free some space, or set SAPWOOD_VAR to a larger disk.",
        )


def _migrate(subject: Subject, alias: str, shadow: Databases, scratch: Path, found: Rehearsal, say: Say) -> None:
    classes = {migration.label: migration for migration in found.plan.migrations}
    began = time.perf_counter()
    try:
        for answer in ask(subject, subject.target, "migrate", databases=shadow, scratch=scratch, alias=alias):
            event, label = answer["event"], f"{answer.get('app')}.{answer.get('name')}"
            if event == "started":
                say(f"migrating {label} ({answer['number']} of {len(classes)})")
            elif event in {"done", "failed", "skipped"}:
                known = classes.get(label)
                row = {name: value for name, value in answer.items() if name != "event"}
                row |= {"outcome": event, "classes": list(known.classes) if known else ["unknown"], "algorithms": []}
                found.migrations.append(row)
                if event == "failed":
                    names = ("app", "name", "statement", "error_code", "after_failure")
                    failure = {name: answer.get(name) for name in names}
                    found.failures.append({"phase": "migrate", **failure, "remedy": "", "message": answer["message"]})
    except InsideError as error:
        found.failures.append(_broken("migrate", error))
    found.migrate_s += time.perf_counter() - began


def _check(  # noqa: PLR0913, PLR0917 - where, with what, for whom
    subject: Subject, side: Side, shadow: Databases, scratch: Path, found: Rehearsal, phase: str, say: Say
) -> list[dict[str, Any]]:
    say(f"checking the rows of every model, {phase} the upgrade")
    results: list[dict[str, Any]] = []
    names = ("id", "verdict", "model", "field", "detail")
    try:
        answers = ask(subject, side, "check", databases=shadow, scratch=scratch)
        results.extend({name: one[name] for name in names} for one in answers if one["event"] == "check")
    except InsideError as error:
        found.failures.append(_broken(f"check {phase}", error))
    return results


def _broken(phase: str, error: SapwoodError) -> dict[str, Any]:
    return {
        "phase": phase,
        "app": None,
        "name": None,
        "statement": None,
        "error_code": error.code,
        "remedy": error.hint,
        "after_failure": False,
        "message": error.message,
    }


def _judged(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """What fails now and failed before the upgrade too is no finding about the upgrade."""
    failed = {(row["id"], row["model"], row["field"]) for row in before if row["verdict"] == "fail"}
    for row in after:
        yield {**row, "before": "fail" if (row["id"], row["model"], row["field"]) in failed else "pass"}


def _restore(source: Path, folder: Path) -> float:
    """Seconds from a verified backup back to an equal database, the proof of equality included."""
    backup = copy_sqlite(source, folder / "backup.sqlite3")
    wanted = fingerprint(Path(backup.url.name))
    began = time.perf_counter()
    restored = copy_sqlite(Path(backup.url.name), folder / "restored.sqlite3")
    equal = fingerprint(Path(restored.url.name)) == wanted
    took = time.perf_counter() - began
    if not equal:
        raise SapwoodError("The restored copy differs from its backup", hint="Do not upgrade; check the disk.")
    return took


def _conclude(found: Rehearsal) -> None:
    reasons = [f"{row['phase']}: {_label(row)}{row['message']}" for row in found.failures]
    new = [row for row in found.checks if row["verdict"] == "fail" and row["before"] != "fail"]
    reasons += [f"{row['model']}.{row['field']}: {row['detail']}".replace(".:", ":") for row in new]
    reasons += [f"{problem['code']}: {problem['message']}" for problem in found.plan.problems]
    found.untested = [f"{row['model']}: {row['detail']}" for row in found.checks if row["verdict"] == "unknown"]
    if reasons:
        found.verdict, found.reasons = Verdict.NO_GO, reasons
    elif not any(row["verdict"] == "pass" for row in found.checks):
        found.verdict, found.reasons = Verdict.UNKNOWN, ["No model could be checked."]
    else:
        count = len(found.migrations)
        found.verdict, found.reasons = Verdict.GO, [f"{count} migrations ran and every model reads, finds and saves."]


def _label(row: Mapping[str, Any]) -> str:
    return f"{row['app']}.{row['name']}: " if row["app"] else ""


def _interval(seconds: float) -> dict[str, float]:
    return {
        "low": round(seconds * SPREAD[0], 3),
        "likely": round(seconds, 3),
        "high": round(seconds * SPREAD[1], 3),
    }
