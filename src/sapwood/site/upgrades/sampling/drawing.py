"""Drawing one sample: rows chosen in each table, then whatever they point at, until nothing points at nothing.

Nothing here holds a table: rows go from one database to the other in a stream, and the keys of rows that are still
missing are asked for a batch at a time, from the sample itself.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades.engines.base import Say
from sapwood.site.upgrades.sampling.graph import Origin, Relation, Table, large, leaders, origin

BATCH: Final = 1000
Key = tuple[Any, ...]


class UnlikeError(SapwoodError):
    """Two columns cannot be compared: a model says that one points at the other, the database does not."""

    code = "upgrades.sample_unlike"


class Sampler(Protocol):
    """A database to draw from, and another one, with the same schema and no rows, to draw into."""

    def tables(self) -> Mapping[str, Table]:
        """Every table; rows are counted."""

    def relations(self) -> Sequence[Relation]:
        """The foreign keys that the database declares."""

    def copy(self, table: Table) -> int:
        """Take a table whole; how many rows."""

    def seed(self, table: Table, chosen_by: Origin, share: float) -> int:
        """Take the rows whose origin's key falls into this share; how many. What a smaller share takes, this does."""

    def settle(self) -> None:
        """Between choosing and following: what makes looking up fast."""

    def missing(self, relation: Relation, after: Key | None) -> list[Key]:
        """The next keys, in order, that rows of the sample point at and that are not in it. Raises UnlikeError."""

    def fetch(self, table: Table, columns: Sequence[str], keys: Sequence[Key]) -> int:
        """Take the rows with these keys that are not there yet; how many were found."""

    def finish(self) -> Mapping[str, int]:
        """Whatever acts on rows, counters and statistics; the rows of each table of the sample."""


@dataclass(frozen=True)
class Drawn:
    """One sample: the rows of each table in it, and of how many."""

    share: float
    rows: Mapping[str, int]
    of: Mapping[str, int]
    unlike: tuple[Relation, ...] = ()


def draw(
    sampler: Sampler,
    share: float,
    say: Say,
    *,
    known: Iterable[Relation] = (),
    of: Mapping[str, int] | None = None,
) -> Drawn:
    """Draw a sample of this share of the rows; `known` are relations that the database does not declare.

    Where the source is a larger sample, `of` are the rows of what that was drawn from: they decide what is chosen.
    """
    tables = sampler.tables()
    if of is not None:
        tables = {name: replace(table, rows=of.get(name, table.rows)) for name, table in tables.items()}
    relations = list(dict.fromkeys([*sampler.relations(), *(one for one in known if _fits(one, tables))]))
    parts = large(tables)
    above = leaders(tables, relations, parts)
    for number, (name, table) in enumerate(sorted(tables.items()), 1):
        say(f"sampling {name} ({number} of {len(tables)})")
        if name not in parts:
            sampler.copy(table)
        elif share:
            sampler.seed(table, origin(name, tables, above), share)
    sampler.settle()
    say("sampling what the rows point at")
    unlike = _close(sampler, tables, [one for one in relations if one.parent in parts])
    return Drawn(share, sampler.finish(), {name: table.rows for name, table in tables.items()}, unlike)


def _close(sampler: Sampler, tables: Mapping[str, Table], relations: Sequence[Relation]) -> tuple[Relation, ...]:
    waiting, unlike = deque(dict.fromkeys(one.child for one in relations)), []
    while waiting:
        child = waiting.popleft()
        for relation in relations:
            if relation.child != child or relation in unlike:
                continue
            try:
                grown = _follow(sampler, tables[relation.parent], relation)
            except UnlikeError:
                unlike.append(relation)
                continue
            if grown and relation.parent not in waiting:
                waiting.append(relation.parent)
    return tuple(unlike)


def _follow(sampler: Sampler, parent: Table, relation: Relation) -> int:
    found, after = 0, None
    while keys := sampler.missing(relation, after):
        found += sampler.fetch(parent, relation.parent_columns, keys)
        after = keys[-1]
    return found


def _fits(relation: Relation, tables: Mapping[str, Table]) -> bool:
    ends = ((relation.child, relation.columns), (relation.parent, relation.parent_columns))
    return all(name in tables and set(columns) <= set(tables[name].columns) for name, columns in ends)
