"""The rehearsal: the upgrade run on a copy, measured, checked, and the copy thrown away whatever happens."""

import contextlib
import datetime as dt
import shlex
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sapwood.core.errors import SapwoodError
from sapwood.formats.certificate import Table
from sapwood.site.checks.data import Safety
from sapwood.site.upgrades import suites
from sapwood.site.upgrades.data import DatabaseUrl, PendingMigration, Side, Subject, Verdict
from sapwood.site.upgrades.drivers.django import InsideError, ask
from sapwood.site.upgrades.engines.base import Backup, Say, choose, engine_for, require_room, same_release
from sapwood.site.upgrades.forecasting import Spread
from sapwood.site.upgrades.isolation import Kind, described, probe
from sapwood.site.upgrades.masking import worth
from sapwood.site.upgrades.masking.masks import Masked, mask, meanings_of, prepare
from sapwood.site.upgrades.planning import Plan, counted, make_plan
from sapwood.site.upgrades.preflight import Outcome, Preflight
from sapwood.site.upgrades.probing import Algorithms, any_blocks_writes, empty_copy
from sapwood.site.upgrades.remedies import remedy
from sapwood.site.upgrades.scratch import private_folder
from sapwood.site.upgrades.sizes import Measured, named, spread, table_rows

Databases = Mapping[str, DatabaseUrl]
Known = Collection[tuple[str, str, str]]
ADDS: Final = frozenset({"expand", "neutral"})
MOVES_ROWS: Final = frozenset({"data", "unknown"})
TAKES_AWAY: Final = frozenset({"contract", "neutral"})
# What shows most that a site is broken comes first; the rest keeps its order.
WEIGHTS: Final = ("models.table", "models.lookup", "models.schema", "models.read", "models.save", "models.insert")
# A statement gave up waiting for a lock: MySQL family, PostgreSQL.
LOCK_WAITS = {1205, "55P03"}
NOT_MEASURED: Final = {"seconds": None, "sql_seconds": None, "state_seconds": None, "after_failure": True}
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
    early: tuple[str, ...] = ()
    postponable: tuple[str, ...] = ()
    known: set[tuple[str, str, str]] = field(default_factory=set)
    checks: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    packs: list[dict[str, Any]] = field(default_factory=list)
    untested: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    technique: str = ""
    technique_why: str = ""
    isolation: dict[str, Any] = field(default_factory=lambda: described(probe()))
    secrets: Mapping[str, list[str]] = field(default_factory=dict)
    probes: Mapping[str, Algorithms] = field(default_factory=dict)
    ddl: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # by database and migration; not in the report
    copy_s: float = 0.0
    backup_s: float = 0.0
    copy_bytes: int = 0
    migrate_s: float = 0.0
    early_s: float = 0.0
    check_s: float = 0.0
    restore_s: float = 0.0
    tables: tuple[Table, ...] = ()
    sizes: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    # By how much the next time may differ from this one, for what users feel and for the way back.
    spreads: dict[str, Spread] = field(default_factory=lambda: {"downtime": Spread(), "rollback": Spread()})
    waivers: list[dict[str, str]] = field(default_factory=list)
    before: Preflight | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    subject_file: str = ""
    certificate: str | None = None
    masked: Masked | None = None

    @property
    def downtime_s(self) -> float:
        """What users would feel: the final backup, the migrations that wait for it, and the checks."""
        return self.backup_s + self.migrate_s - (self.early_s if self.early else 0.0) + self.check_s

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "subject": self.subject,
            "started_at": self.started_at.isoformat(),
            "plan": self.plan.digest,
            "verdict": self.verdict.value,
            "reasons": self.reasons,
            "predicted_downtime_s": self.spreads["downtime"].around(self.downtime_s),
            "predicted_rollback_s": self.spreads["rollback"].around(self.restore_s),
            "interval_basis": {name: spread.to_dict() for name, spread in self.spreads.items()},
            "samples": self.samples,
            "seconds": {
                "copy": self.copy_s,
                "backup": self.backup_s,
                "migrate": self.migrate_s,
                "early": self.early_s if self.early else 0.0,
                "check": self.check_s,
                "restore": self.restore_s,
            },
            "migrations": self.migrations,
            "early": list(self.early),
            "postponable": list(self.postponable),
            "steps": self._steps(),
            "tables": self.sizes,
            "checks": self.checks,
            "packs": self.packs,
            "failures": self.failures,
            "untested": self.untested,
            "shadow_technique": self.technique,
            "technique_why": self.technique_why,
            "shadow": {"seconds": self.copy_s, "bytes": self.copy_bytes},
            "isolation": self.isolation["kind"],
            "isolation_detail": {**self.isolation, "secrets": self.secrets or self.plan.target.get("secrets", {})},
            "problems": [dict(problem) for problem in self.plan.problems],
            "preflight": self.before.to_dict() if self.before else None,
            "waivers": [finding.to_dict() for finding in self.before.answered] if self.before else self.waivers,
            **self.about,
            "engines": self.plan.engines,
            "certificate": self.certificate,
            "masking": worth.described(self.masked, self.migrations, self.checks) if self.masked else None,
            "next": self._next(),
        }

    def _steps(self) -> list[dict[str, Any]]:
        """What the button does, in its order; seconds are None for what is the operator's own and was not run."""
        early = [{"step": "early", "part": "open", "seconds": self.early_s}] if self.early else []
        closed: dict[str, float | None] = {
            "close": None,
            "final_backup": self.backup_s,
            "migrate": self.migrate_s - (self.early_s if self.early else 0),
            "switch": None,
            "check": self.check_s,
            "open": None,
        }
        return [
            {"step": "base_backup", "part": "open", "seconds": self.backup_s},
            *early,
            *({"step": step, "part": "closed", "seconds": seconds} for step, seconds in closed.items()),
            {"step": "restore", "part": "back", "seconds": self.restore_s},
        ]

    def _next(self) -> str:
        if not self.subject_file:
            return ""
        if self.certificate:
            return shlex.join(["sapwood", "upgrade", "apply", self.subject_file, "--certificate", self.certificate])
        return shlex.join(["sapwood", "upgrade", "rehearse", self.subject_file, "--report", "report"])


