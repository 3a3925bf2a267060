"""What pending migrations would do on this server: tried on an empty copy of the schema, so that it takes no downtime.

The copy holds the tables without their rows, but for the small ones (`sampling`), and is a private server's. There each
migration runs, and of each of its statements the server says by which algorithm it would run it (`probing`). Rows and
bytes are those of the real tables.
"""

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sapwood.site.upgrades.data import PendingMigration, Subject
from sapwood.site.upgrades.engines.base import Say
from sapwood.site.upgrades.planning import make_plan
from sapwood.site.upgrades.probing import empty_copy
from sapwood.site.upgrades.rehearsing import Rehearsal, run_migrations, tables_of
from sapwood.site.upgrades.sampled import draw_samples, known_relations
from sapwood.site.upgrades.scratch import private_folder


@dataclasses.dataclass(frozen=True)
class Statement:
    """One statement on the schema, and how this server would run it."""

    sql: str
    algorithm: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Effect:
    """What one migration would do to one database.

    `rows` and `size_bytes` are of the tables whose schema it changes, as the server estimates them now; None where it
    does not say (PostgreSQL before a first ANALYZE), or where no statement names a table. `outside` is what the
    migration tried to reach outside the database.
    """

    migration: PendingMigration | None
    database: str
    label: str
    outcome: str
    statements: tuple[Statement, ...]
    blocks_writes: bool | None
    tables: tuple[str, ...]
    rows: int | None
    size_bytes: int | None
    outside: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON: the migration by itself, then what this server says."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        own["statements"] = [one.to_dict() for one in self.statements]
        del own["migration"], own["label"]
        app, _dot, name = self.label.partition(".")
        return {"app": app, "name": name, **(self.migration.to_dict() if self.migration else {}), **own}


def classify(subject: Subject, *, work: Path, now: dt.datetime, say: Say = lambda _line: None) -> list[Effect]:
    """Every pending migration, tried on an empty copy of the schema, in its order; the copy is removed in any case."""
    with private_folder(work) as folder, contextlib.ExitStack() as stack:
        say("reading both environments")
        found = Rehearsal(subject.name, now, make_plan(subject, folder / "plan"))
        if not found.plan.migrations:
            return []
        say("copying the schema")
        known = known_relations(subject, folder / "relations")
        [empty] = draw_samples(subject, folder, [0.0], known, stack, say)
        found.probes = {
            alias: stack.enter_context(empty_copy(url, folder / f"{alias}-probe")) for alias, url in empty.urls.items()
        }
        for alias in empty.urls:
            run_migrations(subject, alias, empty.urls, folder / "migrate", found, say)
        sizes = {alias: tables_of(url) for alias, url in subject.databases.items()}
    migrations = {migration.label: migration for migration in found.plan.migrations}
    return [_effect(row, migrations, sizes, found) for row in found.migrations]


def _effect(
    row: Mapping[str, Any],
    migrations: Mapping[str, PendingMigration],
    sizes: Mapping[str, Mapping[str, tuple[int, int]]],
    found: Rehearsal,
) -> Effect:
    alias, label = row["database"], f"{row['app']}.{row['name']}"
    sql: Sequence[str] = found.ddl.get((alias, label), ())
    there = sizes[alias]
    tables = tuple(sorted(set(row["tables"]) & set(there)))
    sized = any(size for _rows, size in there.values())
    wanted = f"{label} wanted the "
    outside = [line.removeprefix(wanted).partition(",")[0] for line in found.untested if line.startswith(wanted)]
    return Effect(
        migration=migrations.get(label),
        database=alias,
        label=label,
        outcome=row["outcome"],
        statements=tuple(Statement(text, how) for text, how in zip(sql, row["algorithms"], strict=False)),
        blocks_writes=row["blocks_writes"],
        tables=tables,
        rows=sum(there[name][0] for name in tables) or None,
        size_bytes=sum(there[name][1] for name in tables) if tables and sized else None,
        outside=tuple(dict.fromkeys(outside)),
    )
