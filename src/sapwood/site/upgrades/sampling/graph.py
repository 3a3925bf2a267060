"""What a sample is drawn from: tables, what points where, and by which row's key each row is chosen.

A row is chosen by the key of the row that it hangs on, followed up to where nothing large is above: an answer by its
submission, that by its learner. So one learner comes with all of it, and a sample of a tenth stays about a tenth; were
each table chosen by itself, whatever the chosen rows point at would make the parents' tables nearly whole.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

WHOLE_ROWS: Final = 1000
"""A table with no more rows than this is taken whole."""
# What Django itself looks up by name while it migrates.
WHOLE_TABLES: Final = frozenset({"django_migrations", "django_content_type", "auth_permission", "django_site"})
SEED: Final = "sapwood-sample-1"
"""Part of what is hashed: the same rows are chosen in every run."""


@dataclass(frozen=True)
class Table:
    """One table: the columns that can be written, its primary key (every column where there is none), its rows."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class Relation:
    """Columns of one table that point at columns of another, or of the same one."""

    child: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """One join on the way up from a row to what it hangs on; tables are numbered from the row's own, 0."""

    table: str
    left: tuple[str, ...]
    right: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """Whose key chooses the rows of a table: the first of `terms` (number of the table, columns) that is not NULL."""

    steps: tuple[Step, ...]
    terms: tuple[tuple[int, tuple[str, ...]], ...]


def large(tables: Mapping[str, Table]) -> frozenset[str]:
    """The tables of which a part is taken."""
    return frozenset(name for name, table in tables.items() if table.rows > WHOLE_ROWS and name not in WHOLE_TABLES)


def leaders(tables: Mapping[str, Table], relations: Iterable[Relation], parts: Collection[str]) -> dict[str, Relation]:
    """For each table of which a part is taken, the relation by which its rows hang on another such table, if any.

    Of several it is the one to the largest table. Followed upwards they never come round.
    """
    known = list(relations)
    found: dict[str, Relation] = {}
    for name in sorted(parts):
        ways = [one for one in known if one.child == name and one.parent in parts and one.parent != name]
        ways.sort(key=lambda one: (-tables[one.parent].rows, one.parent, one.columns))
        for way in ways:
            if name not in _above(way.parent, found):
                found[name] = way
                break
    return found


def origin(name: str, tables: Mapping[str, Table], found: Mapping[str, Relation]) -> Origin:
    """By whose key the rows of a table are chosen, nearest last: a row that hangs on nothing is chosen by its own."""
    steps: list[Step] = []
    terms: list[tuple[int, tuple[str, ...]]] = [(0, tables[name].key)]
    here = name
    while here in found:
        way = found[here]
        by_key = way.parent_columns == tables[way.parent].key
        if by_key:
            terms.insert(0, (len(steps), way.columns))
        if way.parent in found or not by_key:
            steps.append(Step(way.parent, way.columns, way.parent_columns))
        if not by_key:
            terms.insert(0, (len(steps), tables[way.parent].key))
        here = way.parent
    return Origin(tuple(steps), tuple(terms))


def _above(name: str, found: Mapping[str, Relation]) -> set[str]:
    above = {name}
    while name in found:
        name = found[name].parent
        above.add(name)
    return above