def rehearse(  # noqa: PLR0913 - what, where, for whom, and what is known already
    subject: Subject,
    *,
    work: Path,
    now: dt.datetime,
    say: Say = lambda _line: None,
    plan: Plan | None = None,
    before: Preflight | None = None,
    about: Mapping[str, Any] | None = None,
    masking: bool = False,
) -> Rehearsal:
    """Run the upgrade on a copy of the subject's database; the copy is removed, also after an error.

    `before` is what was looked at: what of it is about the plan counts in the verdict, the rest is only told.
    With `masking`, personal data in the copy are replaced before anything of the subject runs on it.
    """
    suites.require(subject)
    with private_folder(work) as folder:
        say("reading both environments")
        planned = plan or make_plan(subject, folder / "plan")
        found = Rehearsal(subject.name, now, planned, subject_file=str(subject.path), before=before, about=about or {})
        require_room(folder, int(sum(map(_size, subject.databases.values())) * NO_SPACE_FACTOR))
        meanings = prepare(subject, folder / "columns", say) if masking else {}
        with contextlib.ExitStack() as stack:
            say("copying the database")
            shadow = {
                alias: stack.enter_context(_shadow(subject, url, folder / alias, found, say))
                for alias, url in subject.databases.items()
            }
            if masking:
                found.masked = mask(subject, shadow, meanings, folder, say)
            # A real backup would bring the real values back: what is taken back then is the masked copy.
            early = shadow if masking else {}
            backups = {alias: _backed_up(url, folder / f"{alias}-backup", found, say) for alias, url in early.items()}
            found.probes = {
                alias: stack.enter_context(empty_copy(url, folder / f"{alias}-probe")) for alias, url in shadow.items()
            }
            rows = _check(subject, subject.current, shadow, folder / "before", found, "before", say)
            first = suites.on_shadow(subject, subject.current, shadow, folder / "packs-before", Safety.S0, say)
            rows += first.rows
            found.known = {(row["id"], row["model"], row["field"]) for row in rows if row["verdict"] == "fail"}
            sizes = {alias: tables_of(url) for alias, url in shadow.items()}
            _upgrade(subject, shadow, folder, found, say)
            for alias, url in shadow.items():
                rows = table_rows(alias, sizes[alias], tables_of(url))
                spread([row for row in found.migrations if row["database"] == alias], rows)
                found.sizes += rows
            began = time.perf_counter()
            after = _check(subject, subject.target, shadow, folder / "after", found, "after", say)
            found.check_s = time.perf_counter() - began
            last = suites.on_shadow(subject, subject.target, shadow, folder / "packs", Safety.S3, say)
            after += last.rows
            found.packs, found.doubts = last.runs, found.doubts + last.doubts
            found.untested += last.untested
            if subject.base_url:  # the button has those that only read look again, while the site is closed
                found.check_s += sum(row["seconds"] for row in last.rows if row["safety"] == Safety.S0)
            broken = any(row["phase"] == "migrate" for row in found.failures)
            found.checks = [{**row, "after_failure": broken} for row in judged(found.known, after)]
            if found.masked is not None:
                meanings = meanings_of(subject, subject.target, folder / "columns")
                found.checks = found.masked.marked(found.checks, meanings)
            say("measuring the way back")
            for alias, url in subject.databases.items():
                backup = backups[alias] if masking else _backed_up(url, folder / f"{alias}-backup", found, say)
                _way_back(backup, shadow[alias], found, say)
        verdict_of(found)
        found.untested += [
            f"the rows of the database {alias}: only its migrations ran" for alias in shadow if alias != "default"
        ]
    return found


