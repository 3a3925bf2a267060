"""Masking a SQLite file: the rows go through a table of their own and come back, in which the values are others."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.masking.changes import Change, Rewrite
from sapwood.site.upgrades.masking.rules import Column, MaskError, Schema

ASIDE: Final = '"sapwood_masked"'
# Declared types are only words in SQLite: the first of these that is in one decides, in lower case.
KINDS: Final = (
    ("bool", "bool"), ("json", "json"), ("int", "integer"), ("char", "text"), ("text", "text"), ("clob", "text"),
    ("date", "date"), ("timestamp", "date"), ("time", "other"), ("blob", "binary"), ("dec", "decimal"),
    ("numeric", "decimal"), ("real", "float"), ("double", "float"), ("float", "float"),
)  # fmt: skip


def schema(url: DatabaseUrl) -> Schema:
    """The columns of its tables."""
    columns, links, left = {}, [], []
    with contextlib.closing(sqlite3.connect(f"{Path(url.name).as_uri()}?mode=ro", uri=True)) as connection:
        kinds = connection.execute(
            "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).fetchall()
        left = [
            (name, Phrase("a table of the kind %(kind)s", kind=kind))
            for name, kind in kinds
            if kind in {"virtual", "shadow"}
        ]
        for table in sorted(name for name, kind in kinds if kind == "table"):
            unique = _unique(connection, table)
            for name, declared, key, hidden in connection.execute(
                "SELECT name, lower(type), pk, hidden FROM pragma_table_xinfo(?)", (table,)
            ):
                columns[table, name] = Column(
                    table,
                    name,
                    next((kind for word, kind in KINDS if word in declared), "other" if declared else "text"),
                    generated=hidden in {2, 3},
                    unique=bool(key) or name in unique,
                    highest=32767 if "small" in declared else 2**63 - 1 if "big" in declared else 2**31 - 1,
                )
            for parent, one, other in connection.execute(
                'SELECT "table", "from", "to" FROM pragma_foreign_key_list(?)', (table,)
            ):
                links.append(((table, one), (parent, other or _key(connection, parent))))
    return Schema(columns, links, left)


def _unique(connection: sqlite3.Connection, table: str) -> set[str]:
    rows = connection.execute(
        "SELECT i.name FROM pragma_index_list(?) l, pragma_index_info(l.name) i WHERE l.[unique]", (table,)
    )
    return {name for (name,) in rows if name}


def _key(connection: sqlite3.Connection, table: str) -> str:
    row = connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk = 1", (table,)).fetchone()
    return row[0] if row else ""


@contextlib.contextmanager
def opened(url: DatabaseUrl, tables: Sequence[str], folder: Path) -> Iterator[Rewrite]:
    """What rewrites a table of the copy. Triggers are taken out meanwhile, and foreign keys are not looked at."""
    del folder
    with contextlib.closing(sqlite3.connect(url.name, isolation_level=None)) as connection:
        # The copy is thrown away when anything fails; what is removed from it is overwritten.
        for setting in ("foreign_keys = OFF", "secure_delete = ON", "journal_mode = OFF", "synchronous = OFF"):
            connection.execute(f"PRAGMA {setting}")
        triggers = [
            (name, sql)
            for table in tables
            for name, sql in connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE", (table,)
            ).fetchall()
        ]
        connection.execute("BEGIN")
        for name, _sql in triggers:
            connection.execute(f"DROP TRIGGER {_quoted(name)}")
        yield lambda table, changes: _rewrite(connection, table, changes)
        for _name, sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat4'").fetchone():
            connection.execute("ANALYZE")  # these statistics hold values


def _rewrite(connection: sqlite3.Connection, table: str, changes: Mapping[str, Change]) -> None:
    names = [
        name
        for name, hidden in connection.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (table,)).fetchall()
        if not hidden
    ]
    wanted = []
    for number, name in enumerate(names):
        if name in changes:
            connection.create_function(f"sapwood_{number}", 1, changes[name])
            wanted.append(f"sapwood_{number}({_quoted(name)}) AS {_quoted(name)}")
        else:
            wanted.append(_quoted(name))
    listed = ", ".join(map(_quoted, names))
    try:
        connection.execute(f"CREATE TABLE {ASIDE} AS SELECT {', '.join(wanted)} FROM {_quoted(table)}")  # noqa: S608 - quoted
        connection.execute(f"DELETE FROM {_quoted(table)}")  # noqa: S608
        connection.execute(f"INSERT INTO {_quoted(table)} ({listed}) SELECT {listed} FROM {ASIDE}")  # noqa: S608
        connection.execute(f"DROP TABLE {ASIDE}")
    except sqlite3.Error as error:
        raise MaskError.of_table(table, str(error)) from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
