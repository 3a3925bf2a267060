"""Migration report: what the migrations between two releases mean and, where somebody measured it, what they cost.

Classes come from reading the source; engines, algorithms, rows and times only from a rehearsal. A figure that nobody
measured is absent, never zero.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

from sapwood.formats.canonical import JSON
from sapwood.formats.errors import SchemaError
from sapwood.formats.phrase import Phrase
from sapwood.formats.records import Record

# Below that many rows the fixed cost of a migration outweighs the cost of its rows, and a million of them is a guess.
ENOUGH_ROWS: Final = 10_000
MILLION: Final = 1_000_000
CONTRACT: Final = "contract"
UNSAFE: Final = "unsafe"


@dataclass(frozen=True, kw_only=True)
class Operation(Record):
    """One operation of a migration, as it stands in the source. `reversible` is None where reading cannot tell."""

    kind: str
    classes: tuple[str, ...]
    model: str = ""
    field: str = ""
    reversible: bool | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Statement(Record):
    """One statement on the schema, and how a server does it: an algorithm (MySQL family) or a lock (PostgreSQL).

    `blocks_writes` says whether writes wait while it goes over the rows; None where nobody could tell.
    """

    sql: str
    algorithm: str = ""
    blocks_writes: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Step(Record):
    """One migration. From a rehearsal also: rows that it touched, growth, its time, and that of its SQL alone."""

    app: str
    name: str
    classes: tuple[str, ...]
    sha256: str = ""
    why: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    atomic: bool = True
    database: str = "default"
    statements: tuple[Statement, ...] = ()
    rows: int | None = None
    bytes_delta: int | None = None
    seconds: float | None = None
    sql_seconds: float | None = None
    failed: bool = False

    @property
    def label(self) -> str:
        """`app.name`, as Django writes it."""
        return f"{self.app}.{self.name}"

    @property
    def seconds_per_million(self) -> float | None:
        """What its SQL takes for a million rows; None where it was not measured, or on too few rows to say."""
        if self.failed or self.sql_seconds is None or self.rows is None or self.rows < ENOUGH_ROWS:
            return None
        return self.sql_seconds * MILLION / self.rows

    @property
    def blocks_writes(self) -> bool:
        """Whether writes to a table are known to wait for it."""
        return any(statement.blocks_writes for statement in self.statements)

    @property
    def reversible(self) -> bool | None:
        """Whether Django can take it back: all of its operations, or None where that is not known."""
        found = {operation.reversible for operation in self.operations}
        return False if False in found else None if None in found or not found else True


@dataclass(frozen=True, kw_only=True)
class MigrationReport(Record):
    """The migrations of one upgrade, in their order.

    `release` and `previous` are what lies at its ends. Whoever publishes it gives the envelope: `uuid`, `revision` and
    `channel`; a report in a file has none. `engines` are those it was measured on, in words, by database.
    """

    constants: ClassVar[Mapping[str, JSON]] = {"type": "migrationreport", "version": 1}

    made_at: datetime
    sapwood: str
    migrations: tuple[Step, ...]
    release: str = ""
    previous: str = ""
    engines: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    uuid: UUID | None = None
    revision: int | None = None
    channel: str = ""

    @property
    def measured(self) -> bool:
        """Whether any of it was run."""
        return any(step.seconds is not None for step in self.migrations)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many migrations hold an operation of each class."""
        return Counter(name for step in self.migrations for name in dict.fromkeys(step.classes))

    @property
    def operations(self) -> int:
        """How many operations there are."""
        return sum(len(step.operations) for step in self.migrations)

    @property
    def contracting(self) -> tuple[Step, ...]:
        """The migrations that take something away."""
        return tuple(step for step in self.migrations if CONTRACT in step.classes)

    @property
    def growth_bytes(self) -> int | None:
        """By how much the measured database grew; None where no migration's growth is known."""
        known = [step.bytes_delta for step in self.migrations if step.bytes_delta is not None]
        return sum(known) if known else None

    @property
    def seconds(self) -> float | None:
        """The time of all that was run."""
        return sum(step.seconds for step in self.migrations if step.seconds is not None) if self.measured else None

    @property
    def longest(self) -> Step | None:
        """The migration that takes longest for a million rows; None where none was measured on enough."""
        known = [step for step in self.migrations if step.seconds_per_million is not None]
        return max(known, key=lambda step: step.seconds_per_million or 0.0, default=None)

    @property
    def by_app(self) -> Mapping[str, tuple[Step, ...]]:
        """The migrations of each app, apps by name."""
        return {
            app: tuple(step for step in self.migrations if step.app == app)
            for app in sorted({step.app for step in self.migrations})
        }


def check_migration_report(item: MigrationReport) -> None:
    """What the schema cannot say: each migration once, times of SQL inside the whole, both ends or none."""
    if len({(step.database, step.app, step.name) for step in item.migrations}) != len(item.migrations):
        raise SchemaError(
            Phrase("The report names a migration twice."),
            hint=Phrase("Make it again from one upgrade."),
            path="migrations",
        )
    for number, step in enumerate(item.migrations):
        if step.sql_seconds is not None and (step.seconds is None or step.sql_seconds > step.seconds):
            raise SchemaError(
                Phrase("The SQL of %(name)s took longer than the whole of it.", name=step.label),
                hint=Phrase("Make it again from one upgrade."),
                path=f"migrations[{number}].sql_seconds",
            )
    if bool(item.release) != bool(item.previous) or (item.release and item.release == item.previous):
        raise SchemaError(
            Phrase("The report does not lie between two releases."),
            hint=Phrase("Name both, or none."),
            path="previous",
        )
