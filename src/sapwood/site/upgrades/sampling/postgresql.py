"""Samples of a PostgreSQL database: from one snapshot, read by one session that can write nothing, by COPY."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.engines import postgresql as engine
from sapwood.site.upgrades.engines import servers
from sapwood.site.upgrades.engines.base import Say, no_space
from sapwood.site.upgrades.sampling.drawing import BATCH, Key, Sampler, UnlikeError
from sapwood.site.upgrades.sampling.graph import SEED, Origin, Relation, Table

HASHES: Final = 2**31
OURS: Final = f"{engine.USER_SCHEMA} AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"


@dataclasses.dataclass(frozen=True)
class Place:
    """The private server for all samples, and a folder for definitions."""

    control: DatabaseUrl
    folder: Path


@contextlib.contextmanager
def serving(url: DatabaseUrl, folder: Path, say: Say) -> Iterator[tuple[DatabaseUrl, Place]]:
    """Where to draw the first sample from (the site), and a private server like the site's for all samples."""
    programs = engine.programs_for(url)
    settings = engine.settings_of(url)
    checksums = settings.pop("data_checksums", "") == "on"
    with no_space(), servers.home(folder, servers.owner_for("postgres")) as place:
        say("sampling: making a private server")
        servers.postgresql_install(place, programs, checksums=checksums)
        with servers.postgresql(place, folder, programs, settings) as control:
            engine.copy_roles(url, control)
            yield url, Place(control, folder)


@contextlib.contextmanager
def drawing(source: DatabaseUrl, place: Place, number: int) -> Iterator[tuple[Sampler, DatabaseUrl]]:
    """A sampler into a new database on the private server, and where that is."""
    url = dataclasses.replace(place.control, name=f"sample_{number}")
    engine.load_schema(source, url, place.folder / f"schema-{number}", like_source=True)
    with (
        engine.connected(source) as reading,
        engine.connected(url, write=True) as writing,
        reading.transaction(),
    ):
        reading.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # Neither foreign keys nor triggers act on what is loaded.
        writing.execute("SET session_replication_role = replica")
        writing.execute("SET synchronous_commit = off")
        yield PostgreSQLSampler(reading, writing), url