def _upgrade(subject: Subject, shadow: Databases, folder: Path, found: Rehearsal, say: Say) -> None:
    """The migrations in the order in which the button would run them, with what each part asks of the code beside it.

    First what only adds: if the present release goes on with it, the button may run that while the site is up. Last
    what only takes away: if the new release does without, it may wait.
    """
    everything = [migration.label for migration in found.plan.migrations]
    first, last = expanding(found.plan.migrations), contracting(found.plan.migrations)
    middle = [label for label in everything if label not in {*first, *last}]
    done = set()
    if first:
        run_migrations(subject, "default", shadow, folder / "migrate", found, say, only=first, signals=False)
        found.early_s = found.migrate_s
        rows = _check(subject, subject.current, shadow, folder / "old-on-new", found, "half-way through", say)
        done |= set(first)
        if not found.failures and not any(new_failures(found.known, rows)):
            found.early = first
    if last and (first or middle):
        run_migrations(subject, "default", shadow, folder / "migrate", found, say, only=middle, signals=False)
        rows = _check(subject, subject.target, shadow, folder / "new-before-last", found, "before the last of", say)
        done |= set(middle)
        if not found.failures and not any(new_failures(found.known, rows)):
            found.postponable = last
    for alias in shadow:
        rest = {"only": [label for label in everything if label not in done]} if alias == "default" and done else {}
        run_migrations(subject, alias, shadow, folder / "migrate", found, say, **rest)


def expanding(migrations: Sequence[PendingMigration]) -> tuple[str, ...]:
    """What may run first: migrations that only add, with everything that they depend on, in the plan's order."""
    found: list[str] = []
    pending = {migration.label for migration in migrations}
    for migration in migrations:
        if set(migration.classes) <= ADDS and not (set(migration.depends_on) & pending) - set(found):
            found.append(migration.label)
    adds = any("expand" in migration.classes for migration in migrations if migration.label in found)
    return tuple(found) if adds else ()


def contracting(migrations: Sequence[PendingMigration]) -> tuple[str, ...]:
    """What may run last: migrations that only take away, with everything that depends on them.

    That they are unsafe for the release that they leave behind is no matter once the new one runs.
    """
    found: list[str] = []
    for migration in reversed(migrations):
        after = {other.label for other in migrations if migration.label in other.depends_on}
        allowed = TAKES_AWAY | ({"unsafe"} if "contract" in migration.classes else set())
        if set(migration.classes) <= allowed and after <= set(found):
            found.append(migration.label)
    takes = any("contract" in migration.classes for migration in migrations if migration.label in found)
    return tuple(reversed(found)) if takes else ()


def _size(url: DatabaseUrl) -> int:
    return engine_for(url).size(url)


