"""PostgreSQL: copied by pg_basebackup where the account may, else by pg_dump and a parallel restore.

A copy of the whole cluster keeps its roles, so that a migration fails there for the same missing right. A shadow keeps
the source's settings of durability and planning while it is measured; only loading it runs without a flush. It archives
and streams no log.
"""

import contextlib
import dataclasses
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.drivers.inside import scrub
from sapwood.site.upgrades.engines import servers
from sapwood.site.upgrades.engines.base import (
    SCHEMA,
    Backup,
    BackupError,
    Copy,
    Fingerprint,
    Say,
    ShadowError,
    Technique,
    emptied,
    no_space,
    remove,
    require_room,
    room,
    same,
    seal,
    unseal,
    without_values,
)

PHYSICAL, LOGICAL, TEMPLATE = "physical", "logical", "template"
LOCK_WAIT_S: Final = 10
PARALLEL: Final = "2"
SESSION: Final = (
    f"-c lock_timeout={LOCK_WAIT_S}s -c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres"
    " -c extra_float_digits=3 -c bytea_output=hex -c search_path=pg_catalog"
)
# What decides how a statement behaves or how long it takes, taken over from the source.
KEPT: Final = (
    "autovacuum", "checkpoint_timeout", "default_statistics_target", "default_transaction_isolation",
    "effective_cache_size", "effective_io_concurrency", "fsync", "full_page_writes", "jit", "maintenance_work_mem",
    "max_connections", "max_locks_per_transaction", "max_parallel_maintenance_workers", "max_parallel_workers",
    "max_parallel_workers_per_gather", "max_prepared_transactions", "max_wal_size", "max_worker_processes",
    "min_wal_size", "random_page_cost", "shared_preload_libraries", "synchronous_commit", "TimeZone", "wal_level",
    "wal_compression", "work_mem", "lc_monetary", "lc_numeric", "lc_time",
)  # fmt: skip
UNFLUSHED: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
USER_SCHEMA: Final = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"
# Everything that is defined, as lines of text; what belongs to an extension is the extension's.
DEFINITIONS: Final = f"""
WITH ours AS (
  SELECT c.oid, n.nspname, c.relname, c.relkind, c.relowner
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {USER_SCHEMA}
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
), lines AS (
  SELECT concat_ws('|', 'relation', nspname, relname, relkind, pg_get_userbyid(relowner)) AS line FROM ours
  UNION ALL SELECT concat_ws('|', 'column', o.nspname, o.relname,
    row_number() OVER (PARTITION BY o.oid ORDER BY a.attnum), a.attname, format_type(a.atttypid, a.atttypmod),
    a.attnotnull, a.attidentity, a.attgenerated, a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid))
    FROM ours o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = o.oid AND d.adnum = a.attnum WHERE o.relkind IN ('r', 'p', 'v', 'm', 'f')
  UNION ALL SELECT 'index|' || pg_get_indexdef(oid) FROM ours WHERE relkind IN ('i', 'I')
  UNION ALL SELECT concat_ws('|', 'constraint', o.nspname, o.relname, c.conname, c.convalidated,
    pg_get_constraintdef(c.oid)) FROM ours o JOIN pg_constraint c ON c.conrelid = o.oid
  UNION ALL SELECT concat_ws('|', 'view', nspname, relname, pg_get_viewdef(oid)) FROM ours WHERE relkind IN ('v', 'm')
  UNION ALL SELECT 'trigger|' || pg_get_triggerdef(t.oid) FROM ours o JOIN pg_trigger t ON t.tgrelid = o.oid
    WHERE NOT t.tgisinternal
  UNION ALL SELECT 'function|' || pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE {USER_SCHEMA} AND p.prokind <> 'a'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
  UNION ALL SELECT concat_ws('|', 'enum', n.nspname, t.typname, e.enumlabel) FROM pg_enum e
    JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace WHERE {USER_SCHEMA}
  UNION ALL SELECT 'extension|' || extname || '|' || extversion FROM pg_extension
  UNION ALL SELECT 'schema|' || n.nspname FROM pg_namespace n WHERE {USER_SCHEMA}
)
SELECT count(*), coalesce(sum(hashtextextended(line, 0)::numeric), 0) FROM lines
"""  # noqa: S608 - constants


