"""Amounts over time: lines, sparklines and heat strips."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from sapwood.console import figures
from sapwood.console.charts.svg import FULL, Box, Frame, element, share, table_twin

_PLOT = Box(x=0, y=18, width=70, height=120)
_DASHES = (None, "6 4", "2 4", "10 3 2 3")
_LABEL_GAP = 15
_STEPS = 4


@dataclass(frozen=True)
class Series:
    """A named row of values, one per column; None is a gap."""

    name: str
    values: Sequence[float | None]
    ours: bool = False


@dataclass(frozen=True)
class HeatRow:
    """A row of a heat strip, one value per column; None is a cell that nobody measured."""

    name: str
    values: Sequence[float | None]


def line(
    title: str,
    columns: Sequence[str],
    data: Sequence[Series],
    *,
    show: Callable[[float], str] = figures.number,
    dir: str = "",  # noqa: A002 - the attribute's name in HTML
) -> SafeString:
    """Lines from zero; each is named at its end and has its own dashes."""
    frame = Frame(title, dir)
    top = max((value for series in data for value in series.values if value is not None), default=0)
    _axes(frame, columns, show(top))
    for place, series in enumerate(data):
        for run in _runs(series.values, top):
            frame.curve(run, _PLOT, class_="mark-line", stroke_dasharray=_DASHES[place % len(_DASHES)])
    for name, y, weight in _labels(data, top, show):
        frame.text(_PLOT.width + 1.5, y, name, weight)
    rows = [[column, *(_shown(series.values[place], show) for series in data)] for place, column in enumerate(columns)]
    twin = table_twin([_("When"), *(series.name for series in data)], rows, title)
    return frame.figure(_PLOT.y + _PLOT.height + 22, _line_summary(data, show), twin)


def sparkline(values: Sequence[float | None], label: str, *, dir: str = "") -> SafeString:  # noqa: A002 - HTML's name
    """A line as high as a word; `label` says in words what it shows."""
    frame = Frame(label, dir)
    top = max((value for value in values if value is not None), default=0)
    for run in _runs(values, top):
        frame.curve(run, Box(2, 2, 92, 16), class_="mark-line")
    last = values[-1] if values else None
    if last is not None:
        frame.dot(94, 18 - 16 * share(last, top) / FULL, 2, "mark-last")
    title = element("title", label)
    return element("svg", title, *frame.marks, class_="sparkline", role="img", width=96, height=20)


def heat(
    title: str,
    columns: Sequence[str],
    data: Sequence[HeatRow],
    *,
    show: Callable[[float], str] = figures.number,
    dir: str = "",  # noqa: A002 - the attribute's name in HTML
) -> SafeString:
    """Rows of cells; a cell is the fuller and the darker the more it holds, hollow when nobody measured."""
    frame = Frame(title, dir)
    top = max((value for row in data for value in row.values if value is not None), default=0)
    for place, row in enumerate(data):
        _draw_heat(frame, row, place * 48, top, show)
    if columns:
        y = len(data) * 48 + 8
        frame.text(0, y, columns[0], "soft")
        frame.text(FULL, y, columns[-1], "soft", "end")
    rows = [[row.name, *(_shown(value, show) for value in row.values)] for row in data]
    desc = _("Most in one cell: %(top)s") % {"top": show(top)} if data else ""
    return frame.figure(len(data) * 48 + 14, desc, table_twin([_("Name"), *columns], rows, title))


def _axes(frame: Frame, columns: Sequence[str], top: str) -> None:
    bottom = _PLOT.y + _PLOT.height
    frame.line(0, _PLOT.y, _PLOT.width, _PLOT.y, "axis")
    frame.line(0, bottom, _PLOT.width, bottom, "axis")
    frame.text(0, _PLOT.y - 5, top, "soft")
    if columns:
        frame.text(0, bottom + 16, columns[0], "soft")
        frame.text(_PLOT.width, bottom + 16, columns[-1], "soft", "end")


def _runs(values: Sequence[float | None], top: float) -> list[list[tuple[float, float]]]:
    """The unbroken stretches as points; a lone value becomes a short dash, so that it is seen."""
    step = FULL / max(1, len(values) - 1)
    runs: list[list[tuple[float, float]]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((place * step, share(value, top)))
    return [run if len(run) > 1 else [run[0], (run[0][0] + 0.5, run[0][1])] for run in runs if run]


def _labels(data: Sequence[Series], top: float, show: Callable[[float], str]) -> list[tuple[str, float, str | None]]:
    """The names beside the ends of their lines, pushed apart where they would touch."""
    ends = []
    for series in data:
        last = next((value for value in reversed(series.values) if value is not None), None)
        if last is not None:
            y = _PLOT.y + _PLOT.height * (1 - share(last, top) / FULL) + 4
            ends.append((y, f"{series.name} {show(last)}", "strong" if series.ours else None))
    placed: list[tuple[str, float, str | None]] = []
    for y, name, weight in sorted(ends, key=lambda end: end[0]):
        lowest = placed[-1][1] + _LABEL_GAP if placed else y
        placed.append((name, max(y, lowest), weight))
    return placed


def _draw_heat(frame: Frame, row: HeatRow, y: float, top: float, show: Callable[[float], str]) -> None:
    frame.text(0, y + 14, row.name)
    width = FULL / max(1, len(row.values))
    for place, value in enumerate(row.values):
        x = place * width
        if value is None:
            frame.rect(x + 0.1 * width, y + 20, 0.8 * width, 20, class_="heat-none")
            continue
        step = round(_STEPS * share(value, top) / FULL)
        height = 2 if step == 0 else 20 * step / _STEPS
        cell: dict[str, Any] = {"class_": "heat", "fill_opacity": f"{0.4 + 0.6 * step / _STEPS:.2f}"}
        frame.rect(x + 0.1 * width, y + 40 - height, 0.8 * width, height, **cell)
    last = next((value for value in reversed(row.values) if value is not None), None)
    if last is not None:
        frame.text(FULL, y + 14, show(last), "soft", "end")


def _line_summary(data: Sequence[Series], show: Callable[[float], str]) -> str:
    parts = []
    for series in data:
        known = [value for value in series.values if value is not None]
        if known:
            words = _("%(name)s: from %(first)s to %(last)s") % {
                "name": series.name,
                "first": show(known[0]),
                "last": show(known[-1]),
            }
            parts.append(words)
    return "; ".join(parts)


def _shown(value: float | None, show: Callable[[float], str]) -> str:
    return format_html("{}", show(value)) if value is not None else _("not measured")
