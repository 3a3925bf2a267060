"""Writing files so that a kill at any moment leaves either the old content or the new."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def write_atomically(
    path: Path, content: bytes | str, *, mode: int = 0o600, replace: bool = True, whatever_umask: bool = False
) -> bool:
    """Write `content` to `path` and make it durable; with `replace=False` an existing file wins. True when written.

    The umask may take rights from `mode`, but not with `whatever_umask`: for files that another account has to read.
    """
    raw = content.encode("utf-8") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            if whatever_umask:
                os.fchmod(descriptor, mode)
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            fresh.replace(path)
        else:
            try:
                os.link(fresh, path)
            except FileExistsError:
                return False
    finally:
        fresh.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True


def kept(path: Path, make: Callable[[], bytes | str]) -> bytes:
    """The content of a private file, made on first need; when several make it at once, all get the first one's."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        write_atomically(path, make(), replace=False)
        return path.read_bytes()
