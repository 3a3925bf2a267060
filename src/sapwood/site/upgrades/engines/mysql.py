"""MariaDB and MySQL: copied by mariadb-backup where the place allows, else by dump and restore.

Their own programs do the copying; PyMySQL carries what is asked in SQL. A shadow keeps the source's settings that
decide how statements behave, and those of durability while it is measured: only loading it runs without. It writes
no binary log, so production with one is somewhat slower.
"""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
import socket as sockets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.converters import escape_string
from pymysql.cursors import SSCursor

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

PHYSICAL, LOGICAL = "physical", "logical"
LOCK_WAIT_S: Final = 10
PARALLEL: Final = 2
# What decides how a statement behaves or how long it takes, taken over from the source. Sizes are bounded below.
KEPT: Final = (
    "sql_mode", "character_set_server", "collation_server", "default_storage_engine", "explicit_defaults_for_timestamp",
    "group_concat_max_len", "innodb_autoinc_lock_mode", "innodb_default_row_format", "innodb_doublewrite",
    "innodb_file_per_table", "innodb_flush_log_at_trx_commit", "innodb_flush_method", "innodb_log_file_size",
    "innodb_page_size", "innodb_strict_mode", "lower_case_table_names", "max_allowed_packet", "max_heap_table_size",
    "sort_buffer_size", "time_zone", "tmp_table_size", "transaction_isolation", "tx_isolation",
)  # fmt: skip
RENAMED: Final = {"time_zone": "default_time_zone", "tx_isolation": "transaction_isolation"}
FILES: Final = ("innodb_data_file_path", "innodb_undo_tablespaces")  # of the copied files themselves
SESSION: Final = (
    f"SET SESSION lock_wait_timeout={LOCK_WAIT_S}, SESSION innodb_lock_wait_timeout={LOCK_WAIT_S}, time_zone='+00:00',"
    " sql_mode='NO_AUTO_VALUE_ON_ZERO', foreign_key_checks=0, unique_checks=0"
)
LONG: Final = {"tinytext", "text", "mediumtext", "longtext", "tinyblob", "blob", "mediumblob", "longblob", "json"}
SHORT: Final = {"char", "varchar", "binary", "varbinary", "enum", "set", "bit", "uuid", "inet4", "inet6"}
NUMBERS: Final = {
    "tinyint",
    "smallint",
    "mediumint",
    "int",
    "bigint",
    "decimal",
    "year",
    "date",
    "time",
    "datetime",
    "timestamp",
}
SHORT_BYTES: Final = 1024
NO_CHANGES: Final[Mapping[str, Callable[[Any], Any]]] = {}


