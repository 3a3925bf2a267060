"""Charts: well-formed, named, mirrored, with a table twin, and safe against hostile words."""

from datetime import date
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from django.utils import translation

from sapwood.console import charts, figures
from sapwood.console.charts import Bar, HeatRow, Hop, Part, Series, Span, Stack, Tick

TODAY = date(2026, 11, 22)
HOSTILE = '<script>alert(1)</script>"&'
SVG = "{http://www.w3.org/2000/svg}"


def all_charts(word="teak", direction=""):
    columns = ["Jan", word]
    return {
        "bars": charts.bars(word, [Bar(word, 4, 3, 6, ours=True), Bar("b", 2)], dir=direction),
        "stacked": charts.stacked(word, [Stack(word, [Part(word, 3), Part("q", 1)])], dir=direction),
        "line": charts.line(word, columns, [Series(word, [1, 2]), Series("s", [None, 2])], dir=direction),
        "heat": charts.heat(word, columns, [HeatRow(word, [0, None])], dir=direction),
        "timeline": charts.timeline(
            word,
            [
                Span(
                    word,
                    date(2026, 1, 15),
                    date(2026, 7, 30),
                    [Tick(date(2026, 3, 1), word)],
                    date(2025, 10, 1),
                ),
                Span("next", date(2026, 12, 9), date(2027, 6, 1), planned=True),
            ],
            TODAY,
            dir=direction,
        ),
    }


NAMES = sorted(all_charts())


def parsed(html):
    return ET.fromstring(f"<div>{html}</div>")


@pytest.mark.parametrize("name", NAMES)
def test_a_chart_is_well_formed_and_says_what_it_shows(name):
    svg = parsed(all_charts()[name]).find(f".//{SVG}svg")
    assert svg.get("role") == "img"
    assert svg.find(f"{SVG}title").text == "teak"
    assert svg.find(f"{SVG}desc").text


@pytest.mark.parametrize("name", NAMES)
def test_a_chart_has_a_table_twin(name):
    details = parsed(all_charts()[name]).find(".//details")
    assert len(details.findall(".//tbody/tr")) >= 1
    assert details.find(".//tbody/tr/th").get("scope") == "row"


@pytest.mark.parametrize("name", NAMES)
def test_hostile_words_stay_words(name):
    html = all_charts(HOSTILE)[name]
    assert "<script" not in html
    assert parsed(html).find(f".//{SVG}title").text == HOSTILE


@pytest.mark.parametrize("name", NAMES)
def test_a_chart_carries_no_inline_style(name):
    assert " style=" not in all_charts()[name]


@pytest.mark.parametrize("name", NAMES)
def test_right_to_left_mirrors_the_picture(name):
    ltr, rtl = (parsed(all_charts(direction=way)[name]).find(f".//{SVG}svg") for way in ("ltr", "rtl"))
    assert rtl.get("direction") == "rtl"
    pairs = list(zip(ltr.iter(f"{SVG}text"), rtl.iter(f"{SVG}text"), strict=True))
    assert pairs
    for one, other in pairs:
        assert float(one.get("x")[:-1]) + float(other.get("x")[:-1]) == pytest.approx(100, abs=0.02)
    for one, other in zip(ltr.iter(f"{SVG}rect"), rtl.iter(f"{SVG}rect"), strict=True):
        start, mirrored, width = (float(value[:-1]) for value in (one.get("x"), other.get("x"), one.get("width")))
        assert start + mirrored + width == pytest.approx(100, abs=0.02)


def test_the_direction_follows_the_language_unless_it_is_given():
    with translation.override("ar"):
        assert 'direction="rtl"' in charts.bars("t", [Bar("a", 1)])
        assert 'direction="ltr"' in charts.bars("t", [Bar("a", 1)], dir="ltr")


def widths(html, css_class):
    return [rect.get("width") for rect in parsed(html).iter(f"{SVG}rect") if rect.get("class") == css_class]


def test_bars_start_at_zero_and_keep_their_proportion():
    html = charts.bars("t", [Bar("a", 50), Bar("b", 100)])
    assert widths(html, "mark-bar") == ["49.00%", "98.00%"]


def test_an_interval_is_drawn_as_a_whisker_and_told_in_the_table():
    html = charts.bars("t", [Bar("a", 260, 180, 420)], show=figures.duration)
    assert html.count('class="whisker"') == 3
    assert "3\u00a0min–7\u00a0min" in html


def test_the_readers_own_site_stands_out():
    assert len(widths(charts.bars("t", [Bar("a", 1, ours=True), Bar("b", 1)]), "mark-ours")) == 1


def test_amounts_of_nothing_do_not_divide_by_it():
    assert widths(charts.bars("t", [Bar("a", 0)]), "mark-bar") == ["0.00%"]
    assert "No figures yet." in charts.bars("t", [])
    assert "No figures yet." in charts.line("t", [], [])
    assert "No figures yet." in charts.heat("t", [], [])
    assert "No figures yet." in charts.timeline("t", [], TODAY)


def test_parts_of_a_stack_differ_without_colour():
    html = charts.stacked("t", [Stack("a", [Part(name, 1) for name in "wxyz"])])
    marks = {(rect.get("class"), rect.get("fill") is not None) for rect in parsed(html).iter(f"{SVG}rect")}
    assert len(marks) == 4


def test_a_gap_breaks_the_line_and_is_said_in_the_table():
    html = charts.line("t", list("abcde"), [Series("s", [1, 2, None, 2, 1])])
    assert html.count('class="mark-line"') == 2
    assert "not measured" in html


def test_names_at_the_ends_of_lines_do_not_touch():
    html = charts.line("t", ["a", "b"], [Series(name, [5, 5]) for name in "xyz"])
    ys = [float(text.get("y")) for text in parsed(html).iter(f"{SVG}text") if text.text[0] in "xyz"]
    assert all(after - before >= 15 for before, after in pairwise(ys))


def test_the_heat_strip_tells_nothing_measured_from_nothing():
    html = charts.heat("t", ["a", "b"], [HeatRow("r", [0, None])])
    assert len(widths(html, "heat")) == 1
    assert len(widths(html, "heat-none")) == 1


def test_a_line_past_its_support_is_hollow_and_says_since_when():
    html = charts.timeline("t", [Span("teak", date(2025, 6, 1), date(2026, 1, 15))], TODAY)
    assert len(widths(html, "outline")) == 1
    assert "teak · unsupported since 15 Jan 2026" in html


def test_the_day_support_ends_is_already_without_it():
    assert "unsupported since" in charts.timeline("t", [Span("teak", date(2025, 6, 1), TODAY)], TODAY)


def test_two_pictures_with_patterns_do_not_share_a_name():
    span = [Span("willow", date(2026, 12, 9), None, planned=True)]
    one, two = charts.timeline("one", span, TODAY), charts.timeline("two", span, TODAY)
    ids = [parsed(html).find(f".//{SVG}pattern").get("id") for html in (one, two)]
    assert ids[0] != ids[1]


def test_the_way_between_releases_names_each_stop_and_what_lies_between():
    html = charts.release_path("way", [Hop("teak", here=True), Hop("ulmo", steps=8, risks=1)])
    parsed(html)
    assert html.index("teak") < html.index("8 steps · 1 risk") < html.index("ulmo")
    assert 'class="is-here" aria-current="step"' in html


def test_a_sparkline_says_in_words_what_it_shows():
    html = charts.sparkline([1, None, 3], "1 to 3 publications a day")
    assert ET.fromstring(html).find("title").text == "1 to 3 publications a day"
    ET.fromstring(charts.sparkline([], "nothing yet"))
