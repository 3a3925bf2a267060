"""What checks hand to other modules: packs, what they run against, and what they found."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

DATABASE: Final = "database"
SHADOW: Final = "shadow"


class Safety(StrEnum):
    """What a check may do to a site: from reading, signed out (S0), to mail, money and grades (S4)."""

    S0 = "S0"
    S1 = "S1"
    S2 = "S2"
    S3 = "S3"
    S4 = "S4"


class Verdict(StrEnum):
    """What a check found. Error is the check's own trouble, and like unknown never a pass."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    ERROR = "error"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Pack:
    """A pack as its distribution's metadata describes it; nothing of it was imported.

    `sha256` is the digest of the list of its files, which holds the digest of each.
    """

    id: str
    module: str
    version: str
    safety: Safety
    owner: str
    needs: tuple[str, ...]
    sha256: str
    environment: Path

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id,
            "version": self.version,
            "safety": self.safety.value,
            "owner": self.owner,
            "needs": list(self.needs),
            "sha256": self.sha256,
        }


@dataclass(frozen=True)
class Target:
    """What packs look at: an address, and the socket through which every request goes.

    A shadow may be changed and forgotten. `hidden` paths no pack sees; the database of a shadow, with the folder or the
    socket that it takes, is for packs that need it.
    """

    base_url: str
    socket: Path
    shadow: bool
    hidden: tuple[Path, ...] = ()
    database_url: str = ""
    database_folders: tuple[Path, ...] = ()
    database_sockets: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Result:
    """What one check found; the detail holds no value of a row."""

    pack: str
    id: str
    verdict: Verdict
    seconds: float = 0.0
    detail: str = ""
    use_case: str = ""
    safety: str = ""
    owner: str = ""
    covers: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id,
            "verdict": self.verdict.value,
            "pack": self.pack,
            "seconds": self.seconds,
            "detail": self.detail,
            "use_case": self.use_case,
            "safety": self.safety,
            "owner": self.owner,
            "covers": list(self.covers),
        }


@dataclass(frozen=True)
class PackRun:
    """One run of a pack: its results, and in one line why it has not all of them; `held` is what it tried to reach."""

    pack: Pack
    results: tuple[Result, ...]
    problem: str = ""
    held: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON, without the results."""
        counts = {verdict.value: sum(one.verdict is verdict for one in self.results) for verdict in Verdict}
        return {
            **self.pack.to_dict(),
            "counts": counts,
            "problem": self.problem,
            "held": list(self.held),
            "seconds": self.seconds,
        }
