"""What runs first inside fresh namespaces: it closes the doors, then becomes the program that is to be confined.

`isolation.wrap` starts it by `unshare`, with a plan (JSON) and the command. It stands alone on the standard library,
and it gives up with one line rather than start a program half confined.
mount(2) is called directly: mount(8) refuses whoever is not root, and an ordinary user is not, in their own namespace.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import re
import resource
import socket
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

# <sys/mount.h>
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC, REMOUNT, BIND, RECURSIVE = 1, 2, 4, 8, 32, 4096, 16384
KEPT = {"nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "nodiratime": 2048, "relatime": 1 << 21}
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
# A root that keeps this one capability reads the files of the account that runs the subject, and can do nothing else.
ROOT_KEEPS = "-all,+dac_override"
MAX_ENTRIES = 10_000
LIBC = ctypes.CDLL(None, use_errno=True)


class ConfineError(Exception):
    """A door could not be closed."""


def mount(source: str, target: str | Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Do what the system call of this name does; raises OSError."""
    if LIBC.mount(os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def empty(folder: Path, mode: str = "0755") -> None:
    """Lay an empty folder over a folder."""
    mount("tmpfs", folder, "tmpfs", NO_SUID | NO_DEVICES, f"mode={mode},size=64m")


def loopback() -> None:
    """Bring up the only interface that a fresh network namespace has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        # SIOCSIFFLAGS with IFF_UP | IFF_RUNNING; see netdevice(7).
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 0x41))


def hide(path: Path, visible: Iterable[Path]) -> None:
    """Lay emptiness over a path; what must stay visible below it is shown again at its own place."""
    if not path.is_dir():
        mount("/dev/null", path, flags=BIND)
        return
    shown = [below for below in visible if path in below.parents and below.exists()]
    held = {below: os.open(below, os.O_PATH) for below in shown}
    empty(path)
    for below, descriptor in held.items():
        below.parent.mkdir(parents=True, exist_ok=True)
        place(descriptor, below)


def sieve(folder: Path, visible: Iterable[Path]) -> None:
    """Hide the sockets of a folder, and those that come to lie in it later; its files and folders stay."""
    if folder == folder.parent:
        raise ConfineError("a socket lies in the root folder")
    held, links = {}, {}
    with contextlib.suppress(PermissionError):  # what may not be listed is hidden whole
        for entry in os.scandir(folder):
            with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                if entry.is_symlink():
                    links[entry.name] = str(Path(entry.path).readlink())
                elif entry.is_dir() or entry.is_file() or Path(entry.path) in visible:
                    held[entry.name] = os.open(entry.path, os.O_PATH | os.O_NOFOLLOW)
            if len(held) > MAX_ENTRIES:
                raise ConfineError(f"{folder} holds too much to be shown without its sockets")
    empty(folder, f"{stat.S_IMODE(folder.stat().st_mode):o}")
    for name, descriptor in held.items():
        place(descriptor, f"{folder}/{name}")  # a shared folder holds thousands: a Path for each would be felt
    for name, target in links.items():
        (folder / name).symlink_to(target)


def place(descriptor: int, target: str | Path) -> None:
    """Show what a descriptor stands for at a place where nothing stands, and close it."""
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        with contextlib.suppress(FileExistsError):
            os.mkdir(target)  # noqa: PTH102 - see sieve
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
    with contextlib.suppress(FileNotFoundError):  # removed since it was opened
        mount(f"/proc/self/fd/{descriptor}", target, flags=BIND | RECURSIVE)
    os.close(descriptor)


def devices() -> None:
    """Only the devices that hold nothing: a disk is a file to root, and memory that is shared is a door."""
    root = Path("/dev")
    held = {name: os.open(root / name, os.O_PATH) for name in DEVICES if (root / name).exists()}
    empty(root)
    for name, descriptor in held.items():
        place(descriptor, root / name)
    for name, number in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        (root / name).symlink_to(f"/proc/self/fd{number}")
    (root / "shm").mkdir()
    empty(root / "shm", "1777")


def read_only(writable: Iterable[Path]) -> None:
    """Make every mounted file system read-only but for the folders named and what lies in them."""
    kept = {*writable, Path("/proc")}
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        fields = line.split(" ")
        target = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        if kept & {target, *target.parents}:
            continue
        flags = sum(KEPT.get(option, 0) for option in fields[5].split(","))
        try:
            mount("none", target, flags=REMOUNT | BIND | READ_ONLY | NO_SUID | flags)
        except OSError:
            if os.access(target, os.W_OK):
                raise


def confine(plan: dict[str, Any]) -> None:
    """Close every door that the plan names."""
    here = Path.cwd()
    writable = [Path(path) for path in plan["writable"]]
    visible = [*map(Path, plan["visible"]), *writable, here]
    if plan["network"] == "none":
        loopback()
    # What is shown again later is a bind of what stands here, and inherits whether it can be written.
    for folder in writable:
        mount(str(folder), folder, flags=BIND | RECURSIVE)
    read_only(writable)
    fresh = [Path("/dev")]
    for path in map(Path, plan["hidden"]):
        hide(path, visible)
        fresh += [path] if path.is_dir() else []
    for path in sorted(map(Path, plan["sieved"]), key=lambda one: len(one.parts)):
        with contextlib.suppress(FileNotFoundError):  # a folder that is gone holds no socket
            sieve(path, visible)
            fresh.append(path)
    devices()
    for folder in fresh:
        mount("none", folder, flags=REMOUNT | BIND | READ_ONLY | NO_SUID | NO_DEVICES)
    mount("proc", Path("/proc"), "proc", READ_ONLY | NO_SUID | NO_DEVICES | NO_EXEC)
    os.chdir(here)


def main(arguments: list[str]) -> NoReturn:
    """Confine, and become the command; its parent in the old namespace waits for it."""
    plan, command = json.loads(arguments[0]), arguments[1:]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))  # each entry of a sieved folder is held open
    try:
        confine(plan)
    except (ConfineError, OSError) as error:
        sys.exit(f"sapwood: confinement failed: {error}")
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    kept = ROOT_KEEPS if os.getuid() == 0 else "-all"
    options = ["--no-new-privs", "--inh-caps=-all", f"--bounding-set={kept}", "--ambient-caps=-all"]
    os.execv(plan["setpriv"], [plan["setpriv"], *options, "--", *command])  # noqa: S606 - a list, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
