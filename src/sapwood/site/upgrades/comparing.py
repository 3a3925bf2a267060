"""Forecasts held against truths, in the reader's language: rows and pictures for pages and reports."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sapwood.console import figures
from sapwood.console.charts.bars import Bar, bars
from sapwood.site.upgrades.forecasting import ENOUGH
from sapwood.site.upgrades.foretold import CERTIFICATE, DOWNTIME, ROLLBACK, Comparison
from sapwood.site.upgrades.sampled import SAMPLE

MOST_BARS = 12


def basis(report: Mapping[str, Any], what: str = DOWNTIME) -> str:
    """On what the interval of a report rests, in a sentence."""
    given = (report.get("interval_basis") or {}).get(what) or {}
    count, rests_on = int(given.get("comparisons", 0)), given.get("rests_on", "assumption")
    if rests_on in {"both", "comparisons"}:
        return ngettext(
            "The interval rests on %(count)s earlier upgrade here, foretold against actual.",
            "The interval rests on %(count)s earlier upgrades here, foretold against actual.",
            count,
        ) % {"count": figures.number(count)}
    if rests_on == "samples":
        words = _(
            "Forecast from samples of the rows: the interval is how well they agree, and how far all rows reach beyond"
            " them."
        )
    else:
        words = _("Measured once on this machine; by how much the next time may differ is an assumption.")
    later = _("From %(enough)s comparisons of foretold and actual on it rests on these too; there are %(count)s.")
    return f"{words} {later % {'enough': figures.number(ENOUGH), 'count': figures.number(count)}}"


def rows(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Every forecast that an upgrade has answered, newest first."""
    return [
        {
            "one": one,
            "what": _kind(one.what),
            "technique": _technique(one.technique),
            "level": "good" if one.inside else "caution",
            "word": _("inside") if one.inside else _("outside"),
            "ratio": figures.number(one.actual / one.likely, decimals=2) if one.likely else "",
        }
        for one in sorted(comparisons, key=lambda one: (one.run, one.what, one.at), reverse=True)
    ]


def pictures(comparisons: Sequence[Comparison]) -> list[SafeString]:
    """What upgrades took as bars, with what was foretold as whiskers: downtimes, then ways back."""
    titles = {
        DOWNTIME: _("Downtime: what it took, and between which it was foretold"),
        ROLLBACK: _("Way back: what it took, and between which it was foretold"),
    }
    found = []
    for what, title in titles.items():
        ours = sorted((one for one in comparisons if one.what == what), key=lambda one: (one.run, one.at))[-MOST_BARS:]
        if ours:
            found.append(bars(title, [_bar(one) for one in ours], show=figures.duration))
    return found


def _bar(one: Comparison) -> Bar:
    return Bar(f"{figures.instant(one.at)} · {_technique(one.technique)}", one.actual, one.low, one.high)


def _kind(what: str) -> str:
    return {DOWNTIME: _("Downtime"), ROLLBACK: _("Way back")}[what]


def _technique(name: str) -> str:
    return {SAMPLE: _("from samples"), CERTIFICATE: _("from its certificate")}.get(name, _("on a full copy"))
