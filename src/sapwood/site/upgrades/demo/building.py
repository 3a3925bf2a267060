"""Builds the demonstration: environments from hashed pins, a database of the release that runs, a subject file.

Each step is done whole or again: a build that was killed at any moment goes on when it is asked for again, and one that
is finished does nothing.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sapwood.core.errors import SapwoodError
from sapwood.core.files import write_atomically
from sapwood.site.upgrades.demo import servers

ENGINES: Final = ("sqlite", "mariadb", "postgresql")
VARIANTS: Final = ("broken", "good")
PINS = Path(__file__).resolve().parents[5] / "requirements"
CAMPUS = Path(__file__).with_name("campus")
PYTHON: Final = "3.11"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
ENVIRONMENTS_BYTES, ROW_BYTES = 1_500_000_000, 6_000
Say = Callable[[str], None]

SUBJECT = """\
# A campus that runs a train of Open edX packages of May 2024 and wants one of November 2026.
name = "campus"
driver = "django"
settings = "{settings}"
pythonpath = ["./train"]
database_url = "{url}"

[current]
python = "./train/mid/bin/python"

[target]
python = "./train/{target}/bin/python"
"""


class DemoError(SapwoodError):
    """The demonstration could not be built."""

    code = "upgrades.demo"


@dataclass(frozen=True)
class Demo:
    """What was built: the subject file, and what to do with it."""

    subject: Path
    engine: str
    variant: str
    rows: int

    @property
    def commands(self) -> tuple[str, str]:
        """The next two commands."""
        report = self.subject.with_name(f"report-{self.subject.stem}")
        return f"sapwood upgrade plan {self.subject}", f"sapwood upgrade rehearse {self.subject} --report {report}"


def build(folder: Path, *, engine: str, variant: str, rows: int, say: Say) -> Demo:
    """Build the demonstration in a folder, or finish what is missing of it. Raises DemoError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = "new" if variant == "broken" else f"new-{variant}"
    uv = _uv()
    with _locked(folder, say) as lock:
        _enough_space(folder, rows)
        train = folder / "train"
        _campus(train / "campus")
        for side in ("mid", target):
            _environment(train / side, PINS / f"train-{side}.txt", uv, lock, say)
        database = _database(folder, engine, rows, lock, say)
        stem = "-".join(
            ["campus", *([engine] if engine != "sqlite" else []), *([variant] if variant != "broken" else [])]
        )
        subject = folder / f"{stem}.toml"
        text = SUBJECT.format(settings=_settings(engine), url=database, target=target)
        if not subject.is_file() or subject.read_text(encoding="utf-8") != text:
            write_atomically(subject, text)
    return Demo(subject, engine, variant, rows)


def stop(folder: Path) -> list[str]:
    """Stop the servers of the demonstration; their data stay. The names of those that ran."""
    return [server.engine for server in servers.all_of(folder) if server.stop()]