class PostgreSQL:
    """The engine of PostgreSQL."""

    vendor = "postgresql"

    def version(self, url: DatabaseUrl) -> str:
        """Answered also while a restore has dropped the database."""
        return str(_one(_administration(url), "SHOW server_version"))

    def size(self, url: DatabaseUrl) -> int:
        """See Engine."""
        return int(_one(url, "SELECT pg_database_size(current_database())"))

    def tables(self, url: DatabaseUrl) -> Mapping[str, tuple[int, int]]:
        """Rows are the planner's estimate."""
        query = (
            "SELECT n.nspname, c.relname, greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid)"  # noqa: S608
            f" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND {USER_SCHEMA}"
        )
        return {label(schema, name): (int(rows), int(size)) for schema, name, rows, size in _all(url, query)}

    def techniques(self, url: DatabaseUrl, folder: Path) -> tuple[Technique, ...]:
        """pg_basebackup, or dump and restore."""
        major = _major(self.version(url))
        programs = servers.postgresql_programs(major)
        disk = servers.disk_for(folder, servers.owner_for("postgres"))
        here = _programs_major(programs)
        if programs is None:
            physical = logical = "no PostgreSQL server is installed here (Debian: postgresql)"
        else:
            physical = _no_physical(url, major, here, disk)
            logical = room(disk, self.size(url) * 2)
            if here < major:
                logical = f"the programs here are of release {here}, the server's is {major}"
        other = "" if here == major else f"; the server here is another ({here})"
        return (
            Technique(PHYSICAL, not physical, physical or "pg_basebackup copies the files of the whole cluster"),
            Technique(LOGICAL, not logical, logical or f"dump and parallel restore into a private server{other}"),
            Technique(TEMPLATE, False, "a template only clones a copy that is ours already"),
        )

    @contextlib.contextmanager
    def shadow(self, url: DatabaseUrl, folder: Path, technique: str, say: Say) -> Iterator[Copy]:
        """A private server with a copy of the database."""
        began = time.perf_counter()
        programs = programs_for(url)
        settings = settings_of(url)
        with no_space(), servers.home(folder, servers.owner_for("postgres")) as place:
            if technique == PHYSICAL:
                say("copying the cluster's files")
                _client(
                    url,
                    [programs / "pg_basebackup", "-D", place.data, "-X", "stream", "-c", "fast", "--no-manifest"],
                    "pg_basebackup",
                    database=False,
                )
                for name in ("postmaster.pid", "standby.signal", "recovery.signal", "postgresql.auto.conf"):
                    (place.data / name).unlink(missing_ok=True)
                place.data.chmod(0o700)
                place.give(place.data)
            else:
                say("making an empty private server")
                servers.postgresql_install(place, programs, checksums=settings.pop("data_checksums", "") == "on")
            settings.pop("data_checksums", None)
            loading = {} if technique == PHYSICAL else UNFLUSHED
            with servers.postgresql(place, folder, programs, settings | loading) as control:
                if technique == PHYSICAL:  # with the roles of the source, so with its missing rights
                    copied = dataclasses.replace(control, name=url.name, user=url.user or control.user)
                else:
                    copied = dataclasses.replace(control, name=url.name)
                    _load_logical(url, control, programs, folder, say)
                    servers.postgresql_configure(place, settings)
                    run(control, "SELECT pg_reload_conf()")
                yield Copy(copied, time.perf_counter() - began, self.size(copied), technique)

    @no_space()
    def backup(self, url: DatabaseUrl, folder: Path, say: Say) -> Backup:
        """A dump and its fingerprint from one snapshot, so that both hold while the site writes."""
        require_room(folder, self.size(url))
        began = time.perf_counter()
        fresh = emptied(folder, ".backup")
        with connected(url) as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            [snapshot] = connection.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
            say("dumping the database")
            _dump(url, programs_for(url), fresh, snapshot)
            say("summing up the rows")
            found = _fingerprint(connection)
        return seal(fresh, folder / "backup", LOGICAL, time.perf_counter() - began, found)

    @no_space()
    def restore(self, backup: Backup, url: DatabaseUrl, say: Say) -> float:
        """Drop the database and load the backup; what an interrupted run loaded is dropped again."""
        began = time.perf_counter()
        _load(backup.path, url, programs_for(url), say)
        if differs := same(self.fingerprint(url), backup.fingerprint):
            raise BackupError(f"The restored database differs from its backup: {differs}", hint="Restore it again.")
        return time.perf_counter() - began

    def load_backup(self, path: Path) -> Backup:
        """See Engine."""
        return unseal(path)

    def fingerprint(self, url: DatabaseUrl) -> Fingerprint:
        """Computed by the server, one pass over each table, in one snapshot; large objects are left out."""
        with connected(url) as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return _fingerprint(connection)

    def others(self, url: DatabaseUrl) -> Sequence[Mapping[str, Any]]:
        """Sessions in this database; the server's own processes are none."""
        query = (
            "SELECT pid, usename || '@' || coalesce(client_addr::text, 'local') FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"
        )
        return [{"id": int(number), "who": str(who)} for number, who in _all(url, query)]

    def position(self, url: DatabaseUrl) -> str:
        """The number of the cluster's next writing transaction: other databases count too."""
        return str(_one(url, "SELECT pg_snapshot_xmax(pg_current_snapshot())"))

    def blockers(self, url: DatabaseUrl) -> Sequence[Mapping[str, Any]]:
        """Open transactions in this database."""
        query = (
            "SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::bigint, usename,"
            " coalesce(client_addr::text, 'local'), state, query FROM pg_stat_activity"
            " WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()"
            " ORDER BY xact_start"
        )
        return [
            {
                "id": int(number),
                "seconds": max(0, int(seconds)),
                "who": f"{user}@{host}",
                "what": str(state) if str(state).startswith("idle") else without_values(statement or ""),
            }
            for number, seconds, user, host, state, statement in _all(url, query)
        ]


