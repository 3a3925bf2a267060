"""Masking a database of MariaDB or MySQL: the rows go through a file and come back, in which the values are others."""

import contextlib
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sapwood.core.errors import SapwoodError
from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.engines import mysql
from sapwood.site.upgrades.engines.base import emptied
from sapwood.site.upgrades.masking.changes import Change, Rewrite
from sapwood.site.upgrades.masking.rules import Column, MaskError, Schema

KINDS: Final = {
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"), "text"),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), "binary"),
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint"), "integer"),
    **dict.fromkeys(("date", "datetime", "timestamp"), "date"),
    **dict.fromkeys(("inet4", "inet6"), "ip"),
    "decimal": "decimal",
    "float": "float",
    "double": "float",
    "uuid": "uuid",
    "json": "json",
}
BITS: Final = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
# Python's names for the server's character sets, where they differ; those without one keep what is not ASCII.
CODECS: Final = {"latin1": "cp1252", "utf8mb3": "utf-8", "utf8mb4": "utf-8", "utf8": "utf-8", "ucs2": "utf-16-be"}
SYSTEM: Final = {"information_schema", "mysql", "performance_schema", "sys"}


def schema(url: DatabaseUrl) -> Schema:
    """The columns of its tables."""
    with mysql.connected(url) as connection, connection.cursor() as cursor:
        unique = set(
            _rows(
                cursor,
                "SELECT table_name, column_name FROM information_schema.statistics"
                " WHERE table_schema = %s AND non_unique = 0 AND column_name IS NOT NULL",
                url.name,
            )
        )
        columns = {
            (table, name): Column(
                table,
                name,
                "bool" if whole == "tinyint(1)" else KINDS.get(kind, "other"),
                generated="GENERATED" in extra.upper() and "DEFAULT_GENERATED" not in extra.upper(),
                unique=(table, name) in unique,
                highest=_highest(kind, whole),
                codec=_codec(charset),
                earliest="1970-01-03" if kind == "timestamp" else "1000-01-01",
            )
            for table, name, kind, whole, extra, charset in _rows(
                cursor,
                "SELECT table_name, column_name, LOWER(data_type), LOWER(column_type), extra,"
                " COALESCE(character_set_name, '') FROM information_schema.columns JOIN information_schema.tables"
                " USING (table_schema, table_name) WHERE table_schema = %s AND table_type LIKE 'BASE%%'"
                " ORDER BY table_name, ordinal_position",
                url.name,
            )
        }
        links = [
            ((table, name), (parent, other))
            for table, name, parent, other in _rows(
                cursor,
                "SELECT table_name, column_name, referenced_table_name, referenced_column_name"
                " FROM information_schema.key_column_usage"
                " WHERE table_schema = %s AND referenced_table_schema = table_schema",
                url.name,
            )
        ]
        left = [
            (name, Phrase("a table of the kind %(kind)s", kind=kind.lower()))
            for name, kind in _rows(
                cursor,
                "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = %s"
                " AND table_type NOT LIKE 'BASE%%' AND table_type NOT LIKE '%%VIEW' AND table_type <> 'SEQUENCE'",
                url.name,
            )
        ]
    return Schema(columns, links, left)


def _rows(cursor: Any, sql: str, *values: object) -> list[tuple[Any, ...]]:
    cursor.execute(sql, values)
    return list(cursor.fetchall())


def _highest(kind: str, whole: str) -> int | None:
    if kind not in BITS:
        return None
    return int(2 ** (BITS[kind] - ("unsigned" not in whole)) - 1)


def _codec(charset: str) -> str:
    name = CODECS.get(charset, charset) or "utf-8"
    try:
        "".encode(name)
    except LookupError:
        return "ascii"
    return name


@contextlib.contextmanager
def opened(url: DatabaseUrl, tables: Sequence[str], folder: Path) -> Iterator[Rewrite]:
    """What rewrites a table of the copy. Triggers are taken out meanwhile; other databases are dropped."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    triggers = folder / "triggers.sql"
    with mysql.option_file(url) as defaults:
        dump, client = mysql.client_program("dump"), mysql.client_program()
        if dump is None or client is None:
            raise MaskError("mariadb-dump is not installed", hint="Install the package mariadb-client.")
        given = ["--default-character-set=utf8mb4", "--no-data", "--no-create-info", "--triggers", "--no-tablespaces"]
        with triggers.open("wb") as file:
            argv = [str(dump), f"--defaults-file={defaults}", *given, url.name]
            mysql.run_program(argv, "mariadb-dump", stdout=file, stdin=subprocess.DEVNULL)
        with mysql.connected(url, write=True) as connection, connection.cursor() as cursor:
            for (name,) in _rows(cursor, "SHOW DATABASES"):
                if name.lower() not in SYSTEM and name != url.name:
                    cursor.execute(f"DROP DATABASE {mysql.quoted(name)}")
            sql = "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = %s"
            for (name,) in _rows(cursor, sql, url.name):
                cursor.execute(f"DROP TRIGGER {mysql.quoted(name)}")
        argv = [str(client), f"--defaults-file={defaults}", "--default-character-set=utf8mb4", url.name]
        yield lambda table, changes: _rewrite(url, argv, table, changes, folder)
        mysql.feed(argv, triggers)
        with contextlib.suppress(SapwoodError):  # what this server's statistics hold of values; MySQL has no such table
            mysql.run(url, "DELETE FROM mysql.column_stats")
        mysql.run(url, *[f"ANALYZE TABLE {mysql.quoted(table)}" for table in tables])


def _rewrite(url: DatabaseUrl, argv: Sequence[str], table: str, changes: Mapping[str, Change], folder: Path) -> None:
    path = emptied(folder, "rows.sql")
    with mysql.connected(url) as connection, connection.cursor() as cursor:
        [(number,)] = _rows(
            cursor,
            "SELECT auto_increment FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
            url.name,
            table,
        )
    if any(change.chosen.column.unique for change in changes.values()):
        path.write_text("SET SESSION unique_checks = 1;\n", encoding="ascii")
    mysql.write_rows(url, table, path, changes)
    mysql.run(url, f"TRUNCATE TABLE {mysql.quoted(table)}")
    try:
        mysql.feed(argv, path, rows=True)
    except SapwoodError as error:
        raise MaskError.of_table(table, re.sub(r"^Loading failed: ", "", error.message)) from None
    finally:
        path.unlink()
    if number is not None:
        mysql.run(url, f"ALTER TABLE {mysql.quoted(table)} AUTO_INCREMENT = {int(number)}")
