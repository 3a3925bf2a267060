"""What an upgrade's migrations mean and cost, as a document: of this plan, of a rehearsal, and as others published it.

What others measured is a hint on where to look. It is of their machine and their rows, so no verdict rests on it.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.db import DatabaseError

from sapwood import __version__
from sapwood.channel import api as channel
from sapwood.core.files import write_atomically
from sapwood.core.markup.text import clean_text
from sapwood.formats.catalogue import Catalogue, find_release
from sapwood.formats.documents import document_bytes, parse_document
from sapwood.formats.errors import FormatError
from sapwood.formats.migration_report import MigrationReport, Statement, Step
from sapwood.formats.retraction import Retraction
from sapwood.site.upgrades.data import PendingMigration
from sapwood.site.upgrades.models import RehearsalRecord
from sapwood.site.upgrades.planning import Plan
from sapwood.site.upgrades.probing import blocks_writes
from sapwood.site.upgrades.rehearsing import Rehearsal

NAME: Final = "migrations.json"
CHANNEL: Final = "releases"
MAX_STATEMENTS: Final = 100
MAX_SQL: Final = 1_000
MAX_WORD: Final = 200
MAX_REPORTS: Final = 100


@dataclass(frozen=True)
class Published:
    """What somebody measured of a migration that this plan would run. `same_engine`: on a server of our kind."""

    app: str
    name: str
    seconds_per_million: float
    rows: int
    engine: str
    same_engine: bool
    release: str
    previous: str

    @property
    def line(self) -> str:
        """One line for a terminal."""
        return (
            f"the project measured: longest step {self.seconds_per_million:.1f} s per million rows"
            f" ({self.app}.{self.name}, {self.previous} > {self.release}, on {self.engine});"
            f" {'' if self.same_engine else 'your server is of another kind, and '}a rehearsal measures yours"
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "app": self.app,
            "name": self.name,
            "seconds_per_million": round(self.seconds_per_million, 3),
            "rows": self.rows,
            "engine": self.engine,
            "same_engine": self.same_engine,
            "release": self.release,
            "previous": self.previous,
        }


def planned_report(migrations: Iterable[PendingMigration], *, now: dt.datetime) -> MigrationReport:
    """The static half: nothing was run."""
    return static_report((_step(one) for one in migrations), now=now)


def static_report(steps: Iterable[Step], *, now: dt.datetime) -> MigrationReport:
    """A report of what reading the source tells."""
    return MigrationReport(made_at=now, sapwood=__version__, migrations=tuple(steps))


def rehearsed_report(found: Rehearsal) -> MigrationReport:
    """What a rehearsal measured."""
    known = {migration.label: migration for migration in found.plan.migrations}
    steps = tuple(_measured(row, known.get(f"{row['app']}.{row['name']}"), found) for row in found.migrations)
    return MigrationReport(
        made_at=found.started_at,
        sapwood=__version__,
        migrations=steps,
        engines={alias: clean_text(words, MAX_WORD) for alias, words in found.plan.engines.items()},
    )


def write_migrations(report: MigrationReport, path: Path) -> Path:
    """Write a report as whoever publishes it will read it. Raises FormatError when nobody would."""
    raw = document_bytes(report)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, raw)
    return path


def published(plan: Plan) -> list[Published]:
    """What others measured of this plan's migrations, the longest first; nothing where this site has rehearsed it."""
    try:
        if RehearsalRecord.objects.filter(plan=plan.digest).exclude(verdict="").exists():
            return []
        reports = list(_received())
    except DatabaseError:  # the command line also works before there is a database
        return []
    ours = {words.split(" ")[0] for words in plan.engines.values()}
    best: dict[str, Published] = {}
    for one in (hint for report in reports for hint in _hints(report, plan.migrations, ours)):
        label = f"{one.app}.{one.name}"
        if label not in best or one.same_engine > best[label].same_engine:
            best[label] = one
    return sorted(best.values(), key=lambda one: (one.same_engine, one.seconds_per_million), reverse=True)


