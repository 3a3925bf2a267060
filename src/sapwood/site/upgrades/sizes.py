"""Which tables a migration changed, and by how much: from the statements on the schema and two measurements."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sapwood.formats.phrase import NO_WORDS, Phrase

Measured = Mapping[str, tuple[int, int]]
"""Table to (rows, bytes), as an engine says."""

NOT_RUN: Final = Phrase("it did not run")
NO_TABLE: Final = Phrase("it names no table")
SHARED: Final = Phrase("others change its tables too")
NO_SIZE: Final = Phrase("the server tells no sizes")
_LITERAL: Final = re.compile(r"'(?:[^']|'')*'")
_PARENT: Final = re.compile(r"\bREFERENCES\s+\S+", re.IGNORECASE)
_NAME: Final = re.compile(
    r"\b(?:TABLE|ON|TO|INTO)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:ONLY\s+)?(?:[`\"]([^`\"]+)[`\"]|([\w$]+))",
    re.IGNORECASE,
)


def named(statements: Iterable[str]) -> set[str]:
    """What statements may name as a table that they change; more than tables, so hold it against those there are."""
    found: set[str] = set()
    for statement in statements:
        plain = _PARENT.sub("", _LITERAL.sub("''", statement))
        found.update(quoted or bare for quoted, bare in _NAME.findall(plain))
    return found


def table_rows(alias: str, before: Measured, after: Measured) -> list[dict[str, Any]]:
    """Every table before and after; None where it was not there, or where the server does not say its size."""
    sized = any(size for _rows, size in [*before.values(), *after.values()])
    return [
        {
            "database": alias,
            "name": name,
            "rows_before": before[name][0] if name in before else None,
            "rows_after": after[name][0] if name in after else None,
            "bytes_before": before[name][1] if name in before and sized else None,
            "bytes_after": after[name][1] if name in after and sized else None,
        }
        for name in sorted({*before, *after})
    ]


def spread(migrations: Sequence[dict[str, Any]], tables: Sequence[Mapping[str, Any]]) -> None:
    """Give each migration of a database the rows and the growth of the tables that it alone changed, or why not."""
    known = {table["name"]: table for table in tables}
    for row in migrations:
        row["tables"] = sorted(set(row["tables"]) & set(known))
    for row in migrations:
        mine = set(row["tables"])
        others = {name for other in migrations if other is not row for name in other["tables"]}
        row["rows"] = row["bytes_delta"] = None
        row["size_why"] = NOT_RUN if row["outcome"] == "skipped" else NO_WORDS if mine else NO_TABLE
        if not mine:
            continue
        counts = [(known[name]["rows_before"], known[name]["rows_after"]) for name in mine]
        # A table that is renamed or rebuilt has two names, of which one is there before and one after.
        row["rows"] = max(sum(before or 0 for before, _after in counts), sum(after or 0 for _before, after in counts))
        sizes = [(known[name]["bytes_before"], known[name]["bytes_after"]) for name in mine]
        if mine & others:
            row["size_why"] = SHARED
        elif not any(size is not None for pair in sizes for size in pair):
            row["size_why"] = NO_SIZE
        else:
            row["bytes_delta"] = sum((after or 0) - (before or 0) for before, after in sizes)
