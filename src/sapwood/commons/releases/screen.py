"""The catalogue, and what migrations cost, as pictures and rows for their pages."""

import datetime as dt
from collections.abc import Iterable
from typing import Any, TypeVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sapwood.commons.releases.models import MigrationReportRevision
from sapwood.console import charts, figures
from sapwood.core.markup.text import clean_text
from sapwood.formats.catalogue import Advisory, Catalogue, Edge, Line, Risk, Step, newest_release, support
from sapwood.formats.migration_report import CONTRACT, UNSAFE, MigrationReport
from sapwood.formats.migration_report import Step as MigrationStep

RECENT = 10
SLOWEST = 8
MOST_STEPS = 300
MAX_WORDS = 500
MOST_LETTERS = 30
N = TypeVar("N", int, float)
RATINGS = {
    "critical": gettext_lazy("critical"),
    "high": gettext_lazy("high"),
    "medium": gettext_lazy("medium"),
    "low": gettext_lazy("low"),
    "none": gettext_lazy("none"),
}
RATING_LEVELS = {"critical": "bad", "high": "bad", "medium": "caution", "low": "info", "none": "info"}
WEIGHTS = {"error": gettext_lazy("error"), "warning": gettext_lazy("warning"), "note": gettext_lazy("note")}
WEIGHT_LEVELS = {"error": "bad", "warning": "caution", "note": "info"}
WHENS = {
    "before": gettext_lazy("before, still on the old release"),
    "during": gettext_lazy("during the upgrade"),
    "after": gettext_lazy("after the upgrade"),
}
HARMS = {
    "blocks": gettext_lazy("stops the upgrade"),
    "data-loss": gettext_lazy("loses or exposes data"),
    "downtime": gettext_lazy("costs time"),
    "behaviour": gettext_lazy("changes behaviour"),
}
HARM_LEVELS = {"blocks": "bad", "data-loss": "bad", "downtime": "caution", "behaviour": "info"}
AUTOMATION = {
    "manual": gettext_lazy("by hand"),
    "distribution": gettext_lazy("done by the installer"),
    "distribution-local": gettext_lazy("done by the installer, except on Kubernetes"),
}
CHANGES = {"added": gettext_lazy("added"), "changed": gettext_lazy("changed"), "removed": gettext_lazy("removed")}
CHANGE_LEVELS = {"added": "good", "changed": "caution", "removed": "bad"}


def timeline(catalogue: Catalogue, today: dt.date, *, everything: bool = False) -> Any:
    """A bar per line, newest last; only the recent ones unless everything is wanted."""
    lines = catalogue.lines if everything else catalogue.lines[-RECENT:]
    spans = [span for line in lines if (span := _span(catalogue, line, today))]
    return charts.timeline(_("Release lines and their support"), spans, today) if spans else ""


def _span(catalogue: Catalogue, line: Line, today: dt.date) -> charts.Span | None:
    if not line.releases:
        start = _planned_day(line.planned)
        return charts.Span(line.name, start, None, planned=True, note=_planned(line)) if start else None
    first = line.releases[0].out_by
    if first is None:
        return None
    dated = [(release.out_by, release.version) for release in line.releases]
    ticks = [charts.Tick(day, version) for day, version in dated if day]
    ours = support(catalogue, line, today).supported is True
    return charts.Span(line.name, first, line.supported_until, ticks, line.cut, ours=ours)


def _planned_day(planned: str | None) -> dt.date | None:
    if not planned:
        return None
    return dt.date.fromisoformat(planned if planned.count("-") > 1 else f"{planned}-01")


def _planned(line: Line) -> str:
    if not line.planned:
        return _("planned")
    if figures.is_month(line.planned):
        return _("planned for %(month)s") % {"month": figures.planned(line.planned)}
    return _("planned for %(day)s") % {"day": figures.planned(line.planned)}


def line_row(catalogue: Catalogue, line: Line, today: dt.date) -> dict[str, Any]:
    """A line for the table."""
    newest = newest_release(catalogue, today, line)
    level, words = _support_words(catalogue, line, today)
    return {
        "name": line.name,
        "newest": newest[1].version if newest else "",
        "newest_day": newest[1].date if newest else None,
        "cut": line.cut,
        "count": len(line.releases),
        "level": level,
        "support": words,
    }


def _support_words(catalogue: Catalogue, line: Line, today: dt.date) -> tuple[str, str]:
    if not line.releases:
        return "info", _planned(line)
    standing = support(catalogue, line, today)
    if standing.supported is None:
        return "unknown", _("unknown: the catalogue is too old")
    if standing.supported:
        if standing.until:
            return "good", _("supported until %(day)s") % {"day": figures.day(standing.until)}
        return "good", _("supported")
    if standing.until:
        return "bad", _("unsupported since %(day)s") % {"day": figures.day(standing.until)}
    return "bad", _("unsupported")


def advisory_row(advisory: Advisory) -> dict[str, Any]:
    """An advisory for the table."""
    fixed = advisory.fixed_in
    return {
        "id": advisory.id,
        "cve": advisory.cve,
        "title": advisory.title,
        "level": RATING_LEVELS.get(advisory.rating or "", "unknown"),
        "rating": RATINGS.get(advisory.rating or "", _("not rated")),
        "disclosed": advisory.disclosed,
        "lines": advisory.lines,
        "fixed_in": [*fixed.tags, *[f"{name} {version}" for name, version in fixed.distributions.items()]],
        "branch": fixed.branch,
        "note": advisory.note,
    }