class PostgreSQLSampler:
    """See Sampler."""

    def __init__(self, reading: psycopg.Connection[Any], writing: psycopg.Connection[Any]) -> None:
        self.reading, self.writing = reading, writing
        self.places: dict[str, sql.Identifier] = {}

    def tables(self) -> Mapping[str, Table]:
        query = (
            "SELECT n.nspname, c.relname, array_agg(a.attname::text ORDER BY a.attnum),"  # noqa: S608 - ours
            " (SELECT array_agg(k.attname::text ORDER BY array_position(i.indkey::int2[], k.attnum)) FROM pg_index i"
            "  JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum = ANY(i.indkey)"
            "  WHERE i.indrelid = c.oid AND i.indisprimary)"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
            f" WHERE c.relkind = 'r' AND {OURS} GROUP BY c.oid, n.nspname, c.relname"
        )
        found = {}
        for schema, name, columns, key in self.reading.execute(query).fetchall():
            label = engine.label(schema, name)
            self.places[label] = sql.Identifier(schema, name)
            found[label] = Table(label, tuple(columns), tuple(key or columns), self._count(self.reading, label))
        return found

    def relations(self) -> Sequence[Relation]:
        query = (
            "SELECT n.nspname, c.relname, fn.nspname, f.relname,"  # noqa: S608 - ours
            " (SELECT array_agg(a.attname::text ORDER BY k.place)"
            "  FROM unnest(o.conkey) WITH ORDINALITY k(attnum, place)"
            "  JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.attnum),"
            " (SELECT array_agg(a.attname::text ORDER BY k.place)"
            "  FROM unnest(o.confkey) WITH ORDINALITY k(attnum, place)"
            "  JOIN pg_attribute a ON a.attrelid = o.confrelid AND a.attnum = k.attnum)"
            " FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_class f ON f.oid = o.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace"
            f" WHERE o.contype = 'f' AND c.relkind = 'r' AND f.relkind = 'r' AND {engine.USER_SCHEMA} ORDER BY o.oid"
        )
        return [
            Relation(engine.label(schema, name), tuple(own), engine.label(other, parent), tuple(theirs))
            for schema, name, other, parent, own, theirs in self.reading.execute(query).fetchall()
        ]

    def copy(self, table: Table) -> int:
        return self._stream(table, sql.SQL("FROM ONLY {} t0").format(self.places[table.name]))

    def seed(self, table: Table, chosen_by: Origin, share: float) -> int:
        joins = [
            sql.SQL(" LEFT JOIN {} {} ON {}").format(
                self.places[step.table],
                sql.Identifier(f"t{number}"),
                _equal(f"t{number}", step.right, f"t{number - 1}", step.left),
            )
            for number, step in enumerate(chosen_by.steps, 1)
        ]
        *above, (_own, key) = chosen_by.terms
        terms = [
            sql.SQL(" || '#' || ").join(sql.SQL("{}::text").format(sql.Identifier(f"t{number}", one)) for one in names)
            for number, names in above
        ]
        own = sql.SQL(", ").join(sql.Identifier("t0", name) for name in key)
        terms.append(sql.SQL("concat_ws('#', {})").format(own))
        chosen = sql.SQL("hashtextextended({} || COALESCE({}), 0)").format(
            sql.Literal(f"{SEED}#"), sql.SQL(", ").join(terms)
        )
        rest = sql.SQL("FROM ONLY {} t0{} WHERE ({} & 2147483647) < {}").format(
            self.places[table.name], sql.Composed(joins), chosen, sql.Literal(int(share * HASHES))
        )
        return self._stream(table, rest)

    def settle(self) -> None:
        self.writing.execute("ANALYZE")

    def missing(self, relation: Relation, after: Key | None) -> list[Key]:
        own = [sql.Identifier("c", name) for name in relation.columns]
        listed = sql.SQL(", ").join(own)
        query = sql.SQL("SELECT DISTINCT {} FROM {} c LEFT JOIN {} p ON {} WHERE {} AND {} IS NULL").format(
            listed,
            self.places[relation.child],
            self.places[relation.parent],
            _equal("p", relation.parent_columns, "c", relation.columns),
            sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(one) for one in own),
            sql.Identifier("p", relation.parent_columns[0]),
        )
        if after is not None:
            literals = sql.SQL(", ").join(map(sql.Literal, after))
            query += sql.SQL(" AND ({}) > ({})").format(listed, literals)
        query += sql.SQL(" ORDER BY {} LIMIT {}").format(listed, sql.Literal(BATCH))
        try:
            return list(self.writing.execute(query).fetchall())
        except (psycopg.errors.UndefinedFunction, psycopg.errors.DatatypeMismatch):
            raise UnlikeError(f"{relation.child} and {relation.parent} cannot be compared") from None

    def fetch(self, table: Table, columns: Sequence[str], keys: Sequence[Key]) -> int:
        names = sql.SQL(", ").join(sql.Identifier("t0", name) for name in columns)
        rows = sql.SQL(", ").join(sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, key))) for key in keys)
        rest = sql.SQL("FROM ONLY {} t0 WHERE ({}) IN ({})").format(self.places[table.name], names, rows)
        return self._stream(table, rest)

    def finish(self) -> Mapping[str, int]:
        query = (
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"  # noqa: S608
            f" WHERE c.relkind = 'S' AND {OURS}"
        )
        for schema, name in self.reading.execute(query).fetchall():
            place = sql.Identifier(schema, name)
            for last, called in self.reading.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(place)):
                text = sql.Literal(place.as_string(None))
                self.writing.execute(sql.SQL("SELECT setval({}::regclass, {}, {})").format(text, last, called))
        self.writing.execute("ANALYZE")
        self.writing.execute("CHECKPOINT")
        return {name: self._count(self.writing, name) for name in self.places}

    def _count(self, connection: psycopg.Connection[Any], name: str) -> int:
        query = sql.SQL("SELECT count(*) FROM ONLY {}").format(self.places[name])
        [row] = connection.execute(query).fetchall()
        return int(row[0])

    def _stream(self, table: Table, rest: sql.Composable) -> int:
        """Rows from one connection to the other, as they come."""
        wanted = sql.SQL(", ").join(sql.Identifier("t0", name) for name in table.columns)
        names = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        out = sql.SQL("COPY (SELECT {} {}) TO STDOUT").format(wanted, rest)
        into = sql.SQL("COPY {} ({}) FROM STDIN").format(self.places[table.name], names)
        with self.reading.cursor() as source, self.writing.cursor() as target:
            with source.copy(out) as read, target.copy(into) as write:
                for block in read:
                    write.write(block)
            return max(0, target.rowcount)


def _equal(one: str, names: Sequence[str], other: str, others: Sequence[str]) -> sql.Composable:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(one, name), sql.Identifier(other, its))
        for name, its in zip(names, others, strict=True)
    )
