"""The report of a rehearsal: one JSON file, and one page that needs no network and prints well."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.template.loader import render_to_string

from sapwood.core.files import write_atomically
from sapwood.site.upgrades.rehearsing import Rehearsal

JSON_NAME, PAGE_NAME = "rehearsal.json", "rehearsal.html"


def write_report(found: Rehearsal, folder: Path) -> tuple[Path, Path]:
    """Write both files into a folder; a reader sees the old or the new ones whole."""
    folder.mkdir(parents=True, exist_ok=True)
    data = found.to_dict()
    paths = folder / JSON_NAME, folder / PAGE_NAME
    write_atomically(paths[0], json.dumps(data, ensure_ascii=False, indent=2) + "\n")
    write_atomically(paths[1], page_of(data))
    return paths


def page_of(document: Mapping[str, Any]) -> str:
    """The page of a report, from its JSON."""
    slowest = max((row["seconds"] for row in document["migrations"] if "seconds" in row), default=0.0) or 1.0
    rows = [{**row, "share": round(100 * row.get("seconds", 0) / slowest)} for row in document["migrations"]]
    wrong = [row for row in document["checks"] if row["verdict"] == "fail"]
    counts = {word: sum(row["verdict"] == word for row in document["checks"]) for word in ("pass", "fail", "unknown")}
    context = {"report": {**document, "migrations": rows}, "wrong": wrong, "counts": counts}
    return render_to_string("sapwood/upgrades/report.html", context)
