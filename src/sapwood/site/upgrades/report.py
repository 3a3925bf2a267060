"""The report of a rehearsal: one JSON file, and one page that needs no network and prints well."""

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, get_language_bidi, override
from django.utils.translation import gettext as _

from sapwood.console import figures
from sapwood.console.charts.svg import Frame, hatch, share, table_twin
from sapwood.core.commands import harmless
from sapwood.core.files import write_atomically
from sapwood.core.settings import LANGUAGE
from sapwood.formats.errors import FormatError
from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades.comparing import basis
from sapwood.site.upgrades.costs import NAME as COSTS_NAME
from sapwood.site.upgrades.costs import rehearsed_report, write_migrations
from sapwood.site.upgrades.data import Verdict
from sapwood.site.upgrades.findings import findings
from sapwood.site.upgrades.rehearsing import Rehearsal
from sapwood.site.upgrades.suites import where

JSON_NAME, PAGE_NAME = "rehearsal.json", "rehearsal.html"
LEVELS: Final = {Verdict.GO: "good", Verdict.NO_GO: "bad", Verdict.UNKNOWN: "unknown"}
SLOWEST: Final = 8
MOST_TABLES: Final = 15
_ROW, _BAR, _HEAD = 40, 10, 26
_LATE = 50.0  # a bar that starts after this share is named from its end, so that the words stay inside
_MOST_LETTERS = 36


def write_report(found: Rehearsal, folder: Path, *, language: str = "") -> tuple[Path, Path]:
    """Write JSON and page, in this language or the site's; a reader sees the old or the new ones whole.

    Beside them goes what the migrations cost, as a document that others can read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = found.to_dict()
    paths = folder / JSON_NAME, folder / PAGE_NAME
    write_atomically(paths[0], json.dumps(data, ensure_ascii=False, indent=2) + "\n")
    write_atomically(paths[1], page_of(data, language or LANGUAGE.get()))
    (folder / COSTS_NAME).unlink(missing_ok=True)
    if not found.samples:  # what is foretold from samples was not measured
        with contextlib.suppress(FormatError):  # too many or too odd migrations for a document: the rehearsal stands
            write_migrations(rehearsed_report(found), folder / COSTS_NAME)
    return paths


def page_of(document: Mapping[str, Any], language: str = "") -> str:
    """The page of a report, from its JSON, in this language or else in the one that is active."""
    with override(language or get_language()):
        return render_to_string("sapwood/upgrades/report.html", _context(_shown(document)))


def _shown(value: Any) -> Any:
    """What strangers named must not act on the page either: control characters and overrides of direction go."""
    if isinstance(value, Mapping):
        return {name: _shown(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(one) for one in value]
    return harmless(value) if isinstance(value, str) and not isinstance(value, Phrase) else value


def _context(report: Mapping[str, Any]) -> dict[str, Any]:
    verdict = Verdict(report["verdict"])
    steps, checks = report.get("steps", []), [row for row in report["checks"] if not row.get("pack")]
    return {
        "report": report,
        "language": get_language(),
        "dir": "rtl" if get_language_bidi() else "ltr",
        "level": LEVELS[verdict],
        "word": _verdict(verdict)[0],
        "sentence": _verdict(verdict)[1],
        "findings": findings(report),
        "started_at": figures.instant(datetime.fromisoformat(report["started_at"])),
        "consists": [(_step(one["step"]), one["seconds"]) for one in steps if one["part"] == "closed"],
        "timeline": timeline(steps) if steps else "",
        "slowest": slowest([row for row in report["migrations"] if row.get("seconds")]),
        "statements": _statements(report["migrations"]),
        "migrations": [_migration(row) for row in report["migrations"]],
        "tables": _tables(report.get("tables", [])),
        "models": _models(checks),
        "counts": Counter(row["verdict"] for row in checks),
        "packs": [
            {**pack, "open": pack["counts"]["unknown"] + pack["counts"]["error"]} for pack in report.get("packs", [])
        ],
        "known": [
            {**row, "where": where(row)}
            for row in report["checks"]
            if row["verdict"] == "fail" and row.get("before") == "fail"
        ],
        "untested": _untested(report),
        "technique": _technique(report["shadow_technique"]),
        "basis": basis(report),
        "samples": [_sample(row) for row in report.get("samples", [])],
        "masking": _masking(report.get("masking")),
    }


def _sample(row: Mapping[str, Any]) -> dict[str, Any]:
    words = _("%(rows)s of %(all)s")
    counts = {"rows": figures.number(row["rows"]), "all": figures.number(row["of"])}
    return {**row, "part": figures.number(100 * row["share"], "%", 1), "counts": words % counts}


def _verdict(verdict: Verdict) -> tuple[str, str]:
    return {
        Verdict.GO: (_("Go"), _("The upgrade worked on a copy of your data.")),
        Verdict.NO_GO: (_("No-go"), _("Do not upgrade: it would fail, or the site would be broken afterwards.")),
        Verdict.UNKNOWN: (_("Not known"), _("Do not count on it: something that matters could not be found out.")),
    }[verdict]


def _masking(masking: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What was masked, with a level and a word for how far each kind of result holds."""
    if not masking:
        return None
    words = {"holds": ("good", _("holds")), "partly": ("unknown", _("in part")), "open": ("unknown", _("not known"))}
    holds = [(*words.get(one["how"], words["open"]), one["why"]) for one in masking["holds"]]
    return {**masking, "holds": holds}