ENGINE = PostgreSQL()

# --- asking in SQL ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def connected(url: DatabaseUrl, *, write: bool = False, session: str = SESSION) -> Iterator[psycopg.Connection[Any]]:
    try:
        connection = psycopg.connect(
            host=url.socket or url.host,
            port=url.port or 5432,
            user=url.user or None,
            password=url.password or None,
            dbname=url.name,
            options=session + ("" if write else " -c default_transaction_read_only=on"),
            connect_timeout=10,
            autocommit=True,
        )
    except psycopg.Error as error:
        raise ShadowError(f"The database does not answer: {_said(error)}", hint="Check database_url.") from None
    try:
        with contextlib.closing(connection):
            yield connection
    except psycopg.Error as error:
        raise ShadowError(f"The database refused: {_said(error)}", hint="Check the account's rights.") from None


def _all(url: DatabaseUrl, query: Any, session: str = SESSION) -> list[tuple[Any, ...]]:
    with connected(url, session=session) as connection:
        return list(connection.execute(query).fetchall())


def _one(url: DatabaseUrl, query: Any) -> Any:
    return _all(url, query)[0][0]


def run(url: DatabaseUrl, *statements: Any) -> None:
    with connected(url, write=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _said(error: psycopg.Error) -> str:
    """An error of the server's without values, its code first."""
    text = scrub(error).strip().splitlines()
    return f"({error.sqlstate or 'no answer'}) {text[0] if text else type(error).__name__}"[:300]


def label(schema: str, name: str) -> str:
    """A table as reports name it."""
    return name if schema == "public" else f"{schema}.{name}"


def _major(version: str) -> int:
    return int(version.split(".", maxsplit=1)[0].split(maxsplit=1)[0])


def _programs_major(programs: Path | None) -> int:
    if programs is None:
        return 0
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"(\d+)", said)
    return int(match[1]) if match else 0


def _administration(url: DatabaseUrl) -> DatabaseUrl:
    return dataclasses.replace(url, name="postgres")


def programs_for(url: DatabaseUrl) -> Path:
    found = servers.postgresql_programs(_major(ENGINE.version(url)))
    if found is None:
        raise ShadowError("PostgreSQL is not installed here", hint="Install the package postgresql.")
    return found


def settings_of(url: DatabaseUrl) -> dict[str, str]:
    """The source's settings that a shadow keeps; its memory is bounded by what this machine has."""
    names = ", ".join(f"'{name}'" for name in (*KEPT, "data_checksums"))
    query = f"SELECT name, current_setting(name, true) FROM pg_settings WHERE name IN ({names})"  # noqa: S608 - ours
    found = {name: value for name, value in _all(url, query, session="") if value}
    shared = int(_one(url, "SELECT setting::bigint * 8192 FROM pg_settings WHERE name = 'shared_buffers'"))
    found["shared_buffers"] = f"{max(16 << 20, min(shared, servers.memory_bytes())) // 1024}kB"
    return found


def _fingerprint(connection: psycopg.Connection[Any]) -> dict[str, tuple[int, int]]:
    def numbers(query: Any) -> tuple[int, int]:
        [row] = connection.execute(query).fetchall()
        return int(row[0]), int(row[1]) % 2**64

    found = {SCHEMA: numbers(DEFINITIONS)}
    query = (
        "SELECT n.nspname, c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"  # noqa: S608
        f" WHERE c.relkind IN ('r', 'S') AND {USER_SCHEMA} ORDER BY 1, 2"
    )
    for schema, name, kind in connection.execute(query).fetchall():
        # A row as text is exact under the session's settings, and tells NULL from an empty string.
        query = {
            "r": "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM ONLY {} t",
            "S": "SELECT 1, hashtextextended(concat(last_value, '|', is_called), 0)::numeric FROM {}",
        }[kind]
        found[label(schema, name)] = numbers(sql.SQL(query).format(sql.Identifier(schema, name)))
    return found


# --- copying ---------------------------------------------------------------------------------------------------