class MySQL:
    """The engine of MariaDB and MySQL."""

    vendor = "mysql"

    def version(self, url: DatabaseUrl) -> str:
        """Answered also while a restore has dropped the database."""
        return str(_one(dataclasses.replace(url, name=""), "SELECT VERSION()"))

    def size(self, url: DatabaseUrl) -> int:
        """By the server's own statistics."""
        return sum(size for _rows, size in self.tables(url).values())

    def tables(self, url: DatabaseUrl) -> Mapping[str, tuple[int, int]]:
        """Rows are InnoDB's estimate."""
        sql = (
            "SELECT table_name, COALESCE(table_rows, 0), COALESCE(data_length + index_length + data_free, 0)"
            " FROM information_schema.tables WHERE table_schema = %s AND table_type LIKE 'BASE%%'"
        )
        return {name: (int(rows), int(size)) for name, rows, size in _all(url, sql, url.name)}

    def techniques(self, url: DatabaseUrl, folder: Path) -> tuple[Technique, ...]:
        """mariadb-backup, or dump and restore."""
        owner = servers.owner_for("mysql")
        disk = servers.disk_for(folder, owner)
        physical, logical = _no_physical(url, disk), _no_logical(self.size(url), disk)
        same_version = _local_version() == _series(self.version(url))
        other = "" if same_version else f"; the server here is another ({'.'.join(map(str, _local_version()))})"
        return (
            Technique(PHYSICAL, not physical, physical or "mariadb-backup copies the files of the whole server"),
            Technique(LOGICAL, not logical, logical or f"dump and restore into a private server{other}"),
        )

    @contextlib.contextmanager
    def shadow(self, url: DatabaseUrl, folder: Path, technique: str, say: Say) -> Iterator[Copy]:
        """A private server with a copy of the database."""
        began = time.perf_counter()
        settings = settings_of(url)
        options = options_like(settings)
        flush = options.pop("innodb-flush-log-at-trx-commit")
        with no_space(), servers.home(folder, servers.owner_for("mysql")) as place:
            if technique == PHYSICAL:
                options |= {name.replace("_", "-"): settings[name] for name in FILES if settings.get(name)}
                _copy_files(url, place, settings["datadir"], say)
            else:
                say("making an empty private server")
                servers.mariadb_install(place, options)
            fast = {**options, "innodb-flush-log-at-trx-commit": "0"}
            with servers.mariadb(place, folder, fast) as control:
                copied = dataclasses.replace(control, name=url.name)
                if technique == LOGICAL:
                    _load_logical(url, control, folder, say)
                run(control, f"SET GLOBAL innodb_flush_log_at_trx_commit = {int(flush)}")
                yield Copy(copied, time.perf_counter() - began, self.size(copied), technique)

    @no_space()
    def backup(self, url: DatabaseUrl, folder: Path, say: Say) -> Backup:
        """A dump in parts: definitions, each table's rows, then what acts on rows."""
        require_room(folder, self.size(url))
        began = time.perf_counter()
        before = self.fingerprint(url)
        fresh = emptied(folder, ".backup")
        _dump(url, fresh, say)
        after = self.fingerprint(url)
        certain = {name: value for name, value in before.items() if after.get(name) == value}
        if len(certain) < len(before):
            say(f"changed during the backup, so without proof of equality: {same(before, certain)}")
        return seal(fresh, folder / "backup", LOGICAL, time.perf_counter() - began, certain)

    @no_space()
    def restore(self, backup: Backup, url: DatabaseUrl, say: Say) -> float:
        """Drop the database and load the backup; what an interrupted run loaded is dropped again."""
        began = time.perf_counter()
        _load(backup.path, url, say)
        found = self.fingerprint(url)
        wanted = backup.fingerprint
        if differs := same({name: found[name] for name in wanted if name in found}, wanted):
            raise BackupError(f"The restored database differs from its backup: {differs}", hint="Restore it again.")
        return time.perf_counter() - began

    def load_backup(self, path: Path) -> Backup:
        """See Engine."""
        return unseal(path)

    def fingerprint(self, url: DatabaseUrl) -> Fingerprint:
        """Computed by the server, one pass over each table."""
        with connected(url) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION group_concat_max_len = 4294967295")
            found = {SCHEMA: _definitions(cursor, url.name)}
            cursor.execute(
                "SELECT table_name, column_name, data_type, COALESCE(character_octet_length, 0)"
                " FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)"
                " WHERE table_schema = %s AND table_type LIKE 'BASE%%' ORDER BY table_name, ordinal_position",
                (url.name,),
            )
            columns: dict[str, list[str]] = {}
            for table, column, kind, octets in cursor.fetchall():
                columns.setdefault(table, []).append(_summed(quoted(column), kind.lower(), int(octets)))
            for table, expressions in columns.items():
                row = f"CONCAT_WS('#', {', '.join(expressions)})"
                cursor.execute(
                    f"SELECT COUNT(*), COALESCE(SUM(CAST(CONV(LEFT(MD5({row}), 16), 16, 10) AS UNSIGNED)), 0)"  # noqa: S608 - quoted
                    f" FROM {quoted(table)}"
                )
                [(rows, checksum)] = cursor.fetchall()
                found[table] = (int(rows), int(checksum) % 2**64)
        return found

    def others(self, url: DatabaseUrl) -> Sequence[Mapping[str, Any]]:
        """Sessions in this database, and whoever holds a transaction open; the server's own threads are none."""
        sql = (
            "SELECT p.id, CONCAT(p.user, '@', SUBSTRING_INDEX(p.host, ':', 1)) FROM information_schema.processlist p"
            " LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id"
            " WHERE p.id <> CONNECTION_ID() AND p.user NOT IN ('system user', 'event_scheduler')"
            " AND (p.db = %s OR t.trx_id IS NOT NULL)"
        )
        return [{"id": int(number), "who": str(who)} for number, who in _all(url, sql, url.name)]

    def position(self, url: DatabaseUrl) -> str:
        """The rows that the whole server has written since it started: other schemas count too."""
        kinds = ("inserted", "updated", "deleted")
        names = ", ".join(f"'Innodb_rows_{kind}'" for kind in kinds)
        sql = f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})"
        return " ".join(str(value) for _name, value in sorted(_all(url, sql)))

    def blockers(self, url: DatabaseUrl) -> Sequence[Mapping[str, Any]]:
        """Open transactions of InnoDB: an idle one holds its tables' metadata locks too."""
        sql = (
            "SELECT t.trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()), p.user, p.host, p.command,"
            " COALESCE(p.info, '') FROM information_schema.innodb_trx t"
            " JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id"
            " WHERE p.id <> CONNECTION_ID() AND (p.db = %s OR p.db IS NULL) ORDER BY t.trx_started"
        )
        with connected(url, zone="SYSTEM") as connection, connection.cursor() as cursor:
            cursor.execute(sql, (url.name,))
            return [
                {
                    "id": int(number),
                    "seconds": max(0, int(seconds)),
                    "who": f"{user}@{host}",
                    "what": without_values(statement) or ("idle" if command == "Sleep" else str(command)),
                }
                for number, seconds, user, host, command, statement in cursor.fetchall()
            ]


