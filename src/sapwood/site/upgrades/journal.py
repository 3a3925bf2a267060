"""The journal of an upgrade: one line of JSON for each thing that is about to happen or has happened, and a lock.

A line is on the disk before the world changes, so that whoever comes after a crash knows what may have begun. The file
is the truth; the database mirrors it. A last line that a crash cut off never counted.
"""

import contextlib
import datetime as dt
import errno
import fcntl
import json
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sapwood.core.clock import Clock
from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades.data import Subject
from sapwood.site.upgrades.engines.base import NoSpaceError
from sapwood.site.upgrades.offers import key_of

JOURNAL: Final = "journal.jsonl"
LOCK: Final = "lock"
STAMP: Final = "%Y%m%dT%H%M%SZ"


class BusyError(SapwoodError):
    """Somebody else is upgrading this deployment right now."""

    code = "upgrades.busy"


class JournalError(SapwoodError):
    """A journal is damaged in a way that a crash cannot explain."""

    code = "upgrades.journal"


@dataclass(frozen=True)
class Entry:
    """One line of a journal."""

    seq: int
    at: dt.datetime
    event: str
    details: Mapping[str, Any]


class Journal:
    """The journal of one run, open for reading and writing."""

    def __init__(self, folder: Path, entries: list[Entry], clock: Clock) -> None:
        self.folder, self.entries, self.clock = folder, entries, clock

    @property
    def run(self) -> str:
        """What the run is known by."""
        return self.folder.name

    def write(self, event: str, **details: Any) -> Entry:
        """Add a line and have it on the disk before this returns."""
        entry = Entry(len(self.entries) + 1, self.clock.now(), event, details)
        line = json.dumps(
            {"seq": entry.seq, "at": entry.at.isoformat(), "event": event, **details}, ensure_ascii=False, default=str
        )
        path = self.folder / JOURNAL
        try:
            append(path, line.encode() + b"\n")
        except OSError as error:
            kind = NoSpaceError if error.errno in {errno.ENOSPC, errno.EDQUOT} else JournalError
            raise kind(
                f"The journal {path} cannot be written: {error.strerror}",
                hint="Mend that, then 'sapwood upgrade resume' or 'rollback'.",
            ) from None
        self.entries.append(entry)
        return entry

    def last(self, *events: str) -> Entry | None:
        """The latest entry of these kinds."""
        return next((entry for entry in reversed(self.entries) if entry.event in events), None)

    def last_of(self, event: str, step: str) -> Entry | None:
        """The latest entry of this kind about this step."""
        found = (entry for entry in reversed(self.entries) if entry.event == event)
        return next((entry for entry in found if entry.details.get("step") == step), None)

    def has(self, event: str, **details: Any) -> bool:
        """Whether there is such an entry with these details."""
        matching = (entry for entry in self.entries if entry.event == event)
        return any(all(entry.details.get(name) == value for name, value in details.items()) for entry in matching)


def begin(subject: Subject, work: Path, clock: Clock) -> Journal:
    """A new journal in a folder of its own; the lock must be held."""
    # By its name it is the newest, also when the clock was set back since the last one.
    last = max((path.name.partition("-")[0] for path in home(subject, work).glob("2*")), default="")
    name = f"{clock.now():{STAMP}}"
    if name <= last:
        name = f"{dt.datetime.strptime(last, STAMP) + dt.timedelta(seconds=1):{STAMP}}"  # noqa: DTZ007 - ends in Z
    folder = home(subject, work) / f"{name}-{uuid.uuid4().hex[:8]}"
    folder.mkdir(mode=0o700)
    _flush(folder.parent)
    return Journal(folder, [], clock)


def latest(subject: Subject, work: Path, clock: Clock) -> Journal | None:
    """The journal of the newest run; None when there was none. What a crash cut off is taken away."""
    runs = all_runs(subject, work, clock)
    return runs[-1] if runs else None


def all_runs(subject: Subject, work: Path, clock: Clock) -> list[Journal]:
    """The journals of every run, oldest first. A run that was killed before its first line is none."""
    folders = sorted(path for path in home(subject, work).glob("2*") if path.is_dir())
    journals = (Journal(folder, _read(folder / JOURNAL), clock) for folder in folders)
    return [journal for journal in journals if journal.entries]


def home(subject: Subject, work: Path) -> Path:
    """The folder of everything that is kept of a deployment's upgrades: told apart by the subject file's place."""
    name = re.sub(r"[^a-z0-9]+", "-", subject.name.lower()).strip("-")[:40] or "subject"
    key = key_of(subject.path)
    folder = work / "runs" / f"{name}-{key}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextlib.contextmanager
def locked(subject: Subject, work: Path) -> Iterator[None]:
    """Be the only one that upgrades this deployment; the system drops the lock with the process. Raises BusyError."""
    with _locked(home(subject, work) / LOCK, subject.name):
        yield


def abandoned(place: str, work: Path) -> bool:
    """Whether nobody upgrades the deployment of this key right now."""
    try:
        for folder in (work / "runs").glob(f"*-{place}"):
            with _locked(folder / LOCK, place):
                pass
    except BusyError:
        return False
    return True


@contextlib.contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        if not _taken(descriptor):
            holder = os.read(descriptor, 100).decode("ascii", "replace").strip()
            raise BusyError(
                f"Another process upgrades {name} right now ({holder})",
                hint="'sapwood upgrade status' says how far it is.",
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    """Take a lock; who only asks whether it is held holds it for a moment, so a moment is waited."""
    for wait in (0.02, 0.05, 0.1, 0):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(wait)
    return False


def is_locked(subject: Subject, work: Path) -> bool:
    """Whether somebody upgrades this deployment right now."""
    try:
        with locked(subject, work):
            return False
    except BusyError:
        return True


def _read(path: Path) -> list[Entry]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return []
    whole, cut = raw.rpartition(b"\n")[0], raw.rpartition(b"\n")[2]
    if cut:
        with path.open("r+b") as file:
            file.truncate(len(raw) - len(cut))
            os.fsync(file.fileno())
    entries = []
    for number, line in enumerate(whole.splitlines(), 1):
        entry = _parsed(line)
        if entry is None or entry.seq != number:
            raise JournalError(
                f"Line {number} of {path} cannot be read", hint="Was it edited? Look at the database before going on."
            )
        entries.append(entry)
    return entries


def entries_of(path: Path) -> list[Entry]:
    """What a journal says, read by somebody whom it does not concern: nothing of it is mended, nothing is refused."""
    raw = path.read_bytes() if path.exists() else b""
    return [entry for entry in map(_parsed, raw.rpartition(b"\n")[0].splitlines()) if entry is not None]


def _parsed(line: bytes) -> Entry | None:
    try:
        data = json.loads(line)
        return Entry(int(data.pop("seq")), dt.datetime.fromisoformat(data.pop("at")), str(data.pop("event")), data)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def append(path: Path, content: bytes) -> None:
    """Add to a file that only we can read. Have it on the disk whole, or not at all."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        try:
            while content:
                content = content[os.write(descriptor, content) :]
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
