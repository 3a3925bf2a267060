"""Shadows: copies of the subject's databases that a rehearsal may change. SQLite by its backup API; servers follow."""

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades.data import DatabaseUrl

PAGES_PER_STEP = 2_000
BUSY_S = 10.0
Progress = Callable[[int, int], None]


class ShadowError(SapwoodError):
    """No usable copy of the database could be made."""

    code = "upgrades.shadow"


@dataclass(frozen=True)
class Copy:
    """One copy: where it lies, how long it took, how large it is."""

    url: DatabaseUrl
    seconds: float
    size_bytes: int


def read_only(url: DatabaseUrl) -> DatabaseUrl:
    """The same SQLite database, opened so that nothing can be written.

    In WAL mode SQLite wants to make two files beside it, which a confined reader cannot. They are there while somebody
    has the database open; where they are not, nobody does, and it may be read as one that does not change.
    """
    path = Path(url.name)
    at_rest = _in_wal_mode(path) and not path.with_name(f"{path.name}-wal").exists()
    return DatabaseUrl(url.vendor, f"{path.as_uri()}?mode=ro{'&immutable=1' if at_rest else ''}")


def _in_wal_mode(path: Path) -> bool:
    # https://www.sqlite.org/fileformat.html, 1.3.3
    try:
        with path.open("rb") as file:
            return file.read(20)[18:] == b"\2\2"
    except OSError:
        return False


def copy_sqlite(source: Path, target: Path, progress: Progress = lambda _done, _total: None) -> Copy:
    """A consistent copy of a database in use, page by page (SQLite Online Backup API).

    A writer that commits between two steps makes the copy start over (its documentation, section 2), so a busy
    database is read in ever larger steps.
    """
    if not source.is_file():
        raise ShadowError(f"There is no database at {source}", hint="Check database_url in the subject file.")
    began = time.perf_counter()
    target.unlink(missing_ok=True)
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as reading,
            contextlib.closing(sqlite3.connect(target)) as writing,
        ):
            reading.backup(
                writing, pages=PAGES_PER_STEP, progress=lambda _status, left, total: progress(total - left, total)
            )
            writing.execute("PRAGMA journal_mode=DELETE")
            [answer] = writing.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise ShadowError(f"{source} cannot be copied: {error}", hint="Check its permissions and free space.") from None
    if answer != "ok":
        raise ShadowError(f"{source} is damaged: {answer}", hint="Restore it from a backup before any upgrade.")
    return Copy(DatabaseUrl("sqlite3", str(target)), time.perf_counter() - began, target.stat().st_size)


def fingerprint(path: Path) -> dict[str, tuple[int, int]]:
    """Rows and an order-free checksum of every table, to prove two databases equal."""
    found = {}
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        for (name,) in tables:
            quoted = '"' + name.decode().replace('"', '""') + '"'
            rows = checksum = 0
            for row in connection.execute(f"SELECT * FROM {quoted}"):  # noqa: S608 - quoted above
                rows += 1
                checksum = (checksum + hash_of(row)) % 2**64
            found[name.decode()] = (rows, checksum)
    return found


def hash_of(row: tuple[object, ...]) -> int:
    """A 64-bit number for a row, the same in every process."""
    return int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=8).digest())
