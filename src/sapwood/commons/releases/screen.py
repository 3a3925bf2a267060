"""The catalogue as pictures and rows for its pages."""

import datetime as dt
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sapwood.console import charts, figures
from sapwood.formats.catalogue import Advisory, Catalogue, Edge, Line, Risk, Step, newest_release, support

RECENT = 10
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