@contextlib.contextmanager
def _locked(folder: Path, say: Say) -> Iterator[int]:
    """One build at a time. Its children inherit the lock, so that a killed build is over when they are."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build of the demonstration is at work: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _enough_space(folder: Path, rows: int) -> None:
    needed, free = ENVIRONMENTS_BYTES + rows * ROW_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise DemoError(
            f"The demonstration needs about {needed:,} bytes and {free:,} are free in {folder}",
            hint="Free some space, set SAPWOOD_VAR to a larger disk, or ask for fewer --rows.",
        )


def _uv() -> Path:
    beside = Path(sys.executable).with_name("uv")
    found = beside if beside.is_file() else shutil.which("uv")
    if not found:
        raise DemoError("uv is not installed", hint="Run 'make .venv/.run', which installs it.")
    if not (PINS / "train-mid.txt").is_file():
        raise DemoError("The pins of the trains are not here", hint="Run it from a source tree of Sapwood.")
    return Path(found)


def _campus(folder: Path) -> None:
    for source in sorted(CAMPUS.glob("*.py")):
        content = source.read_bytes()
        copy = folder / source.name
        if not copy.is_file() or copy.read_bytes() != content:
            write_atomically(copy, content)


def _environment(place: Path, pins: Path, uv: Path, lock: int, say: Say) -> None:
    """An environment with exactly what the pins name, each file held against its hash."""
    constraints = PINS / "train-build.txt"
    wanted = hashlib.sha256(pins.read_bytes() + constraints.read_bytes()).hexdigest()
    stamp = place / ".pins"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    shutil.rmtree(place, ignore_errors=True)
    count = sum(" \\" in line and "==" in line for line in pins.read_text(encoding="utf-8").splitlines())
    say(f"environment {place.name}: {count} packages")
    certificates: list[str | Path] = ["--system-certs"] if AUTHORITIES.is_file() else []
    python = sys.executable if sys.version_info[:2] == tuple(map(int, PYTHON.split("."))) else PYTHON
    _run([uv, "venv", "--quiet", "--no-project", *certificates, "--python", python, place], lock, say)
    # What has no wheel is plain Python, built by a builder that is pinned too.
    options: list[str | Path] = [
        "--quiet",
        "--no-config",
        "--compile-bytecode",
        "--require-hashes",
        "--build-constraints",
        constraints,
    ]
    _run([uv, "pip", "install", *options, *certificates, "--python", place / "bin" / "python", "-r", pins], lock, say)
    write_atomically(stamp, wanted)


def _database(folder: Path, engine: str, rows: int, lock: int, say: Say) -> str:
    """A database with rows, and its address for the subject file, relative to it where it is a file."""
    python = folder / "train" / "mid" / "bin" / "python"
    sources = [path.read_bytes() for path in (*sorted(CAMPUS.glob("*.py")), PINS / "train-mid.txt")]
    wanted = json.dumps({"rows": rows, "made_by": hashlib.sha256(b"".join(sources)).hexdigest()})
    stamp = folder / "data" / f"{engine}.json"
    finished = stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted
    if engine == "sqlite":
        file = folder / "data" / "campus.sqlite3"
        url = f"sqlite:///data/{file.name}"
        entry = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}
        if not finished:
            _forget(stamp)
            for suffix in ("", "-journal", "-wal", "-shm"):
                file.with_name(file.name + suffix).unlink(missing_ok=True)
    else:
        server = servers.server(folder, engine)
        server.start(say)
        url, entry = server.url, server.django()
        if not finished:
            _forget(stamp)
            server.new_database()
    if not finished:
        say(f"database: {rows:,} rows ({engine})")
        environment = {
            "CAMPUS_DATABASE": json.dumps(entry),
            "DJANGO_SETTINGS_MODULE": _settings(engine),
            "PYTHONPATH": str(folder / "train"),
            "PYTHONWARNINGS": "ignore",
        }
        _run([python, "-m", "campus.fill", str(rows)], lock, say, environment)
        write_atomically(stamp, wanted)
    return url


def _settings(engine: str) -> str:
    return "campus.settings_postgresql" if engine == "postgresql" else "campus.settings"


def _forget(stamp: Path) -> None:
    stamp.parent.mkdir(exist_ok=True, mode=0o700)
    stamp.unlink(missing_ok=True)


def _run(command: Sequence[str | Path], lock: int, say: Say, environment: Mapping[str, str] | None = None) -> None:
    """Run one step; its lines go on as they come, and the last of them tells what was wrong."""
    kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "DJANGO_SETTINGS_MODULE"}}
    last = ""
    with subprocess.Popen(
        [str(part) for part in command],
        env={**kept, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        pass_fds=[lock],
    ) as process:
        for line in process.stdout or ():
            if line.strip() and not line.startswith((" ", "Traceback")):
                say(line.strip())
                if "rror" in line or not last:
                    last = line.strip()
    if process.returncode:
        raise DemoError(f"{Path(str(command[0])).name} failed: {last or 'it printed nothing'}", hint=_hint(last))


def _hint(line: str) -> str:
    if "fetch" in line or "connect" in line.lower() or "dns" in line.lower():
        return "The packages come from PyPI: check the network and run it again; it goes on."
    return "Run it again: it goes on with the step that failed."
