"""The folder of one run: private, in no backup, and gone afterwards, also after a crash.

Its lock says whether the run still lives: the system drops a lock with the process, where a process number may come
again.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sapwood.site.upgrades.drivers import container
from sapwood.site.upgrades.engines import servers
from sapwood.site.upgrades.isolation import end_marked

PREFIX: Final = "shadow-"
LOCK: Final = "lock"
TAG: Final = "CACHEDIR.TAG"
# https://bford.info/cachedir/: what a backup that honours the tag looks for.
TAG_TEXT: Final = (
    "Signature: 8a477f597d28d172789f06886806bc55\n# Made by Sapwood: copies of a database, soon removed.\n"
)


@contextlib.contextmanager
def private_folder(work: Path) -> Iterator[Path]:
    """A folder for one run, which is removed at its end; what earlier runs left is removed first."""
    sweep(work)
    with _held(work / ".lock"):  # nobody sweeps between the making and the locking
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=work))
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        (folder / TAG).write_text(TAG_TEXT, encoding="ascii")
        yield folder
    finally:
        end_marked(str(folder), below=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep(work: Path) -> int:
    """Remove the folders of runs that are dead, and end the processes that they left; the number of folders."""
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    removed = 0
    with _held(work / ".lock"):
        for left in sorted(work.glob(f"{PREFIX}*")):
            found = left.lstat()
            if found.st_uid != os.geteuid():
                continue
            if not stat.S_ISDIR(found.st_mode):
                left.unlink()  # the link, never what it points to
                removed += 1
            elif not _alive(left):
                end_marked(str(left), below=True)
                servers.sweep(left)
                if not container.sweep(left):
                    continue  # the engine does not answer; the next sweep tries again
                shutil.rmtree(left, ignore_errors=True)
                removed += not left.exists()
    return removed


def _alive(folder: Path) -> bool:
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
