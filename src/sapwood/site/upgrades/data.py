"""What the parts of an upgrade hand to each other: the subject, what stands pending, what a rehearsal found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from sapwood.formats.migration_report import Operation


class Verdict(StrEnum):
    """What a rehearsal concludes. Unknown is never a go."""

    GO = "go"
    NO_GO = "no-go"
    UNKNOWN = "unknown"


class Stage(StrEnum):
    """How far an upgrade is."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True)
class DatabaseUrl:
    """Where one database of the subject is. `vendor` is sqlite3, mysql or postgresql. The password is not shown."""

    vendor: str
    name: str
    host: str = ""
    port: int | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    socket: str = ""  # MySQL and MariaDB: the socket's file; PostgreSQL: the folder it is in
    read_only: bool = False

    def as_django(self) -> dict[str, Any]:
        """The keys of a DATABASES entry, and in small letters what `inside.py` sees to itself."""
        name = _only_read(Path(self.name)) if self.vendor == "sqlite3" and self.read_only else self.name
        host = self.socket or self.host  # Django takes a host that begins with a slash for a socket, on both
        given = {"NAME": name, "HOST": host, "PORT": self.port, "USER": self.user, "PASSWORD": self.password}
        flags = {"vendor": self.vendor, "read_only": self.read_only, "by_socket": bool(self.socket)}
        return flags | {name: value for name, value in given.items() if value not in {"", None}}


def _only_read(path: Path) -> str:
    """The address of a SQLite file, opened so that nothing can be written.

    In WAL mode SQLite wants to make two files beside it, which a confined reader cannot. They are there while somebody
    has the database open; where they are not, nobody does, and it may be read as one that does not change.
    """
    at_rest = _in_wal_mode(path) and not path.with_name(f"{path.name}-wal").exists()
    return f"{path.as_uri()}?mode=ro{'&immutable=1' if at_rest else ''}"


def _in_wal_mode(path: Path) -> bool:
    # https://www.sqlite.org/fileformat.html, 1.3.3
    try:
        with path.open("rb") as file:
            return file.read(20)[18:] == b"\2\2"
    except OSError:
        return False


@dataclass(frozen=True)
class Side:
    """One of the two environments: the interpreter that runs it, and what of the settings differs there."""

    python: Path | None
    settings: str
    requirements: tuple[str, ...] = ()
    exclude_newer: str = ""
    resolved: str = ""  # the digest of what the requirements were resolved to
    tutor: Path | None = None  # the Tutor of this side: its program, or the interpreter that has it
    release: str = ""  # the project's release that this side installs, as the catalogue names it


@dataclass(frozen=True)
class Hook:
    """A command of the operator's own, and how long it may take."""

    argv: tuple[str, ...]
    timeout_s: float


@dataclass(frozen=True)
class Fork:
    """A clone whose fork the deployment runs, and the names in it: where it left, where it goes, what runs."""

    repo: Path
    upstream: str
    target: str
    head: str = "HEAD"


@dataclass(frozen=True)
class Mask:
    """How a copy is masked: rules by `table.column`, in which `*` may stand; with or without our own."""

    rules: Mapping[str, str] = field(default_factory=dict)
    defaults: bool = True


@dataclass(frozen=True)
class Subject:
    """What an operator wrote down about a deployment; paths are absolute."""

    path: Path
    name: str
    driver: str
    pythonpath: tuple[Path, ...]
    databases: Mapping[str, DatabaseUrl]
    current: Side
    target: Side
    technique: str
    packs: tuple[str, ...] = ()
    base_url: str = ""  # where the site answers, for checks that only read
    mask: Mask = field(default_factory=Mask)
    hooks: Mapping[str, Hook] = field(default_factory=dict)
    root: Path | None = None
    plugins_root: Path | None = None
    via: tuple[Path, ...] = ()  # Tutors of the releases between the two sides
    automatic: Side | None = None  # the target that a new release means, {version} and {tag} still in it
    release: str = ""  # which release the target is, where it was made from that
    facts: Path | None = None  # a facts document: what no environment says about itself
    forks: tuple[Fork, ...] = ()


def class_line(classes: Iterable[str], label: str, why: Iterable[str]) -> str:
    """A migration on one line of a terminal: its classes, its name, why."""
    reason = next((reason for reason in why if reason), "")
    return f"{'+'.join(classes):<22}  {label}{f' ({reason})' if reason else ''}"


@dataclass(frozen=True)
class PendingMigration:
    """One migration that the target would run, with its static classes."""

    app: str
    name: str
    path: str
    sha256: str
    classes: tuple[str, ...]
    why: tuple[str, ...]
    depends_on: tuple[str, ...] = ()
    atomic: bool = True
    operations: tuple[Operation, ...] = ()
    reversible: bool | None = None  # whether Django could take it back; None: that cannot be told
    models: tuple[str, ...] = ()  # whose tables it changes, in lower case

    @property
    def label(self) -> str:
        """`app.name`, as Django writes it."""
        return f"{self.app}.{self.name}"

    @property
    def line(self) -> str:
        """One line for a terminal: its classes, its name, why."""
        return class_line(self.classes, self.label, self.why)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "app": self.app,
            "name": self.name,
            "classes": list(self.classes),
            "why": [reason for reason in self.why if reason],
            "sha256": self.sha256,
            "depends_on": list(self.depends_on),
            "operations": [operation.to_dict() for operation in self.operations],
            "reversible": self.reversible,
        }
