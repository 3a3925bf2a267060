"""SQLite: one file, copied page by page while it is in use (Online Backup API)."""

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.engines.base import (
    SCHEMA,
    Backup,
    BackupError,
    Copy,
    Fingerprint,
    Say,
    ShadowError,
    Technique,
    no_space,
    require_room,
    room,
    same,
    seal,
    unseal,
)

PAGES_PER_STEP = 2_000
BUSY_S = 10.0
COPY = "file-copy"


class SQLite:
    """The engine of SQLite databases."""

    vendor = "sqlite3"

    def version(self, url: DatabaseUrl) -> str:
        """The version of the library that this process uses; the subject's own may be another."""
        del url
        return sqlite3.sqlite_version

    def size(self, url: DatabaseUrl) -> int:
        """Bytes of the file and its log."""
        path = _there(url)
        wal = path.with_name(path.name + "-wal")
        return path.stat().st_size + (wal.stat().st_size if wal.exists() else 0)

    def tables(self, url: DatabaseUrl) -> Mapping[str, tuple[int, int]]:
        """Rows and bytes per table; bytes are 0 where the library was built without dbstat."""
        with _reading(_there(url)) as connection:
            sizes: dict[str, int] = {}
            with contextlib.suppress(sqlite3.OperationalError):
                sizes = dict(
                    connection.execute(
                        "SELECT m.tbl_name, SUM(s.pgsize) FROM sqlite_master m JOIN dbstat s USING (name) GROUP BY 1"
                    )
                )
            return {
                name: (connection.execute(f"SELECT COUNT(*) FROM {_quoted(name)}").fetchone()[0], sizes.get(name, 0))  # noqa: S608 - quoted
                for name in _table_names(connection)
            }

    def techniques(self, url: DatabaseUrl, folder: Path) -> tuple[Technique, ...]:
        """The backup API, where there is room."""
        why = room(folder, self.size(url))
        return (Technique(COPY, not why, why or "SQLite's backup API copies a file in use"),)

    @contextlib.contextmanager
    def shadow(self, url: DatabaseUrl, folder: Path, technique: str, say: Say) -> Iterator[Copy]:
        """A copy in the folder, removed afterwards."""
        del technique
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "shadow.sqlite3"
        began = time.perf_counter()
        try:
            _copy(_there(url), path, say)
            yield Copy(DatabaseUrl("sqlite3", str(path)), time.perf_counter() - began, path.stat().st_size, COPY)
        finally:
            _remove_with_logs(path)

    @no_space()
    def backup(self, url: DatabaseUrl, folder: Path, say: Say) -> Backup:
        """A copy of the file, read through once for its fingerprint."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        require_room(folder, self.size(url))
        fresh = folder / ".backup.sqlite3"
        began = time.perf_counter()
        _copy(_there(url), fresh, say)
        fingerprint = self.fingerprint(DatabaseUrl("sqlite3", str(fresh)))
        return seal(fresh, folder / "backup.sqlite3", COPY, time.perf_counter() - began, fingerprint)

    def restore(self, backup: Backup, url: DatabaseUrl, say: Say) -> float:
        """Write the backup over the database in one transaction; readers see the old content or the new."""
        say("writing the backup over the database")
        began = time.perf_counter()
        path = Path(url.name)
        try:
            _overwrite(backup.path, path)
        except sqlite3.OperationalError as error:
            raise BackupError(
                f"{path} cannot be restored: {error}", hint="Stop whatever uses it, then go on."
            ) from None
        except sqlite3.DatabaseError:  # what stands there is no database any more
            _remove_with_logs(path)
            _overwrite(backup.path, path)
        if differs := same(self.fingerprint(url), backup.fingerprint):
            raise BackupError(f"The restored database differs from its backup: {differs}", hint="Check the disk.")
        return time.perf_counter() - began

    def load_backup(self, path: Path) -> Backup:
        """See Engine."""
        return unseal(path)

    def fingerprint(self, url: DatabaseUrl) -> Fingerprint:
        """See Engine; values are taken as the bytes that stand in the file."""
        found = {}
        with _reading(_there(url)) as connection:
            names = _table_names(connection)
            definitions = connection.execute(
                "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'"
            ).fetchall()
            found[SCHEMA] = (len(definitions), sum(map(_hash_of, definitions)) % 2**64)
            connection.text_factory = bytes
            for name in names:
                rows = checksum = 0
                for row in connection.execute(f"SELECT * FROM {_quoted(name)}"):  # noqa: S608 - quoted
                    rows += 1
                    checksum = (checksum + _hash_of(row)) % 2**64
                found[name] = (rows, checksum)
        return found

    def others(self, url: DatabaseUrl) -> Sequence[Mapping[str, Any]]:
        """Processes that hold the file open, as far as this account may see them (proc(5))."""
        wanted = _there(url).stat()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            if int(folder.name) == os.getpid() or not _holds(folder / "fd", wanted):
                continue
            with contextlib.suppress(OSError):
                name = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
                found.append({"id": int(folder.name), "who": name})
        return found

    def position(self, url: DatabaseUrl) -> str:
        """Size and time of the file and its log."""
        path = _there(url)
        seen = [one.stat() for one in (path, path.with_name(path.name + "-wal")) if one.exists()]
        return " ".join(f"{one.st_size}/{one.st_mtime_ns}" for one in seen)

    def blockers(self, url: DatabaseUrl) -> Sequence[Mapping[str, Any]]:
        """SQLite does not say who holds its lock."""
        del url
        return ()


ENGINE = SQLite()


def _holds(descriptors: Path, wanted: os.stat_result) -> bool:
    with contextlib.suppress(OSError):  # another account's process, or one that has just ended
        for entry in os.scandir(descriptors):
            with contextlib.suppress(OSError):
                found = entry.stat()
                if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                    return True
    return False


def _there(url: DatabaseUrl) -> Path:
    path = Path(url.name)
    if not path.is_file():
        raise ShadowError(f"There is no database at {path}", hint="Check database_url in the subject file.")
    return path


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as connection:
        yield connection


def _table_names(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%' ORDER BY name"
    )
    return [name for (name,) in rows]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _hash_of(row: tuple[object, ...]) -> int:
    """A 64-bit number for a row, the same in every process."""
    return int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=8).digest())


class _Progress:
    """Tells how far a copy is, and ends one that waits for a lock: Python's `backup` would wait for ever."""

    def __init__(self, say: Say = lambda _line: None) -> None:
        self.say, self.said_at, self.moved_at = say, time.monotonic(), time.monotonic()

    def __call__(self, status: int, left: int, total: int) -> None:
        now = time.monotonic()
        if status not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            self.moved_at = now
        elif now - self.moved_at > BUSY_S:
            raise sqlite3.OperationalError("database is locked")
        if now - self.said_at > 1:
            self.said_at = now
            self.say(f"copied {total - left:,} of {total:,} pages")


def _copy(source: Path, target: Path, say: Say) -> None:
    """A consistent copy of a database in use.

    A writer that commits between two steps makes the copy start over (SQLite Online Backup API, section 2).
    """
    _remove_with_logs(target)
    try:
        with _reading(source) as reading, contextlib.closing(sqlite3.connect(target)) as writing:
            reading.backup(writing, pages=PAGES_PER_STEP, progress=_Progress(say))
            writing.execute("PRAGMA journal_mode=DELETE")
            [answer] = writing.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        _remove_with_logs(target)
        raise ShadowError(f"{source} cannot be copied: {error}", hint="Check its permissions and free space.") from None
    if answer != "ok":
        raise ShadowError(f"{source} is damaged: {answer}", hint="Restore it from a backup before any upgrade.")


def _overwrite(backup: Path, target: Path) -> None:
    with _reading(backup) as reading, contextlib.closing(sqlite3.connect(target, timeout=BUSY_S)) as writing:
        reading.backup(writing, progress=_Progress())


def _remove_with_logs(path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
