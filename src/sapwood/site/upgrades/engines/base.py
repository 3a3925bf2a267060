"""What every engine does, and what they hand over. An engine is asked for by `engine_for`.

A way back rests on three promises: a backup is complete and readable before it is given out, a restore makes the
database exactly the backup and may be run again until it is done, and a fingerprint tells two databases apart.
"""

import contextlib
import errno
import hashlib
import importlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from sapwood.core.errors import SapwoodError
from sapwood.core.files import write_atomically
from sapwood.site.upgrades.data import DatabaseUrl

Say = Callable[[str], None]
# Table to (rows, order-free 64-bit checksum). The entry SCHEMA counts and sums the definitions of everything there is.
Fingerprint = Mapping[str, tuple[int, int]]
SCHEMA: Final = "*schema"
MANIFEST_SUFFIX: Final = ".manifest.json"
_MODULES: Final = {"sqlite3": "sqlite", "mysql": "mysql", "postgresql": "postgresql"}
_CHUNK_BYTES: Final = 1 << 20


class ShadowError(SapwoodError):
    """No usable copy of the database could be made."""

    code = "upgrades.shadow"


class BackupError(SapwoodError):
    """A backup could not be made, is not whole, or could not be restored."""

    code = "upgrades.backup"


class NoSpaceError(SapwoodError):
    """The disk has no room for the copies."""

    code = "upgrades.no_space"


@dataclass(frozen=True)
class Technique:
    """One way to copy a database, and why it was or was not chosen."""

    name: str
    possible: bool
    why: str


@dataclass(frozen=True)
class Copy:
    """One copy: where it is, how long it took, how large it is, and how it was made."""

    url: DatabaseUrl
    seconds: float
    size_bytes: int
    technique: str


@dataclass(frozen=True)
class Backup:
    """One verified backup; `fingerprint` is that of the database when it was made."""

    path: Path
    technique: str
    seconds: float
    size_bytes: int
    fingerprint: Fingerprint


class Engine(Protocol):
    """What an upgrade asks of the subject's database, whatever its vendor."""

    vendor: str

    def version(self, url: DatabaseUrl) -> str:
        """The version in the server's own words."""

    def size(self, url: DatabaseUrl) -> int:
        """Bytes on disk, data and indexes."""

    def tables(self, url: DatabaseUrl) -> Mapping[str, tuple[int, int]]:
        """Table to (rows, estimated where counting is dear; bytes)."""

    def techniques(self, url: DatabaseUrl, folder: Path) -> tuple[Technique, ...]:
        """The ways to copy this database into this folder, best first."""

    def shadow(self, url: DatabaseUrl, folder: Path, technique: str, say: Say) -> AbstractContextManager[Copy]:
        """A copy that may be changed; it is gone afterwards, with the server that served it."""

    def backup(self, url: DatabaseUrl, folder: Path, say: Say) -> Backup:
        """Write a backup into a folder and verify it; until it is whole it has another name."""

    def restore(self, backup: Backup, url: DatabaseUrl, say: Say) -> float:
        """Make the database at `url` exactly the backup; seconds, the proof of equality included.

        After an interruption it is run again. Raises BackupError when the result differs.
        """

    def load_backup(self, path: Path) -> Backup:
        """A backup that an earlier process made; raises BackupError when it is truncated or was changed."""

    def fingerprint(self, url: DatabaseUrl) -> Fingerprint:
        """Rows and checksum of every table, and of the definitions."""

    def others(self, url: DatabaseUrl) -> Sequence[Mapping[str, Any]]:
        """Who else uses the database at this moment: id, who."""

    def position(self, url: DatabaseUrl) -> str:
        """A mark that changes whenever somebody has written, as far as this kind of database shows it."""

    def blockers(self, url: DatabaseUrl) -> Sequence[Mapping[str, Any]]:
        """Who holds transactions open that a change of a table would wait for: id, seconds, who, what (no values)."""


def engine_for(url: DatabaseUrl) -> Engine:
    """The engine of a database; its driver is loaded only when such a database is met."""
    try:
        engine: Engine = importlib.import_module(f"{__package__}.{_MODULES[url.vendor]}").ENGINE
    except ModuleNotFoundError as error:
        raise ShadowError(
            f"The driver for {url.vendor} is not installed ({error.name})", hint="Install sapwood[postgresql]."
        ) from None
    return engine