def _no_physical(url: DatabaseUrl, major: int, here: int, disk: Path) -> str:
    if here != major:
        return f"the server is of release {major}, the programs here are of {here}"
    [(may, spaces, whole)] = _all(
        url,
        "SELECT (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user),"
        " (SELECT count(*) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')),"
        " (SELECT sum(pg_database_size(oid)) FROM pg_database WHERE has_database_privilege(oid, 'CONNECT'))",
    )
    if not may:
        return "the account lacks the right REPLICATION"
    if spaces:
        return "the cluster has tablespaces of its own"
    if _one(url, "SELECT setting::int FROM pg_settings WHERE name = 'max_wal_senders'") < 2:  # noqa: PLR2004 - two streams
        return "the server lets nobody copy it (max_wal_senders)"
    return room(disk, int(whole))


def _client(url: DatabaseUrl, argv: Sequence[str | Path], what: str, *, database: bool = True, **given: Any) -> None:
    """Run one of PostgreSQL's programs; the password is in a file that only we can read."""

    def word(value: str) -> str:
        return value.replace("\\", "\\\\").replace(":", "\\:")

    with tempfile.NamedTemporaryFile("w", prefix="sapwood-", encoding="utf-8") as file:  # mode 0600
        file.write(f"*:*:*:*:{word(url.password)}\n")
        file.flush()
        where = ["-h", url.socket or url.host, "-p", str(url.port or 5432), "--no-password"]
        where += ["-U", url.user] if url.user else []
        where += ["-d", url.name] if database else []
        environment = {"PATH": "/usr/bin:/bin", "PGPASSFILE": file.name, "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "10"}
        environment["PGOPTIONS"] = f"-c lock_timeout={LOCK_WAIT_S}s"
        done = subprocess.run(
            [*map(str, argv), *where],
            stdin=subprocess.DEVNULL,
            stdout=given.get("stdout", subprocess.DEVNULL),
            stderr=subprocess.PIPE,
            env=environment,
            check=False,
        )
    if done.returncode:
        lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if "error" in line.lower()]
        why = scrub(Exception(lines[0] if lines else "it said nothing"))[:300]
        raise BackupError(f"{what} failed: {why}", hint="Check the account's rights and the disk.")


def _dump(url: DatabaseUrl, programs: Path, folder: Path, snapshot: str = "") -> None:
    given = [f"--snapshot={snapshot}"] if snapshot else []
    _client(
        url,
        [
            programs / "pg_dump",
            "-Fd",
            "-j",
            PARALLEL,
            "-Z",
            "1",
            "-f",
            folder,
            f"--lock-wait-timeout={LOCK_WAIT_S}s",
            *given,
        ],
        "pg_dump",
    )


def _load_logical(url: DatabaseUrl, control: DatabaseUrl, programs: Path, folder: Path, say: Say) -> None:
    dumped = folder / "dump"
    remove(dumped)
    try:
        say("dumping the database")
        _dump(url, programs, dumped)
        copy_roles(url, control)
        _load(dumped, dataclasses.replace(control, name=url.name), programs, say)
        # A dump brings no statistics, and a plan without them is not production's.
        run(dataclasses.replace(control, name=url.name), "ANALYZE", "CHECKPOINT")
    finally:
        shutil.rmtree(dumped, ignore_errors=True)


def load_schema(source: DatabaseUrl, url: DatabaseUrl, folder: Path, *, like_source: bool = False) -> None:
    """Make a new database with the source's definitions and no rows; `like_source` also sorts its texts as that does.

    Without it, source and database are on one server.
    """
    programs = programs_for(source)
    _client(source, [programs / "pg_dump", "-Fd", "-s", "-f", folder], "pg_dump")
    made = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(url.name))
    run(_administration(url), made + _sorted_like(source) if like_source else made)
    _client(url, [programs / "pg_restore", "-Fd", "--no-owner", "--no-privileges", folder], "pg_restore")


def _sorted_like(source: DatabaseUrl) -> sql.Composed:
    """Encoding and locale of a database, as options of a new one: how long an index of texts takes rests on them."""
    query = "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = {}"
    [(encoding, collate, ctype)] = _all(source, sql.SQL(query).format(sql.Literal(source.name)))
    words = sql.SQL(" ENCODING {} LC_COLLATE {} LC_CTYPE {}")
    return words.format(*map(sql.Literal, (encoding, collate, ctype)))


def copy_roles(url: DatabaseUrl, control: DatabaseUrl) -> None:
    """The source's roles without their passwords: owners and grants in the dump name them."""
    names = [name for (name,) in _all(url, "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'")]
    known = {name for (name,) in _all(control, "SELECT rolname FROM pg_roles")}
    run(control, *[sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)) for name in names if name not in known])


def _load(source: Path, url: DatabaseUrl, programs: Path, say: Say) -> None:
    say("emptying the database")
    administration = _administration(url)
    run(administration, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(url.name)))
    say("loading the database")
    _client(
        administration,
        [programs / "pg_restore", "-Fd", "-j", PARALLEL, "--create", "--exit-on-error", source],
        "pg_restore",
    )
