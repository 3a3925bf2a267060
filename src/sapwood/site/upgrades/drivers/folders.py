"""Copies a folder with owners and modes, and says what is in it: run by itself, as root or inside a container.

One file with nothing to install, Python 3.8 or later. What it says is one line of JSON per entry, so that two folders
are the same when their descriptions are. A copy makes its goal equal to its source; begun again, it does so again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import sys
from typing import Any

CHUNK = 1 << 20


def main(verb: str, *words: str) -> None:
    """`replace FROM TO ANSWER`, `describe FOLDER ANSWER`, `empty FOLDER`."""
    if verb == "replace":
        source, goal, answer = words
        empty(goal)
        copy(source, goal)
        os.sync()
        describe(goal, answer)
    elif verb == "describe":
        describe(*words)
    elif verb == "empty":
        empty(*words)
    else:
        raise SystemExit("unknown verb " + verb)


def empty(folder: str) -> None:
    """Remove everything below a folder; links are removed, never followed."""
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)  # noqa: PTH108 - this file runs on what a container has


def copy(source: str, goal: str) -> None:
    """Everything below a folder into another one, with its own owner and mode."""
    dress(source, goal)
    for entry in sorted(os.scandir(source), key=lambda one: one.name):
        there = os.path.join(goal, entry.name)  # noqa: PTH118
        kind = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(kind):
            os.mkdir(there, 0o700)  # noqa: PTH102
            copy(entry.path, there)
        elif stat.S_ISLNK(kind):
            os.symlink(os.readlink(entry.path), there)  # noqa: PTH115, PTH211
            dress(entry.path, there, link=True)
        elif stat.S_ISREG(kind):
            shutil.copyfile(entry.path, there, follow_symlinks=False)
            dress(entry.path, there)
        # Sockets and pipes are of processes: whoever starts again makes them again.


def dress(source: str, goal: str, *, link: bool = False) -> None:
    """Owner, mode and times; an account that may give nothing away keeps what it copies."""
    found = os.lstat(source)
    with contextlib.suppress(PermissionError):
        os.chown(goal, found.st_uid, found.st_gid, follow_symlinks=False)
    if not link:
        os.chmod(goal, stat.S_IMODE(found.st_mode))  # noqa: PTH101
        os.utime(goal, ns=(found.st_atime_ns, found.st_mtime_ns))


def describe(folder: str, answer: str) -> None:
    """Write down every entry below a folder, in the order of its path."""
    with open(answer, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.writelines(json.dumps(row, sort_keys=True) + "\n" for row in entries(folder, ""))


def entries(folder: str, below: str) -> Any:
    """Path, kind, owner, mode, size and digest of each."""
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        path, found = below + entry.name, entry.stat(follow_symlinks=False)
        row: dict[str, Any] = {"path": path, "mode": oct(found.st_mode), "owner": [found.st_uid, found.st_gid]}
        if stat.S_ISDIR(found.st_mode):
            yield row
            yield from entries(entry.path, path + "/")
        elif stat.S_ISLNK(found.st_mode):
            yield dict(row, target=os.readlink(entry.path))  # noqa: PTH115
        elif stat.S_ISREG(found.st_mode):
            yield dict(row, size=found.st_size, sha256=sha256(entry.path))


def sha256(path: str) -> str:
    """The digest of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:  # noqa: PTH123
        while True:
            chunk = file.read(CHUNK)
            if not chunk:
                return digest.hexdigest()
            digest.update(chunk)


if __name__ == "__main__":
    main(*sys.argv[1:])
