"""What an upgrade would do: facts of both sides, and the migrations that would run, classified."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sapwood.core.errors import SapwoodError
from sapwood.history.migrations import read_migration
from sapwood.site.upgrades.data import DatabaseUrl, PendingMigration, Subject
from sapwood.site.upgrades.drivers.django import one
from sapwood.site.upgrades.isolation import Level

MAX_MIGRATION_BYTES = 5_000_000


class NotYetError(SapwoodError):
    """A part of the subject that this version cannot handle."""

    code = "upgrades.not_supported"


@dataclass(frozen=True)
class Plan:
    """What would run, frozen: `digest` changes whenever anything that a rehearsal rests on changes."""

    current: Mapping[str, Any]
    target: Mapping[str, Any]
    migrations: tuple[PendingMigration, ...]
    problems: tuple[Mapping[str, str], ...]
    digest: str


def make_plan(subject: Subject, scratch: Path) -> Plan:
    """Look at both environments and at the database, reading only."""
    databases = readable(subject)
    reading: dict[str, Any] = {"databases": databases, "scratch": scratch, "level": Level.READING}
    current = one(subject, subject.current, "facts", **reading)
    target = one(subject, subject.target, "facts", **reading)
    found = one(subject, subject.target, "plan", **reading)
    migrations = tuple(_pending(item) for item in found["pending"])
    frozen = {
        "migrations": [[one_.label, one_.sha256] for one_ in migrations],
        "problems": found["problems"],
        "current": {name: current[name] for name in ("python", "django", "packages", "settings", "databases")},
        "target": {name: target[name] for name in ("python", "django", "packages", "settings", "databases")},
        "applied": found["applied"],
    }
    digest = hashlib.sha256(json.dumps(frozen, sort_keys=True).encode()).hexdigest()
    return Plan(current, target, migrations, tuple(found["problems"]), digest)


def readable(subject: Subject) -> dict[str, DatabaseUrl]:
    """The subject's databases, opened for reading only."""
    if subject.driver != "django":
        raise NotYetError(
            f"The {subject.driver} driver is not there yet", hint="Describe the site as driver = 'django'."
        )
    for alias, url in subject.databases.items():
        if url.vendor != "sqlite3":
            raise NotYetError(f"{alias} is {url.vendor}; only SQLite is supported yet", hint="See docs/roadmap.md.")
    return {alias: dataclasses.replace(url, read_only=True) for alias, url in subject.databases.items()}


def _pending(item: Mapping[str, Any]) -> PendingMigration:
    path = item["path"]
    source = b""
    if path:
        try:
            with Path(path).open("rb") as file:
                source = file.read(MAX_MIGRATION_BYTES + 1)
        except OSError:
            source = b""
    read = read_migration(source)
    return PendingMigration(
        app=item["app"],
        name=item["name"],
        path=path or "",
        sha256=item["sha256"] or "",
        classes=read.classes,
        why=tuple(dict.fromkeys([read.reason, *(operation.why for operation in read.operations)]))[:5],
        depends_on=tuple(item["depends_on"]),
    )
