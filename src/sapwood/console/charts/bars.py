"""Amounts beside each other: horizontal bars with whiskers, and bars made of parts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from sapwood.console import figures
from sapwood.console.charts.svg import Frame, hatch, share, table_twin

_ROW, _BAR, _WORDS = 48, 10, 14
_ROOM = 98.0  # the longest bar stops short of the edge, so that its end is seen


@dataclass(frozen=True)
class Bar:
    """One amount; `low` and `high` are the interval around it, `ours` is the reader's own site."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    ours: bool = False


@dataclass(frozen=True)
class Part:
    """A named share of a stack."""

    name: str
    value: float


@dataclass(frozen=True)
class Stack:
    """A bar made of parts, always in the same order."""

    label: str
    parts: Sequence[Part]


def bars(
    title: str,
    data: Sequence[Bar],
    *,
    show: Callable[[float], str] = figures.number,
    dir: str = "",  # noqa: A002 - the attribute's name in HTML
) -> SafeString:
    """Horizontal bars from zero, each with its words above and its interval as a whisker."""
    frame = Frame(title, dir)
    top = max((bar.high if bar.high is not None else bar.value for bar in data), default=0)
    for place, bar in enumerate(data):
        _draw_bar(frame, bar, place * _ROW, top, show)
    rows = [[bar.label, show(bar.value), _interval(bar, show)] for bar in data]
    twin = table_twin([_("Name"), _("Value"), _("Between")], rows, title)
    return frame.figure(max(1, len(data)) * _ROW, _summary(data, show), twin)


def stacked(
    title: str,
    data: Sequence[Stack],
    *,
    show: Callable[[float], str] = figures.number,
    dir: str = "",  # noqa: A002 - the attribute's name in HTML
) -> SafeString:
    """Bars made of parts: solid, hatched, hollow, dark; each part names itself below its bar."""
    frame = Frame(title, dir)
    key = frame.key
    frame.marks.append(hatch(key))
    top = max((sum(part.value for part in stack.parts) for stack in data), default=0)
    height = _ROW + _WORDS - 4
    for place, stack in enumerate(data):
        _draw_stack(frame, stack, place * height, top, (key, show))
    names = [part.name for part in data[0].parts] if data else []
    rows = [[stack.label, *(show(part.value) for part in stack.parts)] for stack in data]
    desc = "; ".join(f"{stack.label}: {_parts(stack, show)}" for stack in data)
    return frame.figure(max(1, len(data)) * height, desc, table_twin([_("Name"), *names], rows, title))


def _draw_bar(frame: Frame, bar: Bar, y: float, top: float, show: Callable[[float], str]) -> None:
    weight = "strong" if bar.ours else None
    frame.text(0, y + _WORDS, bar.label, weight)
    frame.text(_ROOM, y + _WORDS, show(bar.value), weight, "end")
    css_class = "mark-ours" if bar.ours else "mark-bar"
    frame.rect(0, y + 20, _ROOM * share(bar.value, top) / 100, _BAR, class_=css_class)
    if bar.low is not None and bar.high is not None:
        middle = y + 20 + _BAR + 6
        low, high = (_ROOM * share(value, top) / 100 for value in (bar.low, bar.high))
        frame.line(low, middle, high, middle, "whisker")
        for end in (low, high):
            frame.line(end, middle - 3, end, middle + 3, "whisker")


def _draw_stack(frame: Frame, stack: Stack, y: float, top: float, how: tuple[str, Callable[[float], str]]) -> None:
    key, show = how
    total = sum(part.value for part in stack.parts)
    frame.text(0, y + _WORDS, stack.label, "strong")
    frame.text(_ROOM, y + _WORDS, show(total), None, "end")
    x = 0.0
    for place, part in enumerate(stack.parts):
        width = _ROOM * share(part.value, top) / 100
        frame.rect(x, y + 20, width, _BAR, **_fill(place, key))
        x += width
    frame.text(0, y + 20 + _BAR + _WORDS, _parts(stack, show), "soft")


def _fill(place: int, key: str) -> dict[str, Any]:
    fills = (
        {"class_": "mark-ours"},
        {"class_": "patterned", "fill": f"url(#{key})"},
        {"class_": "outline"},
        {"class_": "ink"},
    )
    return fills[place % len(fills)]


def _parts(stack: Stack, show: Callable[[float], str]) -> str:
    return " · ".join(f"{part.name} {show(part.value)}" for part in stack.parts)


def _interval(bar: Bar, show: Callable[[float], str]) -> str:
    return f"{show(bar.low)}–{show(bar.high)}" if bar.low is not None and bar.high is not None else ""


def _summary(data: Sequence[Bar], show: Callable[[float], str]) -> str:
    return "; ".join(f"{bar.label}: {show(bar.value)}" for bar in data)
