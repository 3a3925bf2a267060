"""What each statement of a migration costs on this server, tried on an empty copy of the schema: it needs no rows.

MariaDB and MySQL: the cheapest ALGORITHM that the server accepts. PostgreSQL: the strongest lock that the statement
takes on a table that was there before, and whether such a table is written anew or read as a whole.
"""

import contextlib
import dataclasses
import re
import secrets
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades.data import DatabaseUrl

Algorithms = Callable[[Iterable[str]], list[str]]
UNKNOWN: Final = "unknown"
MARIADB: Final = ("INSTANT", "NOCOPY", "INPLACE", "COPY")
MYSQL: Final = ("INSTANT", "INPLACE", "COPY")
REFUSED: Final = {1845, 1846}  # this algorithm cannot do it: ER_ALTER_OPERATION_NOT_SUPPORTED and its _REASON
NO_LOCK: Final = "LOCK=NONE"
SHARED_LOCK: Final = "LOCK=SHARED"
# What joins a statement and its algorithm.
JOINTS: Final = {
    "ALTER TABLE": ", ",
    "CREATE INDEX": " ",
    "CREATE UNIQUE": " ",
    "CREATE FULLTEXT": " ",
    "CREATE SPATIAL": " ",
}
_IDENTIFIER: Final = r"(`(?:[^`]|``)+`|[^\s`]+)"
DROP_INDEX: Final = re.compile(rf"DROP\s+INDEX\s+{_IDENTIFIER}\s+ON\s+{_IDENTIFIER}\Z", re.IGNORECASE)
# Weakest first (PostgreSQL's documentation, table 13.2).
LOCKS: Final = (
    "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)  # fmt: skip


def blocks_writes(algorithm: str) -> bool | None:
    """Whether writes to the table wait until a statement of this algorithm or lock has gone over all rows.

    False also where they wait for an instant only. None where the probe could not tell.
    """
    first, *more = algorithm.split(", ")
    if first in LOCKS:
        return LOCKS.index(first) >= LOCKS.index("SHARE") and bool(more)
    if more:
        return more != [NO_LOCK]
    return {**dict.fromkeys(("INSTANT", "NOCOPY", "INPLACE", "metadata", "none"), False), "COPY": True}.get(first)


def any_blocks_writes(algorithms: Iterable[str]) -> bool | None:
    """The same of several statements: None where there is none, or one that could not be told and none that does."""
    told = [blocks_writes(one) for one in algorithms]
    return True if True in told else None if None in told or not told else False


@contextlib.contextmanager
def empty_copy(shadow: DatabaseUrl, folder: Path) -> Iterator[Algorithms]:
    """A function that runs statements on an empty copy of a shadow's schema and says what each takes.

    Where none can be made, or there is nothing to choose, its answers are empty. Ask in the order of the upgrade.
    """
    copied = dataclasses.replace(shadow, name=f"probe_{secrets.token_hex(4)}")
    make = {"mysql": _mysql, "postgresql": _postgresql}.get(shadow.vendor)
    with contextlib.ExitStack() as stack:
        found: Algorithms = _nothing
        if make is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with contextlib.suppress(SapwoodError):
                found = stack.enter_context(make(shadow, copied, folder))
        yield found


def _nothing(_statements: Iterable[str]) -> list[str]:
    return []


# --- MariaDB and MySQL -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _mysql(shadow: DatabaseUrl, copied: DatabaseUrl, folder: Path) -> Iterator[Algorithms]:
    from sapwood.site.upgrades.engines import mysql  # noqa: PLC0415 - its driver is for those who need it

    with mysql.option_file(shadow) as defaults, (folder / "schema.sql").open("w+b") as file:
        argv = [
            str(mysql.client_program("dump")),
            f"--defaults-file={defaults}",
            "--no-data",
            "--skip-triggers",
            shadow.name,
        ]
        mysql.run_program(argv, "mariadb-dump", stdout=file, stdin=subprocess.DEVNULL)
        mysql.run(dataclasses.replace(copied, name=""), f"CREATE DATABASE {copied.name}")
        file.seek(0)
        argv = [str(mysql.client_program()), f"--defaults-file={defaults}", copied.name]
        mysql.run_program(argv, "mariadb", stdin=file, stdout=subprocess.DEVNULL)
    known = MARIADB if "mariadb" in mysql.ENGINE.version(shadow).lower() else MYSQL
    try:
        with mysql.connected(copied, write=True) as connection, connection.cursor() as cursor:
            # As Django connects: whether a foreign key is checked decides its algorithm.
            cursor.execute("SET SESSION foreign_key_checks = 1, unique_checks = 1, sql_mode = @@GLOBAL.sql_mode")
            yield lambda statements: [_forced(cursor, statement, known) for statement in statements]
    finally:
        with contextlib.suppress(SapwoodError):  # a server that died took the copy with it
            mysql.run(dataclasses.replace(copied, name=""), f"DROP DATABASE {copied.name}")


def _forced(cursor: Any, statement: str, known: Iterable[str]) -> str:
    """The cheapest algorithm that the server accepts, each asked first without a lock: what it then takes by itself."""
    import pymysql  # noqa: PLC0415

    statement = statement.strip().rstrip(";")
    asked = DROP_INDEX.sub(r"ALTER TABLE \2 DROP INDEX \1", statement)  # MariaDB's own DROP INDEX takes no algorithm
    joint = JOINTS.get(" ".join(asked.upper().split(maxsplit=2)[:2]), "")
    for algorithm, lock in _attempts(known) if joint else ():
        try:
            cursor.execute(joint.join([asked, f"ALGORITHM={algorithm}", *lock]))
        except pymysql.Error as error:
            if error.args[0] not in REFUSED:
                break
        else:
            return _said(algorithm, without_lock=bool(lock) or algorithm == "INSTANT")
    try:
        cursor.execute(statement)
    except pymysql.Error:
        return UNKNOWN
    return UNKNOWN if joint else "metadata"


def _attempts(known: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    for algorithm in known:
        if algorithm != "INSTANT":  # which needs no lock, and MySQL takes no word on locks with it
            yield algorithm, [NO_LOCK]
        yield algorithm, []


def _said(algorithm: str, *, without_lock: bool) -> str:
    """What differs from the rule is said: that a copy needs a lock, and that nothing else does."""
    if algorithm == "COPY":
        return f"COPY, {NO_LOCK}" if without_lock else "COPY"
    return algorithm if without_lock else f"{algorithm}, {SHARED_LOCK}"


# --- PostgreSQL ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _postgresql(shadow: DatabaseUrl, copied: DatabaseUrl, folder: Path) -> Iterator[Algorithms]:
    from sapwood.site.upgrades.engines import postgresql  # noqa: PLC0415

    administration = dataclasses.replace(shadow, name="postgres")
    postgresql.load_schema(shadow, copied, folder / "schema")
    try:
        with postgresql.connected(copied, write=True, session="-c lock_timeout=10s") as connection:
            yield lambda statements: [_locked(connection, statement) for statement in statements]
    finally:
        with contextlib.suppress(SapwoodError):
            postgresql.run(administration, f"DROP DATABASE {copied.name} WITH (FORCE)")


def _locked(connection: Any, statement: str) -> str:
    import psycopg  # noqa: PLC0415

    tables = (
        "SELECT c.oid, pg_relation_filenode(c.oid), pg_stat_get_xact_numscans(c.oid)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
    )
    locks = "SELECT DISTINCT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"
    try:
        if "CONCURRENTLY" in statement.upper():  # which no transaction may hold
            connection.execute(statement)
            return "SHARE UPDATE EXCLUSIVE"
        with connection.transaction():
            before = {table: (file, scans) for table, file, scans in connection.execute(tables).fetchall()}
            connection.execute(statement)
            held = {_spelled(mode) for relation, mode in connection.execute(locks).fetchall() if relation in before}
            after = {table: (file, scans) for table, file, scans in connection.execute(tables).fetchall()}
    except psycopg.Error:
        return UNKNOWN
    strongest = max(held & set(LOCKS), key=LOCKS.index, default="none")
    both = [(was, after[table]) for table, was in before.items() if table in after]
    if any(file != new_file for (file, _scans), (new_file, _more) in both):
        return f"{strongest}, rewrite"
    return f"{strongest}, scan" if any(scans < more for (_file, scans), (_new, more) in both) else strongest


def _spelled(mode: str) -> str:
    """`AccessExclusiveLock` as the documentation writes it."""
    return "".join(f" {one}" if one.isupper() else one for one in mode.removesuffix("Lock")).strip().upper()