def tables_of(url: DatabaseUrl) -> Measured:
    """Rows and bytes of every table; nothing where the server does not say."""
    with contextlib.suppress(SapwoodError):  # sizes are told where they can be; no verdict rests on them
        return engine_for(url).tables(url)
    return {}


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


def run_migrations(
    subject: Subject, alias: str, shadow: Databases, scratch: Path, found: Rehearsal, say: Say, **part: Any
) -> None:
    """Run what is pending on a copy, and write into `found` what came of each."""
    classes = {migration.label: migration for migration in found.plan.migrations}
    began, running = time.perf_counter(), "the settings"
    try:
        failed = [_label(row)[:-2] for row in found.failures if row["app"]] if alias == "default" else []
        part |= {"alias": alias, "failed": failed, "masked": found.masked.names[alias] if found.masked else {}}
        for answer in ask(subject, subject.target, "migrate", databases=shadow, scratch=scratch, **part):
            event, label = answer["event"], f"{answer.get('app')}.{answer.get('name')}"
            if event == "started":
                running = label
                say(f"migrating {label} ({answer['number']} of {len(classes)})")
            elif event == "alive":
                say(f"still migrating {running}")
            elif event == "finished" and found.masked:
                found.masked.names[alias] = answer["masked"]
            elif event == "held":
                found.untested.append(f"{running} wanted the {answer['wanted']}, which was held back")
            elif event in {"done", "failed", "skipped"}:
                known = classes.get(label)
                row = {name: value for name, value in answer.items() if name != "event"}
                row |= {"outcome": event, "classes": list(known.classes) if known else ["unknown"]}
                statements = found.ddl[alias, label] = row.pop("ddl", [])
                algorithms = found.probes[alias](statements)
                row |= {"algorithms": algorithms, "blocks_writes": _blocks_writes(row["classes"], algorithms)}
                row |= {"database": alias, "tables": named(statements)}
                found.migrations.append({**NOT_MEASURED, **row})
                if event == "failed":
                    names = ("app", "name", "statement", "error_code", "after_failure", "held_back", "masked_reads")
                    failure = {name: answer.get(name) for name in names}
                    blockers = blockers_of(shadow[alias]) if failure["error_code"] in LOCK_WAITS else []
                    message = "; ".join([answer["message"], *map(holder_words, blockers)])
                    # What was run on the schema stays where neither the server nor the migration takes it back.
                    takes_back = found.plan.target["databases"][alias]["atomic_ddl"] and (known is None or known.atomic)
                    half = len(statements) > 1 and not takes_back
                    held = bool(failure["held_back"])
                    failure["masked"] = worth.may_explain(failure, answer["message"])
                    what = remedy(failure["error_code"], answer["message"], half_done=half, held_back=held)
                    more = {"remedy": what, "message": message, "blockers": blockers, "half_done": half}
                    found.failures.append({"phase": "migrate", **failure, **more})
    except InsideError as error:
        found.failures.append(_broken("migrate", error))
    found.migrate_s += time.perf_counter() - began


def _blocks_writes(classes: Collection[str], algorithms: Iterable[str]) -> bool | None:
    """Not known of what moves rows: the locks on them last until its transaction ends."""
    told = any_blocks_writes(algorithms)
    return None if told is False and set(classes) & MOVES_ROWS else told


def blockers_of(url: DatabaseUrl) -> list[dict[str, Any]]:
    """Who holds a transaction open; nobody where that cannot be found out."""
    with contextlib.suppress(SapwoodError):
        return [dict(row) for row in engine_for(url).blockers(url)]
    return []


def holder_words(row: Mapping[str, Any]) -> str:
    """One of them, for an operator to end."""
    return f"connection {row['id']} of {row['who']} has held a transaction open for {row['seconds']} s ({row['what']})"


def _check(  # noqa: PLR0913, PLR0917 - where, with what, for whom
    subject: Subject, side: Side, shadow: Databases, scratch: Path, found: Rehearsal, phase: str, say: Say
) -> list[dict[str, Any]]:
    say(f"checking the rows of every model, {phase} the upgrade")
    results: list[dict[str, Any]] = []
    names = ("id", "verdict", "model", "field", "detail")
    try:
        verbs = ("check",) if found.tables else ("tables", "check")  # the first look counts the rows too
        for one in ask(subject, side, *verbs, databases=shadow, scratch=scratch, count=True):
            if one["event"] == "tables":
                found.tables = counted(one)
            elif one["event"] == "check":
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


