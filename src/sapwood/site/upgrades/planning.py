"""What an upgrade would do: facts of both sides, and the migrations that would run, classified."""

import contextlib
import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sapwood.core.errors import SapwoodError
from sapwood.formats.canonical import JSON, canonical_bytes, sha256_hex
from sapwood.formats.certificate import Table
from sapwood.history.delta import classified, operations, reasons
from sapwood.history.migrations import Migration
from sapwood.site.upgrades.data import DatabaseUrl, PendingMigration, Side, Subject
from sapwood.site.upgrades.drivers.django import InsideError, ask
from sapwood.site.upgrades.isolation import Level

MAX_MIGRATION_BYTES = 5_000_000
CURRENT = ("facts", "configuration", "installed", "tables")
TARGET = ("facts", "configuration", "installed", "plan")


@dataclass
class Said:
    """What one process of a side answered: one answer to each verb, and to `preflight` one for each database."""

    answers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    preflight: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    refused: InsideError | None = None

    def one(self, verb: str) -> Mapping[str, Any]:
        """The answer to a verb; raises what kept the environment from giving it."""
        if verb in self.answers:
            return self.answers[verb]
        raise self.refused or InsideError(f"The environment did not answer to {verb}", hint="Report this.")


@dataclass(frozen=True)
class Seen:
    """Both sides, each asked once. `salt` is of this look alone: digests of values mean nothing after it."""

    current: Said
    target: Said


def look(subject: Subject, scratch: Path, *, before: bool = False, count: bool = False) -> Seen:
    """Ask each side's environment once, reading only; `before` also for what preflight wants, `count` for the rows.

    What a side refuses is kept: what it said until then stands.
    """
    first = ("preflight",) if before else ()
    more: dict[str, Any] = {"databases": readable(subject), "level": Level.READING, "salt": secrets.token_hex(16)}
    current = _said(subject, subject.current, (*first, *CURRENT), scratch=scratch / "current", count=count, **more)
    target = _said(subject, subject.target, (*first, *TARGET), scratch=scratch / "target", **more)
    return Seen(current, target)


def _said(subject: Subject, side: Side, verbs: Sequence[str], **given: Any) -> Said:
    found = Said()
    try:
        with contextlib.closing(ask(subject, side, *verbs, **given)) as answers:
            for answer in answers:
                if answer["event"] == "preflight":
                    found.preflight[answer["alias"]] = answer
                elif answer["event"] in verbs:
                    found.answers[answer["event"]] = answer
    except InsideError as error:
        found.refused = error
    return found


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
    seen: Seen = field(default_factory=lambda: Seen(Said(), Said()), repr=False, compare=False)

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
    """Look at both environments and at the database, reading only. Raises InsideError for a side that refuses."""
    return plan_of(subject, look(subject, scratch))


def plan_of(subject: Subject, seen: Seen) -> Plan:
    """The plan, from what both sides said. Raises InsideError for a side that refused."""
    current, tables = seen.current.one("facts"), seen.current.one("tables")
    target, found = seen.target.one("facts"), seen.target.one("plan")
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
    return Plan(subject.name, current, target, migrations, tuple(found["problems"]), parts, seen=seen)


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
        reversible=_reversible(read),
        models=tuple(dict.fromkeys(one_.model.lower() for one_ in read.operations if one_.model)),
    )


def _reversible(read: Migration) -> bool | None:
    """Whether Django could take it back: no, if it cannot for one operation; not known, if that is so for one."""
    found = {operation.reversible for operation in read.operations} | ({None} if read.reason else set())
    return False if False in found else None if None in found else True


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
