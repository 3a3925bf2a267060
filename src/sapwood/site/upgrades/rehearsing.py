"""The rehearsal: the upgrade run on a copy, measured, checked, and the copy thrown away whatever happens."""

import contextlib
import datetime as dt
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sapwood.core.errors import SapwoodError
from sapwood.formats.certificate import Table
from sapwood.site.upgrades.data import DatabaseUrl, Side, Subject, Verdict
from sapwood.site.upgrades.drivers.django import InsideError, ask
from sapwood.site.upgrades.engines.base import Say, choose, engine_for, require_room, same_release
from sapwood.site.upgrades.isolation import Kind, described, probe
from sapwood.site.upgrades.planning import Plan, make_plan, measure_tables
from sapwood.site.upgrades.scratch import private_folder

Databases = Mapping[str, DatabaseUrl]
# One rehearsal says how this machine behaved once; by how much the next may differ is an assumption, shown as one.
SPREAD = (0.8, 1.5)
# A statement gave up waiting for a lock: MySQL family, PostgreSQL.
LOCK_WAITS = {1205, "55P03"}
NO_SPACE_FACTOR = 3.2  # the copy, what an ALTER writes beside it, and the backup


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
    doubts: list[str] = field(default_factory=list)
    technique: str = ""
    technique_why: str = ""
    isolation: dict[str, Any] = field(default_factory=lambda: described(probe()))
    copy_s: float = 0.0
    backup_s: float = 0.0
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
            "predicted_downtime_s": _interval(self.backup_s + self.migrate_s),
            "predicted_rollback_s": _interval(self.restore_s),
            "migrations": self.migrations,
            "checks": self.checks,
            "failures": self.failures,
            "untested": self.untested,
            "shadow_technique": self.technique,
            "technique_why": self.technique_why,
            "shadow": {"seconds": self.copy_s, "bytes": self.copy_bytes},
            "isolation": self.isolation["kind"],
            "isolation_detail": {**self.isolation, "secrets": self.plan.target.get("secrets", {})},
            "certificate": self.certificate,
        }


def rehearse(subject: Subject, *, work: Path, now: dt.datetime, say: Say = lambda _line: None) -> Rehearsal:
    """Run the upgrade on a copy of the subject's database; the copy is removed, also after an error."""
    with private_folder(work) as folder:
        say("reading both environments")
        found = Rehearsal(subject.name, now, make_plan(subject, folder / "plan"))
        require_room(folder, int(sum(map(_size, subject.databases.values())) * NO_SPACE_FACTOR))
        with contextlib.ExitStack() as stack:
            say("copying the database")
            shadow = {
                alias: stack.enter_context(_shadow(subject, url, folder / alias, found, say))
                for alias, url in subject.databases.items()
            }
            found.tables = measure_tables(subject, shadow, folder / "tables")
            before = _check(subject, subject.current, shadow, folder / "before", found, "before", say)
            for alias in shadow:
                _migrate(subject, alias, shadow, folder / "migrate", found, say)
            after = _check(subject, subject.target, shadow, folder / "after", found, "after", say)
            found.checks = list(_judged(before, after))
            say("measuring the way back")
            for alias, url in subject.databases.items():
                _way_back(url, shadow[alias], folder / f"{alias}-backup", found, say)
        _conclude(found)
        found.untested += [
            f"the rows of the database {alias}: only its migrations ran" for alias in shadow if alias != "default"
        ]
    return found


def _size(url: DatabaseUrl) -> int:
    return engine_for(url).size(url)


@contextlib.contextmanager
def _shadow(subject: Subject, url: DatabaseUrl, folder: Path, found: Rehearsal, say: Say) -> Iterator[DatabaseUrl]:
    engine = engine_for(url)
    technique = choose(engine, url, folder, subject.technique)
    found.technique, found.technique_why = technique.name, technique.why
    with engine.shadow(url, folder, technique.name, say) as copied:
        found.copy_s += copied.seconds
        found.copy_bytes += copied.size_bytes
        here, there = engine.version(copied.url), engine.version(url)
        if not same_release(here, there):
            found.doubts.append(f"The copy ran on {here}, the subject runs on {there}: times and errors may differ.")
        yield copied.url