def choose(engine: Engine, url: DatabaseUrl, folder: Path, wanted: str) -> Technique:
    """The technique that a subject asks for, or with `auto` the first that is possible here.

    Raises ShadowError with the reasons when there is none.
    """
    offered = engine.techniques(url, folder)
    fitting = [one for one in offered if wanted in {"auto", one.name}]
    for technique in fitting:
        if technique.possible:
            passed = [f"{one.name}: {one.why}" for one in offered[: offered.index(technique)] if not one.possible]
            return Technique(technique.name, True, "; ".join([technique.why, *passed]))
    reasons = "; ".join(f"{one.name}: {one.why}" for one in fitting) or "not known for this kind of database"
    raise ShadowError(
        f"No copy can be made ({wanted}): {reasons}", hint="Give Sapwood what is missing, or set shadow.technique."
    )


def room(folder: Path, needed: int) -> str:
    """Why a folder's disk has no room for so many bytes; empty when it has."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return f"about {needed:,} bytes are needed and {free:,} are free in {folder}" if free < needed else ""


def require_room(folder: Path, needed: int) -> None:
    """Raise NoSpaceError before anything is written."""
    if why := room(folder, needed):
        raise NoSpaceError(
            f"The disk is too small: {why}", hint="Free some space, or set SAPWOOD_VAR to a larger disk."
        )


@contextlib.contextmanager
def no_space() -> Iterator[None]:
    """Turn a disk that fills up on the way into one line."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise NoSpaceError(
            f"The disk filled up while writing {error.filename or 'a copy'}",
            hint="Free some space, or set SAPWOOD_VAR.",
        ) from None


def emptied(folder: Path, name: str) -> Path:
    """A path in a folder that is there, with nothing at it that an earlier run left."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    remove(folder / name)
    return folder / name


def same(first: Fingerprint, second: Fingerprint) -> str:
    """What differs between two fingerprints, by name only; empty when nothing does."""
    names = sorted(name for name in {*first, *second} if tuple(first.get(name, ())) != tuple(second.get(name, ())))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")  # noqa: PLR2004


def same_release(first: str, second: str) -> bool:
    """Whether two servers are of one release, patch levels apart, so that one speaks for the other."""

    def release(version: str) -> tuple[str, ...]:
        numbers = version.split("-", maxsplit=1)[0].split(" ", maxsplit=1)[0].split(".")
        # Since 10 PostgreSQL counts releases by one number of two; MySQL, MariaDB and SQLite by two of three.
        return (str("mariadb" in version.lower()), *numbers[:-1])

    return release(first) == release(second)


def without_values(statement: str) -> str:
    """A statement without the values in it: they may be data about people."""
    text = re.sub(
        r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|\$(\w*)\$.*?\$\1\$|\b\d[\w.]*\b""",
        "?",
        statement[:2000],
        flags=re.DOTALL,
    )
    return " ".join(re.sub(r"['\"].*", "?", text, flags=re.DOTALL).split())[:300]


def seal(fresh: Path, path: Path, technique: str, seconds: float, fingerprint: Fingerprint) -> Backup:
    """Flush a finished backup, give it its name, and write its manifest, without which it is no backup.

    A backup is a file or a folder of files. The manifest holds the checksum of each.
    """
    files = _files(fresh)
    for file in files:
        _flush(file)
    for folder in {fresh, *[file.parent for file in files]}:
        if folder.is_dir():
            _flush(folder)
    _manifest(path).unlink(missing_ok=True)
    remove(path)
    fresh.replace(path)
    _flush(path.parent)
    size = sum(file.stat().st_size for file in _files(path))
    content = {
        "technique": technique,
        "seconds": seconds,
        "size_bytes": size,
        "fingerprint": fingerprint,
        "files": {str(file.relative_to(path)): _sha256(file) for file in _files(path)},
    }
    write_atomically(_manifest(path), json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    return Backup(path, technique, seconds, size, fingerprint)


def unseal(path: Path) -> Backup:
    """Read a sealed backup again; raises BackupError when anything of it is missing or differs."""
    try:
        content = json.loads(_manifest(path).read_bytes())
        found = {str(file.relative_to(path)): _sha256(file) for file in _files(path)}
        backup = Backup(
            path,
            str(content["technique"]),
            float(content["seconds"]),
            int(content["size_bytes"]),
            {name: (int(rows), int(checksum)) for name, (rows, checksum) in content["fingerprint"].items()},
        )
        wanted = content["files"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BackupError(f"There is no whole backup at {path}", hint="Use another backup.") from None
    if found != wanted:
        raise BackupError(f"The backup at {path} is not what was written", hint="Use another backup; check the disk.")
    return backup


def remove(path: Path) -> None:
    """Remove a file or a folder, whichever it is, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _manifest(path: Path) -> Path:
    return path.with_name(path.name + MANIFEST_SUFFIX)


def _files(path: Path) -> list[Path]:
    return sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
