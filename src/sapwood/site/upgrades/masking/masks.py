"""Masking the copies of a rehearsal before anything of the subject runs on them."""

import importlib
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from sapwood.formats.certificate import Masked as Certified
from sapwood.site.upgrades.data import DatabaseUrl, Side, Subject
from sapwood.site.upgrades.drivers.django import one
from sapwood.site.upgrades.engines.base import Say, no_space
from sapwood.site.upgrades.isolation import Level
from sapwood.site.upgrades.masking.changes import Change, Rewrite
from sapwood.site.upgrades.masking.rules import Choice, Meaning, Meanings, Schema, choose
from sapwood.site.upgrades.masking.substitution import Substitution
from sapwood.site.upgrades.planning import readable

_MODULES: Final = {"sqlite3": "sqlite", "mysql": "mysql", "postgresql": "postgresql"}


class Masker(Protocol):
    """What masking asks of each kind of database; a module each."""

    def schema(self, url: DatabaseUrl) -> Schema:
        """The columns of its tables."""

    def opened(self, url: DatabaseUrl, tables: list[str], folder: Path) -> AbstractContextManager[Rewrite]:
        """What rewrites tables of a copy; triggers, rules and foreign keys do nothing meanwhile."""


@dataclass
class Masked:
    """What was masked, what was not, and which names masked columns have by now."""

    columns: list[dict[str, Any]] = field(default_factory=list)
    left: list[dict[str, str]] = field(default_factory=list)
    not_found: list[str] = field(default_factory=list)
    seconds: float = 0.0
    names: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "seconds": self.seconds,
            "columns": self.columns,
            "left": self.left,
            "not_found": self.not_found,
        }

    def certified(self) -> tuple[Certified, ...]:
        """For the certificate."""
        names = ("database", "table", "column", "rule")
        return tuple(Certified(**{name: row[name] for name in names}) for row in self.columns)

    def marked(self, checks: Iterable[Mapping[str, Any]], meanings: Meanings) -> list[dict[str, Any]]:
        """Checks of the target, each with whether it may have failed because values are not the real ones."""
        touched = {
            (meaning.model, meaning.field)
            for (table, column), meaning in meanings.items()
            if any(column in names.get(table, ()) for names in self.names.values())
        }
        models = {model for model, _field in touched}

        def may(row: Mapping[str, Any]) -> bool:
            if row["verdict"] != "fail" or row["before"] == "fail":
                return False
            if row.get("pack"):  # what held on the same values before the upgrade does not fail because of them
                return bool(touched) and row["before"] != "pass"
            if row["field"]:
                return any((row["model"], name.strip()) in touched for name in row["field"].split(","))
            return row["id"] != "models.table" and row["model"] in models

        return [{**row, "masked": may(row)} for row in checks]


def _masker(url: DatabaseUrl) -> Masker:
    made: Masker = importlib.import_module(f"{__package__}.{_MODULES[url.vendor]}")
    return made


def meanings_of(subject: Subject, side: Side, scratch: Path) -> Meanings:
    """What the models of a side say about their columns."""
    given: dict[str, Any] = {"databases": readable(subject), "scratch": scratch, "level": Level.READING}
    return {
        (row["table"], row["column"]): Meaning(
            row["model"],
            row["field"],
            row["classes"],
            row["role"],
            row["choices"],
            (row["to"][0], row["to"][1]) if row["to"] else None,
        )
        for row in one(subject, side, "columns", **given)["columns"]
    }


def prepare(subject: Subject, scratch: Path, say: Say) -> Meanings:
    """Whether the rules fit the databases, before anything is copied; raises MaskError where one does not."""
    say("reading what the columns mean")
    meanings = meanings_of(subject, subject.current, scratch)
    for url in subject.databases.values():
        choose(_masker(url).schema(url), meanings, subject.mask)
    return meanings


@no_space()
def mask(subject: Subject, shadow: Mapping[str, DatabaseUrl], meanings: Meanings, folder: Path, say: Say) -> Masked:
    """Mask every copy. The key of the substitution is made here and kept nowhere."""
    began, found = time.perf_counter(), Masked()
    substitution = Substitution()
    missing: list[set[str]] = []
    for alias, url in shadow.items():
        say(f"masking the copy of {alias}")
        masker = _masker(url)
        schema = masker.schema(url)
        choice = choose(schema, meanings, subject.mask)
        missing.append(set(choice.not_found))
        found.left += [{"database": alias, "column": row.column.label, "why": row.why} for row in choice.left]
        found.left += [{"database": alias, "column": name, "why": why} for name, why in schema.left]
        changes = _changes(choice, substitution, say)
        with masker.opened(url, list(changes), folder / f"{alias}-mask") as rewrite:
            for table, columns in changes.items():
                say(f"masking {table}: {', '.join(columns)}")
                rewrite(table, columns)
        found.columns += _rows(alias, changes)
        found.names[alias] = _names(changes)
    found.not_found = sorted(set.intersection(*missing)) if missing else []
    found.seconds = time.perf_counter() - began
    return found


def _changes(choice: Choice, substitution: Substitution, say: Say) -> dict[str, dict[str, Change]]:
    found: dict[str, dict[str, Change]] = {}
    for chosen in choice.masked:
        found.setdefault(chosen.column.table, {})[chosen.column.name] = Change(chosen, substitution, say)
    return found


def _rows(alias: str, changes: Mapping[str, Mapping[str, Change]]) -> Iterable[dict[str, Any]]:
    for table, columns in changes.items():
        for name, change in columns.items():
            yield {
                "database": alias,
                "table": table,
                "column": name,
                "rule": change.chosen.rule,
                "why": change.chosen.why,
                "rows": change.rows,
                "unchanged": change.same,
                "unique": change.chosen.column.unique,
            }


def _names(changes: Mapping[str, Mapping[str, Change]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table, columns in changes.items():
        for name, change in columns.items():
            for one_ in {table, change.chosen.column.named or table}:
                found.setdefault(one_.rpartition(".")[2], []).append(name)
    return found
