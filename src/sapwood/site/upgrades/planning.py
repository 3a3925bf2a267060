"""What an upgrade would do: facts of both sides, and the migrations that would run, classified."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sapwood.core.errors import SapwoodError
from sapwood.formats.canonical import JSON, canonical_bytes, sha256_hex
from sapwood.formats.certificate import Table
from sapwood.history.delta import classified, operations, reasons
from sapwood.site.upgrades.data import DatabaseUrl, PendingMigration, Subject
from sapwood.site.upgrades.drivers.django import each, one
from sapwood.site.upgrades.isolation import Level

MAX_MIGRATION_BYTES = 5_000_000


class OtherDriverError(SapwoodError):
    """Something was asked for that only Django projects have."""

    code = "upgrades.other_driver"
    exit_code = 2


@dataclass(frozen=True)
class Plan:
    """What would run, frozen: a digest of each part that a rehearsal rests on, so that a difference can be named."""

    subject: str
    current: Mapping[str, Any]
    target: Mapping[str, Any]
    migrations: tuple[PendingMigration, ...]
    problems: tuple[Mapping[str, str], ...]
    parts: Mapping[str, str]
    details: Mapping[str, Any] = field(default_factory=dict)  # what a driver needs to run it, for the journal

    @property
    def digest(self) -> str:
        """The digest of the whole plan."""
        return _digest(dict(self.parts))

    @property
    def facts(self) -> str:
        """The digest of what both sides are: interpreters, packages, engines."""
        return _digest({name: self.parts[name] for name in ("engine", "packages")})

    @property
    def engines(self) -> dict[str, str]:
        """Kind and version of each database's server, in words."""
        found: Mapping[str, Any] = self.current["databases"]
        return {alias: f"{one_['vendor']} {one_['version']}" for alias, one_ in found.items()}


def make_plan(subject: Subject, scratch: Path) -> Plan:
    """Look at both environments and at the database, reading only."""
    databases = readable(subject)
    reading: dict[str, Any] = {"databases": databases, "scratch": scratch, "level": Level.READING}
    current, tables = each(subject, subject.current, "facts", "tables", **reading)
    target, found = each(subject, subject.target, "facts", "plan", **reading)
    new: dict[str, frozenset[str]] = {}
    migrations = tuple(_pending(item, new) for item in found["pending"])
    frozen: dict[str, Any] = {
        "subject": _described(subject),
        "migrations": [
            found["applied_digest"],
            found["problems"],
            [[migration.label, migration.sha256] for migration in migrations],
        ],
        "schema": {alias: table["schema"] for alias, table in tables["databases"].items()},
        "settings": [side["settings"] for side in (current, target)],
        "packages": [[side["python"], side["packages"]] for side in (current, target)],
        "engine": [side["databases"] for side in (current, target)],
    }
    parts = {name: _digest(part) for name, part in frozen.items()}
    return Plan(subject.name, current, target, migrations, tuple(found["problems"]), parts)


def measure_tables(subject: Subject, databases: Mapping[str, DatabaseUrl], scratch: Path) -> tuple[Table, ...]:
    """Rows and bytes of every table of the given databases; every row is counted, which takes its time."""
    level = Level.READING if any(url.read_only for url in databases.values()) else Level.SHADOW
    given: dict[str, Any] = {"databases": databases, "scratch": scratch, "level": level, "count": True}
    return counted(one(subject, subject.current, "tables", **given))


def counted(answer: Mapping[str, Any]) -> tuple[Table, ...]:
    """The tables of an environment's answer."""
    return tuple(
        Table(database=alias, name=row["name"], rows=row["rows"], size_bytes=row["size_bytes"])
        for alias, database in sorted(answer["databases"].items())
        for row in database["tables"]
    )


def readable(subject: Subject) -> dict[str, DatabaseUrl]:
    """The subject's databases, opened for reading only."""
    if subject.driver != "django":
        raise OtherDriverError(
            f"{subject.name} is no Django project whose database can be opened from here",
            hint="`sapwood upgrade plan` says what its driver knows.",
        )
    return {alias: dataclasses.replace(url, read_only=True) for alias, url in subject.databases.items()}


def _pending(item: Mapping[str, Any], new: dict[str, frozenset[str]]) -> PendingMigration:
    """One migration of the plan, in its order; `new` gathers for each app the models whose tables the plan makes."""
    path = item["path"]
    source = _source(Path(path)) if path else b""
    read = classified(
        source, item["app"], new.get(item["app"], ()), lambda name: _source(Path(path).with_name(f"{name}.py"))
    )
    new[item["app"]] = read.new.union(new.get(item["app"], ()))
    return PendingMigration(
        app=item["app"],
        name=item["name"],
        path=path or "",
        sha256=item["sha256"] or "",
        classes=read.classes,
        why=reasons(read),
        depends_on=tuple(item["depends_on"]),
        atomic=bool(item["atomic"]),
        operations=operations(read),
    )


def _source(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_MIGRATION_BYTES + 1)
    except (OSError, ValueError):
        return b""


def _described(subject: Subject) -> JSON:
    """What the subject file says, its passwords left out."""
    places = {
        alias: {name: str(value) for name, value in url.as_django().items() if name != "PASSWORD"}
        for alias, url in subject.databases.items()
    }
    sides = [
        [str(side.python), side.settings, *side.requirements, side.resolved]
        for side in (subject.current, subject.target)
    ]
    hooks = {name: [*hook.argv, hook.timeout_s] for name, hook in subject.hooks.items()}
    paths = [str(path) for path in subject.pythonpath]
    return [subject.name, subject.driver, paths, places, sides, hooks, list(subject.packs), subject.base_url]


def _digest(value: JSON) -> str:
    return sha256_hex(canonical_bytes(value))