ENGINE = MySQL()

# --- asking in SQL ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def connected(url: DatabaseUrl, *, write: bool = False, zone: str = "+00:00") -> Iterator[Any]:
    where: dict[str, Any] = {"unix_socket": url.socket} if url.socket else {"host": url.host, "port": url.port or 3306}
    try:
        connection = pymysql.connect(
            **where,
            user=url.user or None,
            password=url.password,
            database=url.name or None,
            charset="utf8mb4",
            connect_timeout=10,
            autocommit=True,
            init_command=SESSION.replace("'+00:00'", f"'{zone}'"),
        )
    except pymysql.Error as error:
        raise ShadowError(f"The database does not answer: {_said(error)}", hint="Check database_url.") from None
    try:
        if not write:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION TRANSACTION READ ONLY")
        yield connection
    except pymysql.Error as error:
        raise ShadowError(f"The database refused: {_said(error)}", hint="Check the account's rights.") from None
    finally:
        with contextlib.suppress(pymysql.Error):
            connection.close()


def _all(url: DatabaseUrl, sql: str, *values: object) -> tuple[tuple[Any, ...], ...]:
    with connected(url) as connection, connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: tuple[tuple[Any, ...], ...] = tuple(cursor.fetchall())
        return rows


def _one(url: DatabaseUrl, sql: str, *values: object) -> Any:
    return _all(url, sql, *values)[0][0]


