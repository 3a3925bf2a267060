"""What an upgrade takes, before anybody rehearses it: disk, memory and time, from sizes and from measured rates.

The rates were measured on one machine and are orders of magnitude. A rehearsal measures.
"""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades.data import PendingMigration, Subject
from sapwood.site.upgrades.engines import servers
from sapwood.site.upgrades.engines.base import engine_for
from sapwood.site.upgrades.sizes import Measured

GB: Final = 1_000_000_000
# Seconds per GB on the disk: a copy with its proof, and a restore with its own.
BACKUP_S: Final = {"sqlite3": (2.0, 15.0), "mysql": (6.0, 30.0), "postgresql": (8.0, 30.0)}
RESTORE_S: Final = {"sqlite3": (2.0, 15.0), "mysql": (60.0, 200.0), "postgresql": (20.0, 100.0)}
# Seconds per row: a table that the server writes anew, and code that goes from row to row.
REWRITE_S: Final = 19e-6
BY_CODE_S: Final = 1.7e-3
EACH_S: Final = (0.02, 5.0)  # what one migration takes whatever the rows: Django's own state
BASIS: Final = "rates measured elsewhere; a rehearsal measures them here"


def disk(needs: Mapping[str, Mapping[Path, int] | None]) -> list[dict[str, Any]]:
    """What each folder must have room for, and has; None where it is on another machine."""
    return [
        {
            "what": what,
            "folder": str(folder) if folder else None,
            "needed_bytes": needed,
            "free_bytes": shutil.disk_usage(folder).free if folder else None,
        }
        for what, folders in needs.items()
        for folder, needed in (folders.items() if folders is not None else [(None, None)])
    ]


def memory(subject: Subject, migrator_bytes: int | None) -> dict[str, int | None]:
    """What the migrator took only to read its code, what a private server for the copy may take, and what is free."""
    served = any(url.vendor != "sqlite3" for url in subject.databases.values())
    share = servers.memory_bytes()
    return {
        "migrator_bytes": migrator_bytes,
        "copy_server_bytes": share if served else 0,
        "available_bytes": share * 4,
    }


def time(
    subject: Subject, sizes: Mapping[str, Mapping[str, int] | None], migrations: Sequence[PendingMigration]
) -> dict[str, Any]:
    """From and to, in seconds, of each backup, of the migrations and of the way back; None where nobody says a size."""
    found: dict[str, Any] = {"basis": BASIS, "backup_s": None, "migrate_s": None, "restore_s": None}
    if sizes and all(size is not None for size in sizes.values()):
        for name, rates in (("backup_s", BACKUP_S), ("restore_s", RESTORE_S)):
            ends = [
                [(size or {})["whole"] / GB * end for end in rates[subject.databases[alias].vendor]]
                for alias, size in sizes.items()
            ]
            found[name] = _between(sum(low for low, _high in ends), sum(high for _low, high in ends))
    with contextlib.suppress(SapwoodError):  # no verdict rests on an estimate
        url = subject.databases["default"]
        tables = engine_for(url).tables(url)
        spans = [_migration(one, tables) for one in migrations]
        found["migrate_s"] = _between(sum(low for low, _high in spans), sum(high for _low, high in spans))
    return found


def _migration(one: PendingMigration, tables: Measured) -> tuple[float, float]:
    """One migration, by the rows of the tables of its models, or where it names none by those of its app's largest."""
    named = [tables[name][0] for model in one.models if (name := f"{one.app}_{model}") in tables]
    own = [rows for name, (rows, _size) in tables.items() if name.startswith(f"{one.app}_")]
    rows = sum(named) or (max(own, default=0) if not one.models else 0)
    low, high = EACH_S
    classes = set(one.classes)
    if classes <= {"neutral"}:
        return low, high
    by_code = classes & {"data", "unknown"}
    return low, high + rows * (BY_CODE_S if by_code else REWRITE_S)


def _between(low: float, high: float) -> dict[str, float]:
    return {"low": round(low, 1), "high": round(max(high, 1.0), 1)}


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """For a terminal."""
    for row in found["disk"]:
        if row["folder"] is None:
            yield f"disk     {row['what']}: not known, it is on another machine"
        else:
            yield (
                f"disk     {row['what']}: {row['needed_bytes']:,} bytes needed, {row['free_bytes']:,} free"
                f" in {row['folder']}"
            )
    mem = found["memory"]
    if mem["migrator_bytes"] is not None:
        needed = mem["migrator_bytes"] + mem["copy_server_bytes"]
        yield f"memory   at least {needed:,} bytes for a rehearsal, {mem['available_bytes']:,} free"
    times = found["time"]
    for name, words in (("backup_s", "each backup"), ("migrate_s", "migrations"), ("restore_s", "the way back")):
        if times[name]:
            yield f"time     {words}: {times[name]['low']:g} to {times[name]['high']:g} s ({times['basis']})"
