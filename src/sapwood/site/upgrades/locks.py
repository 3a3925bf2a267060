"""Who holds a SQLite database: SQLite locks bytes of the file (its documentation, "File Locking And Concurrency")."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PENDING, RESERVED, SHARED_FIRST, SHARED_LAST = 0x40000000, 0x40000001, 0x40000002, 0x400001FF
WAL_WRITER, WAL_READERS = 120, range(123, 128)  # of the -shm file, see "WAL-mode File Format"
LOOKS, PAUSE_S = 3, 0.2
LISTED = Path("/proc/locks")


@dataclass(frozen=True)
class Holder:
    """One process that holds a lock."""

    process: int
    program: str


def holders(database: Path, *, readers: bool, wait: Callable[[float], None]) -> list[Holder] | None:
    """Processes that hold a lock in each of several looks, so that one in passing does not count; None: not known.

    `readers`: the database is not in WAL mode, so that whoever reads it stands in the way of a writer.
    """
    held: set[int] | None = None
    for number in range(LOOKS):
        if number:
            wait(PAUSE_S)
        try:
            now = _holding(database, readers=readers)
        except (OSError, ValueError):
            return None
        held = now if held is None else held & now
        if not held:
            return []
    return [Holder(process, _program(process)) for process in sorted(held or ())]


def _holding(database: Path, *, readers: bool) -> set[int]:
    files = {}
    for path, is_index in ((database, False), (database.with_name(f"{database.name}-shm"), True)):
        if path.exists():
            found = path.stat()
            files[f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"] = is_index
    held = set()
    for line in LISTED.read_text(encoding="ascii").splitlines():
        # 1: POSIX  ADVISORY  WRITE 4711 fe:01:123456 1073741825 1073741825
        words = [word for word in line.split() if word != "->"]
        kind, process, file, first, last = words[3], int(words[4]), words[5], int(words[6]), words[7]
        if file in files and _in_the_way(kind, first, last, is_index=files[file], readers=readers):
            held.add(process)
    return held - {os.getpid()}


def _in_the_way(kind: str, first: int, last: str, *, is_index: bool, readers: bool) -> bool:
    end = first if last == "EOF" else int(last)
    if is_index:
        return (first <= WAL_WRITER <= end and kind == "WRITE") or (first in WAL_READERS)
    if kind == "WRITE":
        return end >= PENDING and first <= SHARED_LAST
    return readers and SHARED_FIRST <= first <= SHARED_LAST


def _program(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "?"