def run(url: DatabaseUrl, *statements: str) -> None:
    with connected(url, write=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _said(error: BaseException) -> str:
    """An error of the server's without values; its number first, as the server's own client writes it."""
    number, *words = error.args or (0,)
    return f"({number}) {scrub(Exception(' '.join(map(str, words))))}"[:300]


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return "`" + name.replace("`", "``") + "`"


def settings_of(url: DatabaseUrl) -> dict[str, str]:
    return {name.lower(): str(value) for name, value in _all(url, "SHOW GLOBAL VARIABLES")}


def options_like(settings: Mapping[str, str]) -> dict[str, str]:
    """A server's options that make it behave like the source, within this machine's memory."""
    found = {RENAMED.get(name, name).replace("_", "-"): settings[name] for name in KEPT if settings.get(name)}
    found["innodb-buffer-pool-size"] = str(
        max(64 << 20, min(int(settings["innodb_buffer_pool_size"]), servers.memory_bytes()))
    )
    found["innodb-log-file-size"] = str(min(int(settings.get("innodb_log_file_size", 1 << 27)), 1 << 30))
    return found


def _summed(column: str, kind: str, octets: int) -> str:
    """One column as text that is exact and has no `#` in it; NULL is told from everything else."""
    if kind in {"float", "double"}:
        text = f"{column} + 0e0"  # FLOAT shows six digits, DOUBLE all
    elif kind in NUMBERS:
        text = column
    elif kind in SHORT and octets <= SHORT_BYTES:
        text = f"HEX({column})"
    else:
        text = f"MD5({column})"
    return f"COALESCE({text}, 'N')"


def _definitions(cursor: Any, name: str) -> tuple[int, int]:
    """How many things are defined, and a sum over their definitions; counters of AUTO_INCREMENT are left out."""
    parts: list[object] = []
    cursor.execute(
        "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata"
        " WHERE schema_name = %s",
        (name,),
    )
    parts += cursor.fetchall()
    cursor.execute("SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = %s", (name,))
    for table, kind in cursor.fetchall():
        if kind not in {"BASE TABLE", "VIEW", "SEQUENCE"}:
            parts.append((table, kind))
            continue
        cursor.execute(f"SHOW CREATE {'VIEW' if kind == 'VIEW' else 'TABLE'} {quoted(table)}")
        parts.append((table, re.sub(r" AUTO_INCREMENT=\d+", "", cursor.fetchone()[1])))
    for columns, source, schema in (
        ("trigger_name, event_manipulation, action_timing, event_object_table, action_statement, sql_mode, definer",
         "triggers", "trigger_schema"),
        ("routine_name, routine_type, routine_definition, dtd_identifier, sql_mode, definer, security_type",
         "routines", "routine_schema"),
        ("event_name, event_definition, interval_value, interval_field, status, definer", "events", "event_schema"),
    ):  # fmt: skip
        cursor.execute(f"SELECT {columns} FROM information_schema.{source} WHERE {schema} = %s", (name,))  # noqa: S608 - ours
        parts += cursor.fetchall()
    hashes = [int.from_bytes(hashlib.blake2b(repr(part).encode(), digest_size=8).digest()) for part in parts]
    return len(parts), sum(hashes) % 2**64


# --- what is possible here -------------------------------------------------------------------------------------


def _series(version: str) -> tuple[int, ...]:
    """Major and minor of a version, and 0 for MySQL, 1 for MariaDB."""
    numbers = re.findall(r"\d+", version)
    return (*map(int, numbers[:2]), int("mariadb" in version.lower()))


def _local_version(name: str = "mariadbd") -> tuple[int, ...]:
    found = servers.program(name, "mysqld")
    if found is None:
        return ()
    said = subprocess.run([found, "--no-defaults", "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"Ver (\S+)", said)
    return _series(match[1]) if match else ()


def _no_logical(size: int, disk: Path) -> str:
    if servers.program("mariadbd", "mysqld") is None:
        return "no MariaDB or MySQL server is installed here (Debian: mariadb-server)"
    if client_program("dump") is None:
        return "mariadb-dump is not installed here"
    return room(disk, size * 2)


def _no_physical(url: DatabaseUrl, disk: Path) -> str:
    settings = settings_of(url)
    data = Path(settings["datadir"])
    if servers.program("mariadb-backup") is None:
        return "mariadb-backup is not installed here"
    if (
        not (url.socket or url.host in {"localhost", "127.0.0.1", "::1"})
        or settings["hostname"] != sockets.gethostname()
    ):
        return "the server is on another machine"
    if _local_version() != _series(settings["version"]):
        return f"the server is {settings['version']}, the programs here are of another release"
    if not os.access(data, os.R_OK | os.X_OK) or not os.access(data / "ibdata1", os.R_OK):
        return "its data directory cannot be read by this account"
    with connected(url) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GRANTS")
        rights = " ".join(row[0].upper() for row in cursor.fetchall() if " ON *.* " in row[0])
    missing = [right for right in ("RELOAD", "PROCESS") if right not in rights and "ALL PRIVILEGES" not in rights]
    if missing:
        return f"the account lacks the right {' and '.join(missing)}"
    whole = sum(one.stat().st_size for one in data.rglob("*") if one.is_file())
    return room(disk, whole)


def client_program(what: str = "") -> Path | None:
    return servers.program(*((f"mariadb-{what}", f"mysql{what}") if what else ("mariadb", "mysql")))


# --- copying ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def option_file(url: DatabaseUrl) -> Iterator[Path]:
    """An option file that only we can read: a password on a command line is everybody's."""

    def text(value: str) -> str:
        if any(ord(one) < ord(" ") for one in value):
            raise ShadowError("The address holds a control character", hint="Check database_url.")
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    given = {"user": url.user, "password": url.password, "socket": url.socket, "host": "" if url.socket else url.host}
    lines = [f"{name}={text(value)}" for name, value in given.items() if value]
    lines += [f"port={url.port}"] if url.port and not url.socket else []
    with tempfile.NamedTemporaryFile("w", prefix="sapwood-", suffix=".cnf", encoding="utf-8") as file:  # mode 0600
        file.write("[client]\n" + "\n".join(lines) + "\n")
        file.flush()
        yield Path(file.name)


def run_program(argv: Sequence[str | Path], what: str, **given: Any) -> None:
    """Run one of the client programs; raises BackupError with its last line, scrubbed."""
    done = subprocess.run(list(map(str, argv)), stderr=subprocess.PIPE, check=False, **given)
    if done.returncode:
        raise BackupError(
            f"{what} failed: {_last(done.stderr)}", hint="Nothing was changed; check its account's rights and the disk."
        )


def _last(output: bytes) -> str:
    lines = [line for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    wrong = (
        [line for line in lines if re.search(r"error|no space", line, re.IGNORECASE)] or lines or ["it said nothing"]
    )
    return scrub(Exception(wrong[-1]))[:300]


def _copy_files(url: DatabaseUrl, place: servers.Home, source: str, say: Say) -> None:
    backup = servers.program("mariadb-backup")
    if backup is None:
        raise ShadowError("mariadb-backup is not installed", hint="Choose another technique.")
    quiet = {"stdout": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    with option_file(url) as defaults:
        say("copying the server's files")
        target = [f"--target-dir={place.data}", f"--datadir={source}", f"--parallel={PARALLEL}"]
        run_program([backup, f"--defaults-file={defaults}", "--backup", *target], "mariadb-backup", **quiet)
    say("preparing the copy")
    memory = f"--use-memory={min(servers.memory_bytes(), 1 << 30)}"
    run_program([backup, "--no-defaults", "--prepare", f"--target-dir={place.data}", memory], "mariadb-backup", **quiet)
    place.give(place.data)


def _load_logical(url: DatabaseUrl, control: DatabaseUrl, folder: Path, say: Say) -> None:
    dumped = folder / "dump"
    remove(dumped)
    try:
        _dump(url, dumped, say)
        copy_zones(url, control)
        _load(dumped, dataclasses.replace(control, name=url.name), say)
    finally:
        shutil.rmtree(dumped, ignore_errors=True)


def copy_zones(url: DatabaseUrl, control: DatabaseUrl) -> None:
    """Named time zones: without them a server answers CONVERT_TZ with NULL."""
    names = ("time_zone", "time_zone_name", "time_zone_transition", "time_zone_transition_type")
    dump, client = client_program("dump"), client_program()
    quiet = {"stdout": subprocess.DEVNULL}
    with (
        contextlib.suppress(BackupError),
        option_file(url) as source,
        option_file(control) as target,
        tempfile.TemporaryFile() as file,
    ):
        argv = [str(dump), f"--defaults-file={source}", "--single-transaction", "--skip-lock-tables", "mysql", *names]
        run_program(argv, "Reading time zones", stdout=file, stdin=subprocess.DEVNULL)
        file.seek(0)
        run_program([str(client), f"--defaults-file={target}", "mysql"], "Time zones", stdin=file, **quiet)


def _dump(url: DatabaseUrl, folder: Path, say: Say) -> None:
    """Write definitions, rows and what acts on rows into files of their own, so that loading can be shared out."""
    dump = client_program("dump")
    if dump is None:
        raise BackupError("mariadb-dump is not installed", hint="Install the package mariadb-client.")
    (folder / "rows").mkdir(parents=True, mode=0o700)
    [(charset, collation)] = _all(
        url,
        "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata"
        " WHERE schema_name = %s",
        url.name,
    ) or [("", "")]
    if not charset:
        raise BackupError("There is no such database on the server", hint="Check database_url.")
    (folder / "database.json").write_text(json.dumps({"charset": charset, "collation": collation}), encoding="utf-8")
    with_floats = (
        "SELECT DISTINCT table_name FROM information_schema.columns JOIN information_schema.tables"
        " USING (table_schema, table_name) WHERE table_schema = %s AND data_type = 'float' AND table_type LIKE 'BASE%%'"
    )
    floats = [name for (name,) in _all(url, with_floats, url.name)]
    common = ["--default-character-set=utf8mb4", "--single-transaction", "--skip-lock-tables", "--hex-blob", "--quick"]
    common += ["--skip-comments", "--no-tablespaces"]
    events = (
        ["--events"]
        if _one(url, "SELECT COUNT(*) FROM information_schema.events WHERE event_schema = %s", url.name)
        else []
    )
    with option_file(url) as defaults:
        argv = [str(dump), f"--defaults-file={defaults}", *common]
        say("dumping the definitions")
        for name, options in (
            ("1-tables.sql", ["--no-data", "--skip-triggers", "--routines", *events]),
            ("3-triggers.sql", ["--no-data", "--no-create-info", "--triggers"]),
        ):
            with (folder / name).open("wb") as file:
                run_program([*argv, *options, url.name], "mariadb-dump", stdout=file, stdin=subprocess.DEVNULL)
        say("dumping the rows")
        skipped = [f"--ignore-table={url.name}.{table}" for table in floats]
        rows = ["--no-create-info", "--skip-triggers", "--skip-add-locks", "--skip-disable-keys", *skipped]
        process = subprocess.Popen(
            [*argv, *rows, url.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        with process:
            assert process.stdout is not None  # noqa: S101 - for the types
            assert process.stderr is not None  # noqa: S101
            _share_out(process.stdout, folder / "rows")
            said = process.stderr.read()
        if process.returncode:
            raise BackupError(
                f"mariadb-dump failed: {_last(said)}",
                hint="Nothing was changed; check its account's rights and the disk.",
            )
    for table in floats:
        write_rows(url, table, folder / "rows" / f"{_hashed(table)}.sql")


def _hashed(table: str) -> str:
    return hashlib.sha256(table.encode()).hexdigest()[:32]


def _share_out(lines: Iterable[bytes], folder: Path) -> None:
    """Write each table's rows into a file of its own; one INSERT is one line, whatever stands in it."""
    table, file = b"", None
    try:
        for line in lines:
            match = re.match(rb"INSERT (?:IGNORE )?INTO `((?:[^`]|``)+)` VALUES", line)
            if match and match[1] != table:
                if file is not None:
                    file.close()
                table = match[1]
                name = _hashed(table.replace(b"``", b"`").decode("utf-8", "surrogateescape"))
                file = (folder / f"{name}.sql").open("ab")
            if file is not None and not line.startswith(b"/*"):
                file.write(line)
    finally:
        if file is not None:
            file.close()


def write_rows(
    url: DatabaseUrl, table: str, path: Path, changes: Mapping[str, Callable[[Any], Any]] = NO_CHANGES
) -> None:
    """Rows of a table as statements, each value as `changes` has it.

    FLOAT, which a dump writes with six digits, is written as doubles, which hold them all.
    """
    kinds = _all(
        url,
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
        " AND COALESCE(generation_expression, '') = '' ORDER BY ordinal_position",
        url.name,
        table,
    )
    names = [quoted(name) for name, _kind in kinds]
    changed = [(place, changes[name]) for place, (name, _kind) in enumerate(kinds) if name in changes]
    wanted = [f"{quoted(name)} + 0e0" if kind == "float" else quoted(name) for name, kind in kinds]
    with connected(url) as connection, path.open("ab") as file:
        connection.decoders = {}
        with connection.cursor(SSCursor) as cursor:
            cursor.execute(f"SELECT {', '.join(wanted)} FROM {quoted(table)}")  # noqa: S608 - quoted
            binary = [is_binary(field) for field in cursor._result.fields]  # noqa: SLF001 - PyMySQL's only way to the charset
            while rows := cursor.fetchmany(200):
                lines = (", ".join(map(literal, _changed(row, changed), binary)) for row in rows)
                text = f"INSERT INTO {quoted(table)} ({', '.join(names)}) VALUES ({'), ('.join(lines)});\n"  # noqa: S608
                file.write(text.encode("utf-8", "surrogateescape"))


def _changed(row: tuple[Any, ...], changes: Sequence[tuple[int, Callable[[Any], Any]]]) -> Sequence[Any]:
    if not changes:
        return row
    other = list(row)
    for place, change in changes:
        other[place] = change(other[place])
    return other


def is_binary(field: Any) -> bool:
    kinds = {FIELD_TYPE.BLOB, FIELD_TYPE.STRING, FIELD_TYPE.VAR_STRING, FIELD_TYPE.GEOMETRY, FIELD_TYPE.BIT}
    return field.charsetnr == 63 and field.type_code in kinds  # noqa: PLR2004 - 63: the collation `binary`


def literal(value: Any, binary: bool) -> str:  # noqa: FBT001 - mapped over two columns
    if value is None:
        return "NULL"
    if binary or isinstance(value, bytes):
        raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
        return f"0x{raw.hex()}" if raw else "''"
    return f"'{escape_string(str(value))}'"


# --- loading ---------------------------------------------------------------------------------------------------


def _load(source: Path, url: DatabaseUrl, say: Say) -> None:
    client = client_program()
    if client is None:
        raise BackupError("The program mariadb is not installed", hint="Install the package mariadb-client.")
    database = json.loads((source / "database.json").read_text(encoding="utf-8"))
    if not re.fullmatch(r"\w+", database["charset"]) or not re.fullmatch(r"\w+", database["collation"]):
        raise BackupError("The backup names no character set", hint="Use another backup.")
    say("emptying the database")
    run(
        dataclasses.replace(url, name=""),
        f"DROP DATABASE IF EXISTS {quoted(url.name)}",
        f"CREATE DATABASE {quoted(url.name)} CHARACTER SET {database['charset']} COLLATE {database['collation']}",
    )
    with option_file(url) as defaults:
        argv = [str(client), f"--defaults-file={defaults}", "--default-character-set=utf8mb4", url.name]
        say("loading the definitions")
        feed(argv, source / "1-tables.sql")
        files = sorted((source / "rows").glob("*.sql"), key=lambda path: -path.stat().st_size)
        say(f"loading the rows of {len(files)} tables")
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            for _done in pool.map(lambda path: feed(argv, path, rows=True), files):
                pass
        feed(argv, source / "3-triggers.sql")


def feed(argv: Sequence[str], path: Path, *, rows: bool = False) -> None:
    """Give one file to the client. Rows go in one transaction, which lets InnoDB build their indexes in bulk."""
    first = f"{SESSION};\nSET autocommit=0;\n" if rows else f"{SESSION};\n"
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with process:
        assert process.stdin is not None  # noqa: S101 - for the types
        assert process.stderr is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError), path.open("rb") as file:
            _pour(first.encode(), file, process.stdin)
            process.stdin.write(b"\nCOMMIT;\n" if rows else b"\n")
            process.stdin.close()
        said = process.stderr.read()
    if process.returncode:
        raise BackupError(f"Loading failed: {_last(said)}", hint="Mend that, then restore again.")


def _pour(first: bytes, file: IO[bytes], target: IO[bytes]) -> None:
    target.write(first)
    shutil.copyfileobj(file, target, 1 << 20)
