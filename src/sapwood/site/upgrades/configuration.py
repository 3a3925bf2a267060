"""What of the configuration changes: settings and toggles added, removed, or with another value or default.

Values stand here only where the environment's own side of this (`inside.py`) found them to be no secret; of all
others it is known only whether they are the same.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

MOST: Final = 2000
Rows = list[dict[str, Any]]


def difference(current: Mapping[str, Any], target: Mapping[str, Any]) -> dict[str, Rows]:
    """Settings and toggles, each as added, removed and changed."""
    settings, toggles = _settings(current["settings"], target["settings"]), _toggles(current, target)
    found: dict[str, Rows] = {"added": [], "removed": [], "changed": []}
    for row in [*settings, *toggles]:
        rows = found[row.pop("change")]
        if len(rows) < MOST:
            rows.append(row)
    return found


def _settings(here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in sorted({*here, *there}):
        old, new = here.get(name), there.get(name)
        row: dict[str, Any] = {"kind": "setting", "name": name, **_values(old, new)}
        if old is None or new is None:
            only = old or new or {}
            change = "removed" if new is None else "added"
            yield {"change": change, **row, "whose": _whose(only)}
        elif old["digest"] != new["digest"]:
            yield {"change": "changed", **row, "whose": "django" if not (old["own"] or new["own"]) else "site"}
        elif old["own"] and new["own"] and old["known"] and not new["known"]:
            # It is set on both sides, and the new Django does not read it any more.
            yield {"change": "removed", **row, "whose": "django"}


def _whose(row: Mapping[str, Any]) -> str:
    return "site" if row.get("own") else "django"


def _values(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> dict[str, Any]:
    """Both values, or none: a value that may be told beside one that may not would say too much."""
    rows = [row for row in (old, new) if row is not None]
    if not all("value" in row for row in rows):
        return {}
    return {name: row["value"] for name, row in (("before", old), ("after", new)) if row is not None}


def _toggles(current: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    here, there = current["toggles"], target["toggles"]
    for key in sorted({*here, *there}):
        kind, _space, name = key.partition(" ")
        old, new = here.get(key), there.get(key)
        row = {"kind": "toggle" if kind == "toggle" else "annotated setting", "name": name, "whose": "code"}
        if new is None:
            yield {"change": "removed", **row, "before": old.get("default", "")}
        elif old is None:
            yield {"change": "added", **row, "after": new.get("default", "")}
        elif old.get("default") != new.get("default"):
            yield {"change": "changed", **row, "before": old.get("default", ""), "after": new.get("default", "")}


def lines(diff: Mapping[str, Rows]) -> Iterator[str]:
    """For a terminal."""
    for change in ("added", "removed", "changed"):
        for row in diff[change]:
            told = {name: row[name] for name in ("before", "after") if name in row}
            values = " > ".join(_short(value) for value in told.values())
            yield f"{row['kind']:<8} {change:<8} {row['name']}{f': {values}' if told else ''}"


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 120 else f"{text[:119]}…"  # noqa: PLR2004 - a line of a terminal