def _migrate(subject: Subject, alias: str, shadow: Databases, scratch: Path, found: Rehearsal, say: Say) -> None:
    classes = {migration.label: migration for migration in found.plan.migrations}
    began, running = time.perf_counter(), "the settings"
    try:
        for answer in ask(subject, subject.target, "migrate", databases=shadow, scratch=scratch, alias=alias):
            event, label = answer["event"], f"{answer.get('app')}.{answer.get('name')}"
            if event == "started":
                running = label
                say(f"migrating {label} ({answer['number']} of {len(classes)})")
            elif event == "alive":
                say(f"still migrating {running}")
            elif event == "held":
                found.untested.append(f"{running} wanted the {answer['wanted']}, which was held back")
            elif event in {"done", "failed", "skipped"}:
                known = classes.get(label)
                row = {name: value for name, value in answer.items() if name != "event"}
                row |= {"outcome": event, "classes": list(known.classes) if known else ["unknown"], "algorithms": []}
                found.migrations.append(row)
                if event == "failed":
                    names = ("app", "name", "statement", "error_code", "after_failure", "held_back")
                    failure = {name: answer.get(name) for name in names}
                    blockers = _blockers(shadow[alias]) if failure["error_code"] in LOCK_WAITS else []
                    message = "; ".join([answer["message"], *map(_holder, blockers)])
                    more = {"remedy": "", "message": message, "blockers": blockers}
                    found.failures.append({"phase": "migrate", **failure, **more})
    except InsideError as error:
        found.failures.append(_broken("migrate", error))
    found.migrate_s += time.perf_counter() - began


def _blockers(url: DatabaseUrl) -> list[dict[str, Any]]:
    with contextlib.suppress(SapwoodError):
        return [dict(row) for row in engine_for(url).blockers(url)]
    return []


def _holder(row: Mapping[str, Any]) -> str:
    return f"connection {row['id']} of {row['who']} has held a transaction open for {row['seconds']} s ({row['what']})"


def _check(  # noqa: PLR0913, PLR0917 - where, with what, for whom
    subject: Subject, side: Side, shadow: Databases, scratch: Path, found: Rehearsal, phase: str, say: Say
) -> list[dict[str, Any]]:
    say(f"checking the rows of every model, {phase} the upgrade")
    results: list[dict[str, Any]] = []
    names = ("id", "verdict", "model", "field", "detail")
    try:
        answers = ask(subject, side, "check", databases=shadow, scratch=scratch)
        for one in answers:
            if one["event"] == "check":
                results.append({name: one[name] for name in names})
            elif one["event"] == "held":
                found.untested.append(f"the models, {phase}, wanted the {one['wanted']}, which was held back")
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


def _way_back(url: DatabaseUrl, shadow: DatabaseUrl, folder: Path, found: Rehearsal, say: Say) -> None:
    """Back up the subject, and take its upgraded copy back to that: what the button would do, timed."""
    engine = engine_for(url)
    try:
        backup = engine.backup(url, folder, say)
        found.backup_s += backup.seconds
        found.restore_s += engine.restore(backup, shadow, say)
    except SapwoodError as error:  # no way back is a finding, not an end
        found.failures.append(_broken("way back", error))


def _conclude(found: Rehearsal) -> None:
    # A migration that failed for want of what was held back may do well in production: that is not known.
    held = [row for row in found.failures if row.get("held_back")]
    sure = [row for row in found.failures if row not in held and not (held and row["after_failure"])]
    reasons = [f"{row['phase']}: {_label(row)}{row['message']}" for row in sure]
    new = [row for row in found.checks if row["verdict"] == "fail" and row["before"] != "fail"]
    reasons += [f"{row['model']}.{row['field']}: {row['detail']}".replace(".:", ":") for row in new]
    reasons += [f"{problem['code']}: {problem['message']}" for problem in found.plan.problems]
    found.untested += [f"{row['model']}: {row['detail']}" for row in found.checks if row["verdict"] == "unknown"]
    if found.isolation["kind"] == Kind.PROCESS:
        found.untested += [f"not held back: {what}" for what in found.isolation["not_held"]]
    if held and not sure:
        found.verdict = Verdict.UNKNOWN
        found.reasons = [f"{_label(row)}what it does outside the database was held back, and it failed" for row in held]
    elif reasons:
        found.verdict, found.reasons = Verdict.NO_GO, reasons
    elif found.doubts:
        found.verdict, found.reasons = Verdict.UNKNOWN, found.doubts
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