def edge_rows(catalogue: Catalogue, edge: Edge) -> dict[str, Any]:
    """An edge with its own steps and risks and those of every edge, for its page."""
    steps = [*catalogue.edge_defaults.steps, *edge.steps]
    return {
        "steps": [(word, [_step(step) for step in steps if step.when == when]) for when, word in WHENS.items()],
        "risks": [_risk(risk) for risk in (*catalogue.edge_defaults.risks, *edge.risks)],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "id": step.id,
        "title": step.title,
        "detail": step.detail,
        "words": step.applies.words,
        "by_hand": step.applies.rule is None,
        "automation": AUTOMATION.get(step.automation, step.automation),
        "source": step.source,
    }


def _risk(risk: Risk) -> dict[str, Any]:
    return {
        "id": risk.id,
        "title": risk.title,
        "detail": risk.detail,
        "words": risk.applies.words,
        "by_hand": risk.applies.rule is None,
        "level": HARM_LEVELS.get(risk.severity, "unknown"),
        "harm": HARMS.get(risk.severity, risk.severity),
        "source": risk.source,
    }


def finding_rows(findings: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Findings for a table."""
    return [
        {
            **item,
            "word": WEIGHTS.get(item.get("severity", ""), item.get("severity")),
            "level": WEIGHT_LEVELS.get(item.get("severity", ""), "unknown"),
        }
        for item in findings
    ]


def change_rows(changed: list[Any]) -> list[dict[str, Any]]:
    """Changes for a table."""
    return [
        {"word": CHANGES[item.kind], "level": CHANGE_LEVELS[item.kind], "where": item.where, "fields": item.fields}
        for item in changed
    ]


def report_facts(row: MigrationReportRevision, report: MigrationReport) -> dict[str, Any]:
    """A report of migrations in short: how large, what it takes away, what takes longest, on what it was measured."""
    longest, growth, counts = report.longest, report.growth_bytes, report.counts
    return {
        "uuid": row.uuid,
        "revision": row.revision,
        "previous": row.previous,
        "release": row.release,
        "migrations": len(report.migrations),
        "operations": report.operations,
        "contracting": counts.get(CONTRACT, 0),
        "unsafe": counts.get(UNSAFE, 0),
        "engines": sorted({clean_text(words, MAX_WORDS) for words in report.engines.values()}),
        "measured": report.measured,
        "seconds": _seconds(report.seconds),
        "growth": _growth(growth),
        "longest": clean_text(longest.label, MAX_WORDS) if longest else "",
        "per_million": _seconds(longest.seconds_per_million) if longest else "",
        "rows": longest.rows if longest else None,
        "failed": sum(step.failed for step in report.migrations),
        "note": clean_text(report.note, 4 * MAX_WORDS),
        "made_at": report.made_at,
        "sapwood": clean_text(report.sapwood, MAX_WORDS),
    }


def slowest_picture(report: MigrationReport) -> Any:
    """The migrations that take longest for a million rows, as bars with their table; nothing without a measure."""
    known = [(step, step.seconds_per_million) for step in report.migrations]
    slow = sorted(((value, step) for step, value in known if value is not None), key=lambda pair: -pair[0])[:SLOWEST]
    bars = [charts.Bar(_short(step), value) for value, step in slow]
    return charts.bars(_("Longest steps, for a million rows"), bars, show=figures.duration) if bars else ""


def _short(step: MigrationStep) -> str:
    """Its app and its number, as people call it: beside a bar there is little room."""
    number = step.name.split("_", 1)[0]
    return clean_text(f"{step.app}.{number if number.isdigit() else step.name}", MOST_LETTERS)


def app_rows(report: MigrationReport) -> list[dict[str, Any]]:
    """Each app for the table."""
    return [
        {
            "app": clean_text(app, MAX_WORDS),
            "migrations": len(steps),
            "contracting": sum(CONTRACT in step.classes for step in steps),
            "unsafe": sum(UNSAFE in step.classes for step in steps),
            "seconds": _seconds(_sum(step.seconds for step in steps)),
            "growth": _growth(_sum(step.bytes_delta for step in steps)),
        }
        for app, steps in report.by_app.items()
    ]


def step_row(step: MigrationStep) -> dict[str, Any]:
    """One migration for the table."""
    return {
        "label": clean_text(step.label, MAX_WORDS),
        "classes": step.classes,
        "why": clean_text(step.why[0], MAX_WORDS) if step.why else "",
        "algorithms": sorted({clean_text(one.algorithm, MAX_WORDS) for one in step.statements if one.algorithm}),
        "blocks_writes": step.blocks_writes,
        "rows": step.rows,
        "seconds": _seconds(step.seconds),
        "per_million": _seconds(step.seconds_per_million),
        "reversible": {True: _("yes"), False: _("no"), None: _("not known")}[step.reversible],
        "failed": step.failed,
    }


def _sum(values: Iterable[N | None]) -> N | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def _seconds(value: float | None) -> str:
    return "" if value is None else figures.duration(value)


def _growth(value: int | None) -> str:
    return "" if value is None else figures.size(value)
