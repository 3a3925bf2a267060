"""Samples of a MariaDB or MySQL database: from one snapshot, read by one session that can write nothing."""

import contextlib
import dataclasses
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pymysql
from pymysql.cursors import SSCursor

from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.engines import mysql as engine
from sapwood.site.upgrades.engines import servers
from sapwood.site.upgrades.engines.base import BackupError, Say, no_space
from sapwood.site.upgrades.sampling.drawing import BATCH, Key, Sampler, UnlikeError
from sapwood.site.upgrades.sampling.graph import SEED, Origin, Relation, Table

STATEMENT_BYTES: Final = 512 << 10
ROWS_AT_ONCE: Final = 200
HASHES: Final = 2**32
# Cannot be compared: collations, kinds of values.
UNLIKE: Final = {1267, 1271, 1253, 1366, 4078}


@contextlib.contextmanager
def serving(url: DatabaseUrl, folder: Path, say: Say) -> Iterator[tuple[DatabaseUrl, DatabaseUrl]]:
    """Where to draw the first sample from (the site), and a private server like the site's for all samples."""
    settings = engine.settings_of(url)
    options = engine.options_like(settings)
    flush = options.pop("innodb-flush-log-at-trx-commit")
    with no_space(), servers.home(folder, servers.owner_for("mysql")) as place:
        say("sampling: making a private server")
        servers.mariadb_install(place, options)
        with servers.mariadb(place, folder, {**options, "innodb-flush-log-at-trx-commit": "0"}) as control:
            engine.copy_zones(url, control)
            # What a rehearsal's copy takes over from this server is what the site has.
            engine.run(control, f"SET GLOBAL innodb_flush_log_at_trx_commit = {int(flush)}")
            yield url, control


@contextlib.contextmanager
def drawing(source: DatabaseUrl, place: DatabaseUrl, number: int) -> Iterator[tuple[Sampler, DatabaseUrl]]:
    """A sampler into a new database on the private server, and where that is."""
    url = dataclasses.replace(place, name=f"sample_{number}")
    with engine.connected(source) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata"
            " WHERE schema_name = %s",
            (source.name,),
        )
        charset, collation = cursor.fetchone()
    engine.run(place, f"CREATE DATABASE {url.name} CHARACTER SET {charset} COLLATE {collation}")
    _load(source, url, "--skip-triggers", "--routines")
    with engine.connected(source) as reading, engine.connected(url, write=True) as writing:
        reading.decoders = {}
        with reading.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        yield MySQLSampler(source, url, reading, writing), url


def _load(source: DatabaseUrl, url: DatabaseUrl, *what: str) -> None:
    """Definitions without rows, from one database into another."""
    dump, client = engine.client_program("dump"), engine.client_program()
    if dump is None or client is None:
        raise BackupError("mariadb-dump is not installed", hint="Install the package mariadb-client.")
    fixed = ["--no-data", "--single-transaction", "--skip-lock-tables", "--skip-comments", "--no-tablespaces"]
    with engine.option_file(source) as there, engine.option_file(url) as here, tempfile.TemporaryFile() as file:
        argv: list[str | Path] = [
            dump,
            f"--defaults-file={there}",
            "--default-character-set=utf8mb4",
            *fixed,
            *what,
            source.name,
        ]
        engine.run_program(argv, "mariadb-dump", stdout=file, stdin=subprocess.DEVNULL)
        file.seek(0)
        argv = [client, f"--defaults-file={here}", "--default-character-set=utf8mb4", url.name]
        engine.run_program(argv, "Loading the definitions", stdin=file, stdout=subprocess.DEVNULL)