def _step(step: str) -> str:
    return {
        "base_backup": _("Base backup, verified"),
        "early": _("Migrations that the running release survives"),
        "close": _("Maintenance on, workers stopped"),
        "final_backup": _("Final backup, the point of return"),
        "migrate": _("Migrations"),
        "switch": _("Switch to the new release"),
        "check": _("Checks"),
        "open": _("Maintenance off"),
        "restore": _("Restore, with the proof of equality"),
    }.get(step, step)


def _part(part: str) -> str:
    return {"open": _("The site is up"), "closed": _("The site is closed"), "back": _("The way back, if needed")}[part]


def _technique(name: str) -> str:
    return {
        "physical": _("a copy of the server's files"),
        "logical": _("dump and restore"),
        "file-copy": _("a copy of the file"),
        "sample": _("a sample of the rows"),
    }.get(name, name)


def timeline(steps: Sequence[Mapping[str, Any]]) -> SafeString:
    """What the button does, one after the other; the parts differ by pattern and by words."""
    frame = Frame(_("What the button does, and when"))
    key = frame.key
    frame.marks.append(hatch(key))
    looks: dict[str, dict[str, Any]] = {
        "open": {"class_": "outline"},
        "closed": {"class_": "mark-ours"},
        "back": {"class_": "patterned", "fill": f"url(#{key})"},
    }
    total = sum(one["seconds"] or 0 for one in steps)
    y, before, part = 0.0, 0.0, ""
    for one in steps:
        if one["part"] != part:
            part = one["part"]
            spent = sum(other["seconds"] or 0 for other in steps if other["part"] == part)
            frame.line(0, y + 4, 100, y + 4, "axis")
            frame.text(0, y + 20, f"{_part(part)} · {figures.duration(spent)}", "strong")
            y += _HEAD
        _draw(frame, y, (share(before, total), share(one["seconds"] or 0, total)), _said(one), looks[part])
        before += one["seconds"] or 0
        y += _ROW
    rows = [(_step(one["step"]), _part(one["part"]), _time(one["seconds"])) for one in steps]
    twin = table_twin([_("Step"), _("Part"), _("Time")], rows, frame.title)
    return _offline(frame.figure(y, "; ".join(_said(one) for one in steps), twin))


def _draw(frame: Frame, y: float, place: tuple[float, float], words: str, look: Mapping[str, Any]) -> None:
    start, width = place
    late = start > _LATE
    frame.text(start + width if late else start, y + 14, words, None, "end" if late else "start")
    frame.rect(min(start, 99.5), y + 20, max(0.5, width), _BAR, **look)


def _said(step: Mapping[str, Any]) -> str:
    return f"{_step(step['step'])} · {_time(step['seconds'])}"


def _time(seconds: float | None) -> str:
    return _("not measured") if seconds is None else figures.duration(seconds)