def published_on(hops: Iterable[tuple[str, str]], catalogue: Catalogue) -> list[Published]:
    """The longest step that others measured on each of these ways of a Tutor site, which runs MySQL or its kin."""
    try:
        reports = list(_received())
    except DatabaseError:
        return []
    lines = [tuple(_line(catalogue, name) for name in (report.previous, report.release)) for report in reports]
    found = []
    for hop in hops:
        way = tuple(_line(catalogue, name) for name in hop)
        hints = [
            hint
            for report, ends in zip(reports, lines, strict=True)
            if ends == way and report.longest and (hint := _hint(report, report.longest, {"mysql"}))
        ]
        found += sorted(hints, key=lambda one: one.same_engine, reverse=True)[:1]
    return found


def _line(catalogue: Catalogue, name: str) -> str:
    """The line of a release, or the line itself."""
    known = find_release(catalogue, name)
    return known[0].name if known else name


def _received() -> Iterator[MigrationReport]:
    """The newest revision of every report that still stands, newest first."""
    taken_back = [
        (item, found)
        for item in channel.received_of_type("retraction", channel=CHANNEL)
        if isinstance(found := _parsed(item.raw), Retraction)
    ]
    seen = set[tuple[str, str]]()
    for item in channel.received_of_type("migrationreport", channel=CHANNEL, limit=MAX_REPORTS):
        if (item.subscription, item.uuid) in seen or item.withdrawn_at is not None:
            continue
        found = _parsed(item.raw)
        if not isinstance(found, MigrationReport) or found.uuid is None:
            continue
        seen.add((item.subscription, item.uuid))
        by_same = (word for of, word in taken_back if of.subscription == item.subscription)
        if not any(word.covers(found.uuid, item.revision) for word in by_same):
            yield found


def _parsed(raw: bytes) -> object:
    try:
        return parse_document(raw)
    except FormatError:
        return None  # the channel shows it among the refused


def _hints(report: MigrationReport, pending: Iterable[PendingMigration], ours: set[str]) -> Iterator[Published]:
    steps = {(step.app, step.name): step for step in report.migrations}
    for migration in pending:
        step = steps.get((migration.app, migration.name))
        same = step and not (step.sha256 and migration.sha256 and step.sha256 != migration.sha256)
        if step and same and (hint := _hint(report, step, ours)):
            yield hint


def _hint(report: MigrationReport, step: Step, ours: set[str]) -> Published | None:
    seconds, engine = step.seconds_per_million, report.engines.get(step.database, "")
    if seconds is None or not engine:
        return None
    same = engine.split(" ")[0] in ours
    return Published(step.app, step.name, seconds, step.rows or 0, engine, same, report.release, report.previous)


def _step(migration: PendingMigration) -> Step:
    return Step(
        app=clean_text(migration.app, MAX_WORD),
        name=clean_text(migration.name, MAX_WORD),
        classes=migration.classes,
        sha256=migration.sha256,
        why=migration.why,
        operations=migration.operations,
        atomic=migration.atomic,
    )


def _measured(row: Mapping[str, Any], known: PendingMigration | None, found: Rehearsal) -> Step:
    app, name, alias = row["app"], row["name"], row["database"]
    statements, algorithms = found.ddl.get((alias, f"{app}.{name}"), []), row["algorithms"]
    ran = row["outcome"] != "skipped"
    return Step(
        app=clean_text(app, MAX_WORD),
        name=clean_text(name, MAX_WORD),
        classes=tuple(row["classes"]),
        sha256=known.sha256 if known else "",
        why=known.why if known else (),
        operations=known.operations if known else (),
        atomic=known.atomic if known else True,
        database=clean_text(alias, MAX_WORD),
        statements=tuple(
            _statement(sql, algorithms[place] if place < len(algorithms) else "")
            for place, sql in enumerate(statements[:MAX_STATEMENTS])
        ),
        rows=row.get("rows"),
        bytes_delta=row.get("bytes_delta"),
        seconds=round(row["seconds"], 3) if ran else None,
        sql_seconds=round(row["sql_seconds"], 3) if ran else None,
        failed=row["outcome"] == "failed",
    )


def _statement(sql: str, algorithm: str) -> Statement:
    return Statement(
        sql=clean_text(sql, MAX_SQL),
        algorithm=algorithm,
        blocks_writes=blocks_writes(algorithm) if algorithm else None,
    )
