"""How far the results of a rehearsal hold whose copy was masked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades.masking.masks import Masked
from sapwood.site.upgrades.remedies import BAD_VALUE, DUPLICATE, EMPTY, ORPHANS, OTHER, TOO_LONG, remedy
from sapwood.site.upgrades.suites import where

OF_VALUES: Final = frozenset({BAD_VALUE, DUPLICATE, EMPTY, ORPHANS, OTHER, TOO_LONG})
HOLDS, PARTLY, OPEN = "holds", "partly", "open"
KEPT: Final = (
    ("uniqueness", HOLDS, Phrase("Equal values stay equal in all masked columns, different ones stay different.")),
    ("lengths", HOLDS, Phrase("Every value has as many characters and bytes as the real one; NULL stays NULL.")),
    ("references", HOLDS, Phrase("Columns that refer to each other were masked alike, so no row has lost another.")),
    ("definitions", HOLDS, Phrase("What changes definitions only, such as an added column, is not touched by it.")),
    (
        "times",
        PARTLY,
        Phrase(
            "Masked tables were written anew, as after a dump and restore: they lie closer together than in production."
            " Their indexes have keys of the real lengths in another order."
        ),
    ),
    (
        "sizes",
        PARTLY,
        Phrase("Masked values are as good as random: what the server or a backup compresses is larger here."),
    ),
    (
        "way back",
        PARTLY,
        Phrase("Backup and restore were measured on the masked copy, so that no real value came back into it."),
    ),
    (
        "collations",
        PARTLY,
        Phrase("Values that only a collation takes for equal, by their accents, became different ones."),
    ),
)
# What reads values, and so may end otherwise with the real ones.
READS: Final = (
    "values",
    OPEN,
    Phrase("Migrations and checks that read masked values may end otherwise with real ones; the report names them."),
)
FREE: Final = ("values", HOLDS, Phrase("No pending migration tests or reads a masked value, as far as was seen."))


def described(
    masked: Masked, migrations: Iterable[Mapping[str, Any]], checks: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The part of the report about masking."""
    reads = read_by(migrations)
    doubted = [where(row) for row in checks if row.get("masked")]
    kept = [*KEPT, READS if reads or doubted else FREE]
    return {
        **masked.to_dict(),
        "reads": reads,
        "checks": doubted,
        "holds": [{"what": what, "how": how, "why": why} for what, how, why in kept],
    }


def may_explain(failure: Mapping[str, Any], message: str) -> bool:
    """Whether a migration may have failed because of masked values: it works on some, and its error is about values."""
    return bool(failure["masked_reads"]) and remedy(failure["error_code"], message) in OF_VALUES


def read_by(migrations: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The migrations that tested or read masked values, and which."""
    return [
        {"migration": f"{row['app']}.{row['name']}", "columns": row["masked_reads"]}
        for row in migrations
        if row.get("masked_reads")
    ]


def doubts(migrations: Sequence[Mapping[str, Any]], checks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Why the verdict is at most unknown, if it is."""
    reads = [(row["migration"], ", ".join(row["columns"])) for row in read_by(_passed(migrations))]
    return [f"{name}: it works on masked values ({columns})" for name, columns in reads] + [
        f"{where(row)}: {row['detail']}; it looks at masked values" for row in checks if row.get("masked")
    ]


def _passed(migrations: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """What did not fail: of what failed, the failure says it already."""
    return (row for row in migrations if row.get("outcome") != "failed")


def untested(masked: Masked) -> list[str]:
    """What was not masked, or could not be."""
    found = [f"not masked: {row['column']} of {row['database']} ({row['why']})" for row in masked.left]
    found += [f"to be masked, and not there: {name}" for name in masked.not_found]
    same = [f"{row['table']}.{row['column']}: {row['unchanged']:,}" for row in masked.columns if row["unchanged"]]
    return found + [f"values without a letter or digit, left as they are: {one}" for one in same]