def judged(known: Known, after: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """What fails now and failed before the upgrade too is no finding about the upgrade."""
    for row in after:
        asked = not row.get("pack") or row["safety"] == Safety.S0  # of the present release, packs ask by reading only
        before = "pass" if asked else "unknown"
        yield {**row, "before": "fail" if (row["id"], row["model"], row["field"]) in known else before}


def new_failures(known: Known, after: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    return (row for row in judged(known, after) if row["verdict"] == "fail" and row["before"] != "fail")


def _backed_up(url: DatabaseUrl, folder: Path, found: Rehearsal, say: Say) -> Backup | None:
    """A backup as the button makes it, timed; that there can be none is a finding, not an end."""
    try:
        backup = engine_for(url).backup(url, folder, say)
    except SapwoodError as error:
        found.failures.append(_broken("way back", error))
        return None
    found.backup_s += backup.seconds
    return backup


def _way_back(backup: Backup | None, shadow: DatabaseUrl, found: Rehearsal, say: Say) -> None:
    """Take the upgraded copy back to a backup: what the button would do, timed."""
    try:
        found.restore_s += engine_for(shadow).restore(backup, shadow, say) if backup else 0.0
    except SapwoodError as error:
        found.failures.append(_broken("way back", error))


def verdict_of(found: Rehearsal) -> None:
    """Conclude, the weightiest reason first."""
    # A migration that failed for want of what was held back may do well in production: that is not known.
    held = [row for row in found.failures if row.get("held_back") or row.get("masked")]
    sure = [row for row in found.failures if row not in held and not (held and row["after_failure"])]
    reasons = [f"{row['phase']}: {_label(row)}{row['message']}" for row in sure]
    new = [row for row in found.checks if row["verdict"] == "fail" and row["before"] != "fail"]
    if found.masked is not None:
        found.doubts += worth.doubts(found.migrations, new)
        found.untested += worth.untested(found.masked)
        new = [row for row in new if not row["masked"]]
    new.sort(key=lambda row: WEIGHTS.index(row["id"]) if row["id"] in WEIGHTS else len(WEIGHTS))
    reasons += suites.bounded(new)
    reasons += [f"{problem['code']}: {problem['message']}" for problem in found.plan.problems]
    planned = [finding for finding in found.before.findings if finding.of_plan] if found.before else []
    reasons += [f"{one.name}: {one.detail}" for one in planned if one.outcome is Outcome.FAIL]
    found.doubts += [f"{one.name}: {one.detail}" for one in planned if one.outcome is Outcome.UNKNOWN]
    models = [row for row in found.checks if not row.get("pack")]
    found.untested += [f"{row['model']}: {row['detail']}" for row in models if row["verdict"] == "unknown"]
    if found.isolation["kind"] == Kind.PROCESS:
        found.untested += [f"not held back: {what}" for what in found.isolation["not_held"]]
    if held and not sure and not found.plan.problems:
        found.verdict = Verdict.UNKNOWN
        found.reasons = [f"{_label(row)}{_why_open(row)}, and it failed" for row in held]
        found.reasons += [*reasons, *found.doubts]
    elif reasons:
        found.verdict, found.reasons = Verdict.NO_GO, reasons
    elif found.doubts:
        found.verdict, found.reasons = Verdict.UNKNOWN, found.doubts
    elif not any(row["verdict"] == "pass" for row in models):
        found.verdict, found.reasons = Verdict.UNKNOWN, ["No model could be checked."]
    else:
        count = len(found.migrations)
        found.verdict, found.reasons = Verdict.GO, [f"{count} migrations ran and every model reads, finds and saves."]


def _label(row: Mapping[str, Any]) -> str:
    return f"{row['app']}.{row['name']}: " if row["app"] else ""


def _why_open(row: Mapping[str, Any]) -> str:
    if row.get("held_back"):
        return "what it does outside the database was held back"
    return f"it works on masked values ({', '.join(row['masked_reads'])})"