class MySQLSampler:
    """See Sampler."""

    def __init__(self, source: DatabaseUrl, url: DatabaseUrl, reading: Any, writing: Any) -> None:
        self.source, self.url, self.reading, self.writing = source, url, reading, writing
        self.floats: dict[str, set[str]] = {}

    def tables(self) -> Mapping[str, Table]:
        columns: dict[str, list[str]] = {}
        for table, column, kind in self._read(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " JOIN information_schema.tables USING (table_schema, table_name)"
            " WHERE table_schema = %s AND table_type = 'BASE TABLE' AND COALESCE(generation_expression, '') = ''"
            " ORDER BY table_name, ordinal_position",
            self.source.name,
        ):
            columns.setdefault(table, []).append(column)
            if kind.lower() == "float":
                self.floats.setdefault(table, set()).add(column)
        keys: dict[str, list[str]] = {}
        for table, column in self._read(
            "SELECT table_name, column_name FROM information_schema.key_column_usage"
            " WHERE table_schema = %s AND constraint_name = 'PRIMARY' ORDER BY table_name, ordinal_position",
            self.source.name,
        ):
            keys.setdefault(table, []).append(column)
        return {
            name: Table(name, tuple(names), tuple(keys.get(name, names)), self._count(self.reading, name))
            for name, names in columns.items()
        }

    def relations(self) -> Sequence[Relation]:
        grouped: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
        for child, name, column, parent, other in self._read(
            "SELECT table_name, constraint_name, column_name, referenced_table_name, referenced_column_name"
            " FROM information_schema.key_column_usage WHERE table_schema = %s AND referenced_table_schema = %s"
            " ORDER BY table_name, constraint_name, ordinal_position",
            self.source.name,
            self.source.name,
        ):
            grouped.setdefault((child, name, parent), []).append((column, other))
        return [
            Relation(child, tuple(own for own, _ in pairs), parent, tuple(other for _, other in pairs))
            for (child, _name, parent), pairs in grouped.items()
        ]

    def copy(self, table: Table) -> int:
        return self._stream(table, f"FROM {_quoted(table.name)} t0")

    def seed(self, table: Table, chosen_by: Origin, share: float) -> int:
        joins = "".join(
            f" LEFT JOIN {_quoted(step.table)} t{number} ON "
            + " AND ".join(
                f"t{number}.{_quoted(right)} = t{number - 1}.{_quoted(left)}"
                for left, right in zip(step.left, step.right, strict=True)
            )
            for number, step in enumerate(chosen_by.steps, 1)
        )
        *above, (_own, key) = chosen_by.terms
        terms = [f"CONCAT({_joined(number, columns)})" for number, columns in above]
        terms.append(f"CONCAT_WS('#', {', '.join(f't0.{_quoted(name)}' for name in key)})")
        chosen = f"MD5(CONCAT('{SEED}#', COALESCE({', '.join(terms)})))"
        number = f"CAST(CONV(LEFT({chosen}, 8), 16, 10) AS UNSIGNED)"
        return self._stream(table, f"FROM {_quoted(table.name)} t0{joins} WHERE {number} < %s", [int(share * HASHES)])

    def settle(self) -> None:
        """Every index is there from the beginning."""

    def missing(self, relation: Relation, after: Key | None) -> list[Key]:
        own = [f"c.{_quoted(name)}" for name in relation.columns]
        theirs = [f"p.{_quoted(name)}" for name in relation.parent_columns]
        match = " AND ".join(f"{one} = {other}" for one, other in zip(theirs, own, strict=True))
        sql = (
            f"SELECT DISTINCT {', '.join(own)} FROM {_quoted(relation.child)} c"  # noqa: S608 - quoted
            f" LEFT JOIN {_quoted(relation.parent)} p ON {match}"
            f" WHERE {' AND '.join(f'{one} IS NOT NULL' for one in own)} AND {theirs[0]} IS NULL"
        )
        if after is not None:
            sql += f" AND ({', '.join(own)}) > ({', '.join(['%s'] * len(own))})"
        sql += f" ORDER BY {', '.join(own)} LIMIT {BATCH}"
        try:
            with self.writing.cursor() as cursor:
                cursor.execute(sql, after or ())
                return list(cursor.fetchall())
        except pymysql.Error as error:
            if error.args and error.args[0] in UNLIKE:
                raise UnlikeError(f"{relation.child} and {relation.parent} cannot be compared") from None
            raise

    def fetch(self, table: Table, columns: Sequence[str], keys: Sequence[Key]) -> int:
        names = ", ".join(f"t0.{_quoted(name)}" for name in columns)
        one = f"({', '.join(['%s'] * len(columns))})"
        rest = f"FROM {_quoted(table.name)} t0 WHERE ({names}) IN ({', '.join([one] * len(keys))})"
        return self._stream(table, rest, [value for key in keys for value in key], or_ignore=True)

    def finish(self) -> Mapping[str, int]:
        with self.reading.cursor() as cursor:
            cursor.execute("COMMIT")
        _load(self.source, self.url, "--no-create-info", "--triggers")
        with self.writing.cursor() as cursor:
            cursor.execute("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'")
            names = [row[0] for row in cursor.fetchall()]
            for name in names:
                cursor.execute(f"ANALYZE TABLE {_quoted(name)}")
        return {name: self._count(self.writing, name) for name in names}

    def _read(self, sql: str, *values: object) -> list[tuple[str, ...]]:
        with self.reading.cursor() as cursor:
            cursor.execute(sql, values)
            return [tuple(map(_plain, row)) for row in cursor.fetchall()]

    def _count(self, connection: Any, name: str) -> int:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {_quoted(name)}")  # noqa: S608 - quoted
            return int(cursor.fetchone()[0])

    def _stream(self, table: Table, rest: str, values: Sequence[Any] = (), *, or_ignore: bool = False) -> int:
        """Rows from one connection to the other, a statement's worth at a time."""
        floats = self.floats.get(table.name, set())
        wanted = [f"t0.{_quoted(name)}{' + 0e0' if name in floats else ''}" for name in table.columns]
        names = ", ".join(map(_quoted, table.columns))
        head = f"INSERT{' IGNORE' if or_ignore else ''} INTO {_quoted(table.name)} ({names}) VALUES "
        found = 0
        with self.reading.cursor(SSCursor) as cursor, self.writing.cursor() as target:
            target.execute("START TRANSACTION")
            cursor.execute(f"SELECT {', '.join(wanted)} {rest}", list(values) or None)
            binary = [engine.is_binary(field) for field in cursor._result.fields]  # noqa: SLF001 - PyMySQL's only way
            lines: list[str] = []
            size = 0
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                for row in rows:
                    lines.append(f"({', '.join(map(engine.literal, row, binary))})")
                    size += len(lines[-1])
                if size > STATEMENT_BYTES:
                    found += self._put(target, head, lines)
                    lines, size = [], 0
            found += self._put(target, head, lines)
            target.execute("COMMIT")
        return found

    @staticmethod
    def _put(target: Any, head: str, lines: Sequence[str]) -> int:
        if not lines:
            return 0
        target.execute((head + ", ".join(lines)).encode("utf-8", "surrogateescape"))
        return int(target.rowcount)


def _plain(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _joined(number: int, columns: Sequence[str]) -> str:
    return ", '#', ".join(f"t{number}.{_quoted(name)}" for name in columns)


def _quoted(name: str) -> str:
    return engine.quoted(name)
