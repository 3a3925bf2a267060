"""Running a stranger's code: what it can reach, and what this machine can hold back.

Namespaces of the kernel do it, by util-linux, which every Debian has: as root directly, else in a user namespace. Where
neither is possible (a container without CAP_SYS_ADMIN, a kernel that forbids user namespaces) the code runs as a plain
process; whoever starts it decides whether that will do, and says so. `confine.py` closes the doors, `running.py` reads
the answers.
"""

import contextlib
import functools
import json
import os
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

CONFINE: Final = Path(__file__).with_name("confine.py")
MARK: Final = "_SAPWOOD_RUN"
# Where Debian's packages put their sockets; whatever else listens on a path is found in /proc/net/unix.
RUNTIME: Final = (Path("/run"), Path("/var/run"))
SHARED: Final = (Path("/tmp"), Path("/var/tmp"), Path("/var/lib/mysql"))  # noqa: S108 - not used as scratch
TRIAL_S: Final = 60


class Kind(StrEnum):
    """By what the code is held."""

    NAMESPACES = "namespaces"
    PROCESS = "process"


@dataclass(frozen=True)
class Ability:
    """What this machine can do for this account; `flags` are unshare's, `why` says why it is not more."""

    kind: Kind
    flags: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Confinement:
    """What one run of a stranger's code may reach.

    `network` is "none" (its own loopback only) or "host". `writable` folders alone can be written. `hidden` paths are
    empty, `sieved` folders show everything but their sockets; `visible` paths are shown all the same.
    """

    network: str
    writable: tuple[Path, ...] = ()
    visible: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    sieved: tuple[Path, ...] = ()


def shut_in(
    *,
    writable: Iterable[Path],
    sockets: Iterable[Path] = (),
    named: Iterable[Path] = (),
    hidden: Iterable[Path] = (),
    visible: Iterable[Path] = (),
) -> Confinement:
    """Code with a loopback of its own and no other network, that reaches these sockets and no others.

    `named` are sockets that are known to be a way out, besides those that are found open. What is `hidden` is shown all
    the same where it is `visible` or `writable`.
    """
    named, reachable = tuple(named), real(writable)
    shown = real([*sockets, *visible, Path("/etc/resolv.conf")])
    closed = real([*RUNTIME, *hidden])
    closed = tuple(path for path in closed if not any(path != other and _within(path, other) for other in closed))
    lie_in = {path.parent for path in listening()} | {path if path.is_dir() else path.parent for path in named}
    sieved = [
        folder
        for folder in real([*SHARED, *lie_in])
        if not any(_within(folder, other) for other in [*closed, *shown, *reachable, Path("/dev"), Path("/proc")])
    ]
    return Confinement("none", reachable, shown, closed, tuple(sieved))


def listening() -> set[Path]:
    """The paths of the sockets that are open on this machine, outside the namespaces of containers."""
    found = set()
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/unix").read_text(encoding="utf-8", errors="surrogateescape").splitlines()[1:]:
            fields = line.split(maxsplit=7)
            if len(fields) > 7 and fields[7].startswith("/"):  # an abstract one begins with @  # noqa: PLR2004
                found.add(Path(fields[7]))
    return {path for path in found if _is_socket(path)}


@functools.cache
def probe() -> Ability:
    """Try on this machine, as this account, what `wrap` would do; the answer holds as long as this process lives."""
    as_user = ("--user", "--map-current-user", "--keep-caps")
    tries: tuple[tuple[str, ...], ...] = ((), as_user) if os.geteuid() == 0 else (as_user,)
    why = ""
    for flags in tries:
        ability = Ability(Kind.NAMESPACES, flags)
        why = _trial(ability)
        if not why:
            return ability
    return Ability(Kind.PROCESS, why=why)


def wrap(argv: Sequence[str | os.PathLike[str]], confined: Confinement, ability: Ability | None = None) -> list[str]:
    """The command that runs `argv` confined; it and all that it started die with whoever started it."""
    ability = ability or probe()
    command = [os.fspath(part) for part in argv]
    setpriv = _tool("setpriv")
    # The parent's death ends unshare, unshare's death ends the first process of the namespace, and that all others.
    dying = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
    if ability.kind is Kind.PROCESS:
        return [*dying, *command]
    plan = {
        "network": confined.network,
        "writable": [str(path) for path in confined.writable],
        "visible": [str(path) for path in confined.visible],
        "hidden": [str(path) for path in confined.hidden],
        "sieved": [str(path) for path in confined.sieved],
        "setpriv": setpriv,
    }
    network = ["--net"] if confined.network == "none" else []
    unshare = [_tool("unshare"), *ability.flags, "--mount", "--pid", "--ipc", *network, "--fork", "--kill-child", "--"]
    return [*dying, *unshare, sys.executable, "-I", "-S", str(CONFINE), json.dumps(plan), *command]


def mark(folder: Path) -> dict[str, str]:
    """The variable that every process of a run carries, so that what outlives it is found."""
    return {MARK: f"{folder}/{secrets.token_hex(8)}"}


def end_marked(value: str, *, below: bool = False) -> int:
    """Kill every process of ours that carries a mark (or one below a folder); the number of processes."""
    wanted = f"{MARK}={value}".encode()
    ended = 0
    for pid in _pids():
        with contextlib.suppress(OSError):
            carried = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if wanted in carried or (below and any(item.startswith(wanted + b"/") for item in carried)):
                os.kill(pid, signal.SIGKILL)
                ended += 1
    return ended


def _pids() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            yield int(entry.name)


def _trial(ability: Ability) -> str:
    """Empty when it works, else what stood in the way."""
    missing = [name for name in ("setpriv", "unshare") if not _tool(name)]
    if missing:
        return f"{' and '.join(missing)} of util-linux are not installed"
    with tempfile.TemporaryDirectory(prefix="sapwood-probe-") as folder:
        confined = shut_in(writable=[Path(folder)])
        # /proc/net/dev has two lines of heading and one per interface.
        test = f"test $(wc -l < /proc/net/dev) = 3 && test $$ = 1 && touch {folder}/a && ! touch /tmp/sapwood-probe"
        try:
            done = subprocess.run(
                wrap(["/bin/sh", "-c", test], confined, ability),
                cwd="/",
                env={},
                capture_output=True,
                timeout=TRIAL_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)[:200]
    if done.returncode == 0:
        return ""
    words = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return words[0][:200] if words else "the namespaces that were made do not hold"


def _tool(name: str) -> str:
    return shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin") or ""


def real(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The places that exist, links resolved, each once."""
    return tuple(dict.fromkeys(Path(os.path.realpath(path)) for path in paths if os.path.exists(path)))  # noqa: PTH110 - False where we may not look


def _within(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False
