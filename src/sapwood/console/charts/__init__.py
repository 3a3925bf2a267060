"""Pictures drawn on the server: SVG with a title, a description and a table twin; pure functions, no script.

Widths are shares of the page and heights are pixels, so a picture fits 320 px and a wide screen alike, with
text of one size. Marks differ by pattern, length or label as well as by colour. `dir` mirrors the picture.
"""

from sapwood.console.charts.bars import Bar, Part, Stack, bars, stacked
from sapwood.console.charts.series import HeatRow, Series, heat, line, sparkline
from sapwood.console.charts.spans import Hop, Span, Tick, release_path, timeline
from sapwood.console.charts.svg import table_twin

__all__ = [
    "Bar",
    "HeatRow",
    "Hop",
    "Part",
    "Series",
    "Span",
    "Stack",
    "Tick",
    "bars",
    "heat",
    "line",
    "release_path",
    "sparkline",
    "stacked",
    "table_twin",
    "timeline",
]
