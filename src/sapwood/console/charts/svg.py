"""The small ground that every chart stands on: a frame that mirrors, elements that escape, a table twin."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language_bidi
from django.utils.translation import gettext as _

FULL = 100.0


def element(name: str, *children: Any, **attributes: Any) -> SafeString:
    """One SVG element; `class_` and `stroke_width` become `class` and `stroke-width`, None is left out."""
    pairs = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None)
    shown = format_html_join("", ' {}="{}"', pairs)
    inside = mark_safe("".join(conditional_escape(child) for child in children))  # noqa: S308 - escaped here
    return format_html("<{}{}>{}</{}>", name, shown, inside, name)


@dataclass
class Frame:
    """A drawing: x runs from 0 to 100 along the reading direction, y is in pixels from the top."""

    title: str
    dir: str = ""
    marks: list[SafeString] = field(default_factory=list)
    words: list[SafeString] = field(default_factory=list)  # drawn last, so that no mark crosses them

    def __post_init__(self) -> None:
        self.dir = self.dir or ("rtl" if get_language_bidi() else "ltr")

    @property
    def key(self) -> str:
        """A name for what is defined inside, so that two pictures on a page do not share it."""
        return "c" + sha256(f"{self.title}{len(self.marks)}".encode()).hexdigest()[:8]

    def at(self, x: float) -> str:
        """A place along the reading direction."""
        return f"{FULL - x if self.dir == 'rtl' else x:.2f}%"

    def rect(self, x: float, y: float, width: float, height: float, **attributes: Any) -> None:
        """A box; `width` is a share of the frame."""
        start = x + width if self.dir == "rtl" else x
        self.marks.append(
            element("rect", x=self.at(start), y=px(y), width=f"{width:.2f}%", height=px(height), **attributes)
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, class_: str) -> None:
        """A straight line."""
        self.marks.append(element("line", x1=self.at(x1), y1=px(y1), x2=self.at(x2), y2=px(y2), class_=class_))

    def dot(self, x: float, y: float, radius: float, class_: str, label: str = "") -> None:
        """A small circle, with words for whoever points at it."""
        title = element("title", label) if label else ""
        self.marks.append(element("circle", title, cx=self.at(x), cy=px(y), r=px(radius), class_=class_))

    def text(self, x: float, y: float, words: Any, class_: str | None = None, anchor: str = "start") -> None:
        """Words; `anchor` start, middle or end follows the reading direction."""
        self.words.append(element("text", words, x=self.at(x), y=px(y), class_=class_, text_anchor=anchor))

    def curve(self, points: Sequence[tuple[float, float]], box: "Box", **attributes: Any) -> None:
        """A line through points, each 0 to 100 within `box`; its stroke keeps its width when stretched."""
        path = "M" + "L".join(f"{self._along(x):.2f} {FULL - y:.2f}" for x, y in points)
        drawn = element("path", d=path, vector_effect="non-scaling-stroke", **attributes)
        start = box.x + box.width if self.dir == "rtl" else box.x
        inner = {"viewBox": "0 0 100 100", "preserveAspectRatio": "none", "overflow": "visible"}
        self.marks.append(
            element(
                "svg",
                drawn,
                x=self.at(start),
                y=px(box.y),
                width=f"{box.width:.2f}%",
                height=px(box.height),
                **inner,
            )
        )

    def figure(self, height: float, desc: str, twin: SafeString) -> SafeString:
        """The whole: caption, picture, and its table one press away; without figures it says so."""
        if not desc:
            empty = '<figure class="chart"><figcaption>{}</figcaption><p class="muted">{}</p></figure>'
            return format_html(empty, self.title, _("No figures yet."))
        svg = element(
            "svg",
            element("title", self.title),
            element("desc", desc),
            *self.marks,
            *self.words,
            xmlns="http://www.w3.org/2000/svg",
            role="img",
            width="100%",
            height=px(height),
            direction=self.dir,
        )
        template = '<figure class="chart"><figcaption>{}</figcaption>{}{}</figure>'
        return format_html(template, self.title, svg, twin)

    def _along(self, x: float) -> float:
        return FULL - x if self.dir == "rtl" else x


@dataclass(frozen=True)
class Box:
    """Where in the frame a curve is drawn."""

    x: float
    y: float
    width: float
    height: float


def px(value: float) -> str:
    """A length in pixels, without a trailing zero."""
    return f"{value:.1f}".removesuffix(".0")


def share(value: float, top: float) -> float:
    """A value as a share of `top`, kept between 0 and 100."""
    return 0.0 if top <= 0 else max(0.0, min(FULL, FULL * value / top))


def hatch(key: str) -> SafeString:
    """A pattern of slanted lines, told apart from a solid mark without colour."""
    lines = element("path", d="M-1 1 1-1M0 6 6 0M5 7 7 5", class_="pattern-line")
    return element("defs", element("pattern", lines, id=key, width=6, height=6, patternUnits="userSpaceOnUse"))


def table_twin(columns: Sequence[Any], rows: Iterable[Sequence[Any]], caption: Any = "") -> SafeString:
    """The same figures as a table, one press away; the first cell of a row names it."""
    head = format_html_join("", '<th scope="col">{}</th>', ((column,) for column in columns))
    body = format_html_join("", "<tr>{}</tr>", ((_row(row),) for row in rows))
    titled = format_html('<caption class="sr">{}</caption>', caption) if caption else ""
    return format_html(
        '<details class="chart-twin"><summary>{}</summary><div class="scroll" tabindex="0" role="group"'
        ' aria-label="{}"><table class="table">{}<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
        "</details>",
        _("As a table"),
        caption or _("As a table"),
        titled,
        head,
        body,
    )


def _row(cells: Sequence[Any]) -> SafeString:
    first = format_html('<th scope="row">{}</th>', cells[0])
    rest = format_html_join("", '<td class="is-number">{}</td>', ((cell,) for cell in cells[1:]))
    return format_html("{}{}", first, rest)
