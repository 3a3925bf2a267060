"""Stretches of time and the way between releases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sapwood.console import figures, icons
from sapwood.console.charts.svg import FULL, Frame, element, hatch, px, table_twin

_ROW, _BAR, _TOP = 40, 10, 22
_MOST_YEARS = 5
_LATE = 55.0  # a bar that starts after this share is named from its end, so that the words stay inside


@dataclass(frozen=True)
class Tick:
    """A point on a span: a release."""

    at: date
    label: str


@dataclass(frozen=True)
class Span:
    """A release line: cut, first release to the end of support; `end` None means still open."""

    label: str
    start: date
    end: date | None
    ticks: Sequence[Tick] = ()
    cut: date | None = None
    planned: bool = False
    ours: bool = False
    note: str = ""


@dataclass(frozen=True)
class Hop:
    """A release on the way; `steps` and `risks` lie between it and the one before."""

    label: str
    steps: int = 0
    risks: int = 0
    here: bool = False
    note: str = ""


@dataclass(frozen=True)
class _Scale:
    first: date
    last: date

    def at(self, when: date) -> float:
        days = max(1, (self.last - self.first).days)
        return max(0.0, min(FULL, FULL * (when - self.first).days / days))


def timeline(
    title: str,
    spans: Sequence[Span],
    today: date,
    *,
    dir: str = "",  # noqa: A002 - the attribute's name in HTML
) -> SafeString:
    """A bar per line from first release to end of support, ticks for releases, today as a line."""
    frame = Frame(title, dir)
    scale = _scale(spans, today)
    key = frame.key
    frame.marks.append(hatch(key))
    bottom = _TOP + len(spans) * _ROW
    for year in _years(scale):
        frame.line(scale.at(date(year, 1, 1)), _TOP - 4, scale.at(date(year, 1, 1)), bottom, "axis")
        frame.text(scale.at(date(year, 1, 1)), bottom + 16, str(year), "soft")
    for place, span in enumerate(spans):
        _draw_span(frame, span, _TOP + place * _ROW, scale, (key, today))
    now = scale.at(today)
    frame.line(now, _TOP - 8, now, bottom, "today")
    words = _("today, %(day)s") % {"day": figures.day(today)}
    frame.text(now, 11, words, "strong", "end" if now > _LATE else "start")
    twin = table_twin(
        [_("Line"), _("Cut"), _("First release"), _("Supported until"), _("Releases")],
        [_twin_row(span) for span in spans],
        title,
    )
    return frame.figure(bottom + 22, "; ".join(_words(span, today) for span in spans), twin)


def release_path(title: str, hops: Sequence[Hop]) -> SafeString:
    """The way from one release to the next: `teak > ulmo > verawood`, with what lies between."""
    items = format_html_join("", "<li{}>{}</li>", ((_here(hop), _hop(hop, first=not n)) for n, hop in enumerate(hops)))
    return format_html('<ol class="path" aria-label="{}">{}</ol>', title, items)


def _here(hop: Hop) -> SafeString:
    return format_html(' class="is-here" aria-current="{}"', "step") if hop.here else SafeString("")


def _hop(hop: Hop, *, first: bool) -> SafeString:
    between = []
    if hop.steps:
        between.append(ngettext("%(n)s step", "%(n)s steps", hop.steps) % {"n": figures.number(hop.steps)})
    if hop.risks:
        between.append(ngettext("%(n)s risk", "%(n)s risks", hop.risks) % {"n": figures.number(hop.risks)})
    way = (
        ""
        if first
        else format_html('<span class="path-way"><span>{}</span>{}</span>', " · ".join(between), icons.icon("next"))
    )
    note = format_html('<span class="muted">{}</span>', hop.note) if hop.note else ""
    return format_html('{}<span class="path-stop"><strong dir="ltr">{}</strong>{}</span>', way, hop.label, note)


def _scale(spans: Sequence[Span], today: date) -> _Scale:
    instants = [today]
    for span in spans:
        instants.extend([span.cut or span.start, span.end or today])
        instants.extend(tick.at for tick in span.ticks)
    first, last = min(instants), max(instants)
    room = (last - first) / 40
    return _Scale(first, last + room)


def _years(scale: _Scale) -> list[int]:
    years = [year for year in range(scale.first.year, scale.last.year + 1) if date(year, 1, 1) >= scale.first]
    step = -(-len(years) // _MOST_YEARS) or 1
    return years[::step]


def _draw_span(frame: Frame, span: Span, y: float, scale: _Scale, how: tuple[str, date]) -> None:
    key, today = how
    start, end = scale.at(span.start), scale.at(span.end or scale.last)
    if span.cut is not None and span.cut < span.start:
        frame.line(scale.at(span.cut), y + 23, start, y + 23, "whisker")
        frame.dot(scale.at(span.cut), y + 23, 3, "outline", _("cut %(day)s") % {"day": figures.day(span.cut)})
    over = span.end is not None and span.end <= today
    css_class = "outline" if over else "mark-ours" if span.ours else "mark-bar"
    fill = f"url(#{key})" if span.planned else None
    width = max(0.5, end - start)
    frame.rect(start, y + 18, width, _BAR, class_="patterned" if span.planned else css_class, fill=fill)
    for tick in span.ticks:
        _draw_tick(frame, scale.at(tick.at), y, f"{tick.label}, {figures.day(tick.at)}")
    words = f"{span.label} · {_state(span, today)}"
    late = start > _LATE
    weight = "strong" if span.ours else None
    frame.text(end if late else start, y + 12, words, weight, "end" if late else "start")


def _draw_tick(frame: Frame, x: float, y: float, label: str) -> None:
    mark = element(
        "line",
        element("title", label),
        x1=frame.at(x),
        y1=px(y + 15),
        x2=frame.at(x),
        y2=px(y + 31),
        class_="tick",
    )
    frame.marks.append(mark)


def _state(span: Span, today: date) -> str:
    if span.note:
        return span.note
    if span.planned:
        return _("planned for %(day)s") % {"day": figures.day(span.start)}
    if span.end is None:
        return _("supported since %(day)s") % {"day": figures.day(span.start)}
    words = _("unsupported since %(day)s") if span.end <= today else _("supported until %(day)s")
    return words % {"day": figures.day(span.end)}


def _words(span: Span, today: date) -> str:
    return f"{span.label}: {_state(span, today)}"


def _twin_row(span: Span) -> list[str]:
    return [
        span.label,
        figures.day(span.cut) if span.cut else "",
        figures.day(span.start),
        figures.day(span.end) if span.end else _("open"),
        ", ".join(f"{tick.label} ({figures.day(tick.at)})" for tick in span.ticks),
    ]
