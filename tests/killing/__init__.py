"""Kills a process at each of its writes, one after the other: what the fault tests share.

A driver is a process of its own, started by a test: it chooses a role and a folder of state, sets Django up once, and
forks a child for each attempt. The child does one thing through a front door and dies by SIGKILL before its n-th write.
Production code knows nothing of it: writes are seen from outside, in SQLite's trace, Python's audit events and sockets.
"""

import contextlib
import gc
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

KILLED = -signal.SIGKILL
FAILED = 70
ON_A_FULL_DISK = r"sapwood: error \[core\.disk\] .+\. Make room on it, .+\n"
_MOST_WRITES = 400
_FILE_EVENTS = {"os.rename", "os.link", "os.remove", "os.truncate"}
_READING = ("SELECT", "PRAGMA", "BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "EXPLAIN")


class Fuse:
    """Ends this process by SIGKILL just before its n-th write; 0 is never.

    A write is what outlives the process: a COMMIT or a statement outside a transaction, a file below `folder` that is
    opened for writing, renamed, linked or removed, and bytes handed to another process.
    """

    def __init__(self, burns_at: int, folder: Path) -> None:
        self.left = burns_at
        self.folder = str(folder)

    def light(self) -> None:
        from django.db.backends.signals import connection_created

        connection_created.connect(self._opened, weak=False)
        sys.addaudithook(self._heard)
        for name in ("send", "sendall"):
            setattr(socket.socket, name, self._counted(getattr(socket.socket, name)))

    def write(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.write()
            return call(*args, **kwargs)

        return counted

    def _opened(self, *, connection: Any, **_more: object) -> None:
        raw = connection.connection

        def traced(statement: str) -> None:
            if statement.startswith("COMMIT") or not (raw.in_transaction or statement.startswith(_READING)):
                self.write()

        raw.set_trace_callback(traced)

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            if isinstance(path, str) and path.startswith(self.folder) and _writes(mode, flags):
                self.write()
        elif event in _FILE_EVENTS and str(args[0]).startswith(self.folder) and os.path.lexists(args[0]):
            self.write()


def _writes(mode: str | None, flags: int) -> bool:
    return bool(set(mode or "") & set("wax+")) or bool(flags & (os.O_WRONLY | os.O_RDWR))


@dataclass(frozen=True)
class Ran:
    """What became of a child."""

    code: int
    out: str
    err: str

    def good(self) -> "Ran":
        """Itself, if it did what it was asked to do."""
        assert self.code == 0, f"it ended with {self.code}\n{self.out}\n{self.err}"
        return self


@dataclass(frozen=True)
class Child:
    """A child that runs beside the driver."""

    pid: int
    out: Any
    err: Any

    def alive(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def wait(self) -> Ran:
        _, status = os.waitpid(self.pid, 0)
        texts = []
        for file in (self.out, self.err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
            file.close()
        return Ran(os.waitstatus_to_exitcode(status), *texts)

    def stop(self) -> Ran:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        return self.wait()


class Ground:
    """The folder of a role's state, put back before each attempt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept: list[Path] = []

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Until it is left, `restore` goes back to what is there now; then to what it went back to before."""
        with contextlib.closing(sqlite3.connect(self.folder / "db.sqlite3")) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._kept.append(self.folder.with_name(f"{self.folder.name}.kept-{len(self._kept)}"))
        shutil.copytree(self.folder, self._kept[-1], ignore=lambda _folder, names: {"static"} & set(names))
        try:
            yield
        finally:
            shutil.rmtree(self._kept.pop())
            if self._kept:
                self.restore()

    def restore(self) -> None:
        """As it was kept. Static files are left: nobody writes them, and they are most of the bytes."""
        for old in self.folder.iterdir():
            if old.name != "static":
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        shutil.copytree(self._kept[-1], self.folder, dirs_exist_ok=True)

    def start(self, act: Callable[[], object], *, fuse: int = 0) -> Child:
        """Do something in a child of this process, which dies before its `fuse`-th write when that is not 0."""
        out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - Child closes them
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            return Child(pid, out, err)
        code = FAILED
        try:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            lit = Fuse(fuse, self.folder)
            if fuse:
                lit.light()
            act()
            lit.write()  # done, but nobody has heard of it yet
            code = 0
        except SystemExit as leave:
            lit.write()
            code = leave.code if isinstance(leave.code, int) else 0
        except BaseException:  # noqa: BLE001 - whatever it is, the parent shows it
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def run(self, act: Callable[[], object], *, fuse: int = 0) -> Ran:
        """The same, and wait for its end."""
        return self.start(act, fuse=fuse).wait()

    def command(self, *words: str, fuse: int = 0) -> Ran:
        """A `sapwood` command."""
        return self.run(lambda: sys.exit(sapwood(*words)), fuse=fuse)

    def see(self, look: Callable[[], Any]) -> Any:
        """What a look at the state shows; in this process, which is cheaper, and holds nothing open when it forks."""
        from django.db import connection

        try:
            return json.loads(json.dumps(look(), default=str))
        finally:
            connection.close()

    def deaths(self, act: Callable[[int], Ran]) -> Iterator[tuple[int, Ran]]:
        """Attempts on the same ground, each killed one write later, to the first that is not killed."""
        for number in count(1):
            assert number < _MOST_WRITES, "it never ends"
            self.restore()
            ran = act(number)
            assert ran.code in {KILLED, 0}, f"killed at write {number}, it ended with {ran.code}\n{ran.err}"
            yield number, ran
            if ran.code == 0:
                return

    def all_or_nothing(
        self,
        name: str,
        act: Callable[[int], Ran],
        look: Callable[[], dict[str, Any]],
        again: Callable[[], object] | None = None,
    ) -> str:
        """Kill it at each write: what is found is what was before, or what is after; and doing it again ends well.

        `again` repeats it inside a child; without it, `act` is repeated. Returns how it went.
        """
        self.restore()
        before = self.see(look)
        deaths = []
        for number, ran in self.deaths(act):
            if ran.code == 0:
                break
            seen = self.see(look)
            if again:
                self.run(again).good()
            else:
                act(0)
            repeated = self.see(look)
            deaths.append((f"{name}, killed at write {number}", seen, repeated))
        after = self.see(look)
        for where, seen, repeated in deaths:
            assert seen in (before, after), f"{where}: half done\n{differences(after, seen)}"
            # Whoever does it twice, because nobody answered, stands in the log twice.
            assert set(repeated["audit"]) == set(after["audit"]), f"{where}: {repeated['audit']}"
            repeated["audit"] = after["audit"]
            assert repeated == after, f"{where}: repeated, it is not as it should be\n{differences(after, repeated)}"
        undone = sum(seen == before for _, seen, _ in deaths)
        assert 0 < undone < len(deaths), f"{name}: killed {undone} times before it was done, {len(deaths)} times in all"
        return f"{name}: killed {undone} times before it was done, {len(deaths) - undone} times after"

    def resumed(
        self,
        name: str,
        act: Callable[[int], Ran],
        look: Callable[[], dict[str, Any]],
        left: Callable[[], Any],
        again: Callable[[], object],
        judge: Callable[[dict[str, Any], str], None],
    ) -> list[dict[str, Any]]:
        """Kill at each write what takes several steps; `judge` what `again` made of it. Returns the states at death.

        `left` is whatever else the way onward depends on: where nothing has changed since the death before, nothing
        else can follow, and it is not looked at twice.
        """
        states: list[dict[str, Any]] = []
        before = None
        for number, _ran in self.deaths(act):
            seen, rest = self.see(look), self.see(left)
            where = f"{name}, killed at write {number}"
            assert seen["chain"] == [], where
            if (seen, rest) == before:
                continue
            before = seen, rest
            states.append(seen)
            self.run(again).good()
            found = self.see(look)
            assert found["chain"] == [], where
            judge(found, where)
        return states


def differences(expected: dict[str, Any], found: dict[str, Any]) -> str:
    names = [name for name in expected if expected[name] != found[name]]
    return "\n".join(f"{name}: {expected[name]} expected, {found[name]} found" for name in names)


def sapwood(*words: str) -> int:
    """A `sapwood` command in this process; its exit code."""
    from sapwood.config.cli import main

    try:
        main(words)
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 0
    return 0


def on_a_full_disk(free_bytes: int, act: Callable[[], object]) -> None:
    """No file may grow beyond `free_bytes` while it is done: how a disk looks that is full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, resource.RLIM_INFINITY))
    act()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def set_up(ground: Ground, *templates: str) -> None:
    """Make the tables, and load what every child needs, so that each costs little."""
    from sapwood.config.cli import setup_django

    setup_django()
    ground.command("migrate").good()
    from django.template.loader import get_template
    from django.urls import get_resolver

    import sapwood.config.wsgi  # noqa: F401
    from sapwood.core.http import default_client

    get_resolver().url_patterns  # noqa: B018 - loads the addresses and all behind them
    default_client()
    for name in templates:
        get_template(name)
    gc.collect()
    gc.freeze()


def chain_holds() -> list[str]:
    """What `sapwood audit verify` finds wrong."""
    from sapwood.core import audit, paths

    return audit.verify(paths.role_dir() / "audit").problems


def drive(doors: dict[str, Callable[[], str]], ground: Ground) -> None:
    """Serve the test that started this driver: for each door that it names, whether all is well, and what was seen."""
    for line in sys.stdin:
        ground.restore()
        try:
            answer = {"good": True, "said": doors[line.strip()]()}
        except Exception:  # noqa: BLE001 - the test shows it
            answer = {"good": False, "said": traceback.format_exc()}
        print(json.dumps(answer), flush=True)
