"""Environments of a side that is described by requirements: resolved once, with hashes, then installed from these.

One folder per description, below Sapwood's own. What was resolved stays; an installation that was interrupted begins
anew from it. The digest of what was resolved goes into the plan, so that a plan is for exactly these packages.
"""

import dataclasses
import fcntl
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sapwood.core.errors import SapwoodError
from sapwood.core.files import write_atomically
from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.site.upgrades.data import Side, Subject
from sapwood.site.upgrades.drivers.container import CommandFailedError, run

LIMIT_S: Final = 3600.0
WORDS: Final = 300
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
# How an operator leads uv to an index of their own: https://docs.astral.sh/uv/configuration/environment/
KEPT: Final = ("UV_", "SSL_CERT_", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")


class BuildError(SapwoodError):
    """The environment of a side could not be built."""

    code = "upgrades.environment"


def with_environments(subject: Subject, *, work: Path, say: Callable[[str], None] = lambda _line: None) -> Subject:
    """The subject with an interpreter on each side; what only requirements describe is built, or found built."""
    current, target = (
        _built(side, name, work / "environments", say) if side.requirements else side
        for name, side in (("current", subject.current), ("target", subject.target))
    )
    if (current, target) == (subject.current, subject.target):
        return subject
    return dataclasses.replace(subject, current=current, target=target)


def _built(side: Side, name: str, folder: Path, say: Callable[[str], None]) -> Side:
    described = [list(side.requirements), side.exclude_newer, sys.version, sysconfig.get_platform()]
    place = folder / sha256_hex(canonical_bytes(described))[:24]
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    python, resolved, done = place / "venv" / "bin" / "python", place / "requirements.txt", place / "done"
    with _alone(place):
        if not resolved.is_file():
            say(f"resolving the packages of {name}")
            _resolve(side, name, place, resolved)
        digest = sha256_hex(resolved.read_bytes())
        if not done.is_file() or done.read_text(encoding="ascii") != digest or not os.access(python, os.X_OK):
            say(f"installing the packages of {name}")
            shutil.rmtree(place / "venv", ignore_errors=True)
            _uv(name, place, "venv", "--no-project", "--python", sys.executable, str(place / "venv"))
            words = ("--require-hashes", "--python", str(python), "-r", str(resolved))
            _uv(name, place, "pip", "install", *_certificates(), *words)
            write_atomically(done, digest)
    return dataclasses.replace(side, python=python, resolved=digest)


def _resolve(side: Side, name: str, place: Path, resolved: Path) -> None:
    asked, answer = place / "asked.txt", place / "answer.txt"
    write_atomically(asked, "".join(f"{requirement}\n" for requirement in side.requirements))
    newest = ["--exclude-newer", side.exclude_newer] if side.exclude_newer else []
    words = ("--generate-hashes", "--no-header", "--no-annotate", "--python", sys.executable, "-o", str(answer))
    _uv(name, place, "pip", "compile", str(asked), *_certificates(), *newest, *words)
    answer.replace(resolved)


def _certificates() -> list[str]:
    return ["--system-certs"] if CERTIFICATES.exists() else []


def _uv(name: str, place: Path, *words: str) -> None:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv is None:
        raise BuildError("uv is not installed, which builds environments", hint="Name python instead.")
    log = place / "log"
    log.unlink(missing_ok=True)
    kept = {key: value for key, value in os.environ.items() if key.startswith(KEPT)}
    try:
        run([uv, "--quiet", "--no-config", *words], log, limit_s=LIMIT_S, environment=kept)
    except CommandFailedError:
        said = " ".join(log.read_text(encoding="utf-8").partition("\n")[2].split())[:WORDS]
        hint = f"All of it is in {log}."
        raise BuildError(f"The environment of {name} cannot be built: {said}", hint=hint) from None


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