def slowest(migrations: Iterable[Mapping[str, Any]]) -> SafeString | str:
    """The slowest migrations: the database's time solid, Python's hollow."""
    rows = sorted(migrations, key=lambda row: -row["seconds"])[:SLOWEST]
    if not rows:
        return ""
    frame = Frame(_("The slowest migrations"))
    top = rows[0]["seconds"]
    for place, row in enumerate(rows):
        y, name = place * (_ROW + 16), f"{row['app']}.{row['name']}"
        short = name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
        frame.text(0, y + 14, f"\N{LEFT-TO-RIGHT ISOLATE}{short}\N{POP DIRECTIONAL ISOLATE}", "strong")
        sql = min(row["sql_seconds"] or 0, row["seconds"])
        frame.rect(0, y + 20, share(sql, top), _BAR, class_="mark-ours")
        frame.rect(share(sql, top), y + 20, share(row["seconds"] - sql, top), _BAR, class_="outline")
        frame.text(0, y + 44, _shares(row["seconds"], sql), "soft")
    desc = "; ".join(f"{row['app']}.{row['name']}: {figures.duration(row['seconds'])}" for row in rows)
    cells = [
        (f"{row['app']}.{row['name']}", *(_time(row.get(name)) for name in ("seconds", "sql_seconds", "state_seconds")))
        for row in rows
    ]
    twin = table_twin([_("Migration"), _("Time"), _("Database"), "Python"], cells, frame.title)
    return _offline(frame.figure(len(rows) * (_ROW + 16), desc, twin))


def _shares(seconds: float, sql: float) -> str:
    words = _("%(all)s: database %(sql)s, Python %(python)s")
    spent = {"all": seconds, "sql": sql, "python": seconds - sql}
    return words % {name: figures.duration(value) for name, value in spent.items()}


def _offline(picture: SafeString) -> SafeString:
    """A picture inside HTML needs no name space, which looks like an address; its table is there without a press."""
    text = str(picture).replace(' xmlns="http://www.w3.org/2000/svg"', "", 1)
    return mark_safe(text.replace('<details class="chart-twin">', '<details class="chart-twin" open>', 1))  # noqa: S308


def _statements(migrations: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = [
        {"migration": f"{row['app']}.{row['name']}", "sql": " ".join(one["sql"].split()), "seconds": one["seconds"]}
        for row in migrations
        for one in row.get("slowest", [])
    ]
    return sorted(found, key=lambda one: -one["seconds"])[:SLOWEST]


def _migration(row: Mapping[str, Any]) -> dict[str, Any]:
    outcomes = {"done": _("done"), "failed": _("failed"), "skipped": _("not run: it needs one that failed")}
    levels = {"done": "good", "failed": "bad", "skipped": "unknown"}
    costs = Counter(row.get("algorithms") or ())
    growth = row.get("bytes_delta")
    return {
        **row,
        "label": f"{row['app']}.{row['name']}",
        "word": outcomes.get(row["outcome"], row["outcome"]),
        "level": levels.get(row["outcome"], "unknown"),
        "costs": ", ".join(f"{name} × {count}" if count > 1 else name for name, count in costs.items()),
        "growth": None if growth is None else _signed(growth, figures.size),
    }


def _signed(value: int, show: Callable[[float], str]) -> str:
    return f"{'+' if value > 0 else '−' if value < 0 else '±'}{show(abs(value))}"


def _tables(tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    def change(row: Mapping[str, Any]) -> int:
        return (row["bytes_after"] or 0) - (row["bytes_before"] or 0)

    changed = [row for row in tables if change(row) or None in {row["rows_before"], row["rows_after"]}]
    changed.sort(key=lambda row: -abs(change(row)))
    rows = [{**row, "change": _signed(change(row), figures.size)} for row in changed]
    more = {"more": rows[MOST_TABLES:], "same": len(tables) - len(changed)}
    return {"rows": rows[:MOST_TABLES], "all": len(tables), **more}


def _models(checks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found: dict[str, Counter[str]] = {}
    for row in checks:
        found.setdefault(row["model"], Counter())[row["verdict"]] += 1
    return [{"model": model, **counts} for model, counts in sorted(found.items(), key=lambda one: -one[1]["fail"])]


def _untested(report: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """What was not tested, by why; what stands for itself has no list."""
    found: dict[str, list[str]] = {}
    grouped = set()
    for row in report["checks"]:
        if row["verdict"] == "unknown" and not row.get("pack"):
            grouped.add(f"{row['model']}: {row['detail']}")
            taken = row["id"] == "models.table"
            why = str(_("the table was handed over to another model, where its rows are checked"))
            found.setdefault(why if taken else row["detail"], []).append(row["model"])
    rest: list[tuple[str, list[str]]] = [(line, []) for line in report["untested"] if line not in grouped]
    return rest + [(why, list(dict.fromkeys(names))) for why, names in found.items()]
