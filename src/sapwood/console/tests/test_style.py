"""The style sheets: contrast of each pair in use, both themes; no left or right; nothing from elsewhere."""

import re
from itertools import product
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parent.parent / "static" / "console"
SHEETS = sorted(STATIC.glob("*.css"))
TOKENS = (STATIC / "tokens.css").read_text(encoding="utf-8")
LEVELS = ("good", "caution", "bad", "info", "unknown")
GROUNDS = ("paper", "surface")
THEMES = ("light", "dark")
AA_TEXT, AA_PARTS = 4.5, 3.0


def theme_of(place):
    """Token names and their own colours (institutions' names left out) of one theme."""
    found = {}
    for name, value in re.findall(r"--([\w-]+): light-dark\((.*)\);", TOKENS):
        colours = re.findall(r"#[0-9a-f]{6}", value)
        if len(colours) == 2:
            found[name] = colours[place]
    return found


PALETTES = {theme: theme_of(place) for place, theme in enumerate(THEMES)}


def luminance(colour):
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


TEXT_PAIRS = [
    *product(("ink", "muted", "accent", *LEVELS), GROUNDS),
    *((level, f"{level}-tint") for level in LEVELS),
    *(("ink", f"{level}-tint") for level in LEVELS),
    *(("accent", f"{level}-tint") for level in LEVELS),
    ("muted", "unknown-tint"),
    ("on-accent", "accent"),
]
PART_PAIRS = [
    *product(("edge", "focus", "accent"), GROUNDS),
    ("focus", "good-tint"),
    ("edge", "unknown-tint"),
]


def test_the_measure_itself_is_right():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("front", "ground"), TEXT_PAIRS)
def test_words_can_be_read(theme, front, ground):
    palette = PALETTES[theme]
    assert contrast(palette[front], palette[ground]) >= AA_TEXT


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("front", "ground"), PART_PAIRS)
def test_parts_can_be_told_from_their_ground(theme, front, ground):
    palette = PALETTES[theme]
    assert contrast(palette[front], palette[ground]) >= AA_PARTS


def test_the_colours_are_those_of_the_design():
    light, dark = PALETTES["light"], PALETTES["dark"]
    assert (light["paper"], dark["paper"]) == ("#faf9f7", "#161412")
    assert (light["accent"], dark["accent"]) == ("#1f6f54", "#5fc39d")
    assert [light[level] for level in LEVELS[:4]] == ["#1f6f54", "#8a5a00", "#b3261e", "#1d5b99"]


PHYSICAL = re.compile(
    r"(?<![\w-])((margin|padding|border)-(left|right|top|bottom)|(left|right|top|bottom)\s*:"
    r"|(min-|max-)?(width|height)\s*:|(text-align|float|clear)\s*:\s*(left|right))"
)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_no_rule_knows_left_from_right(sheet):
    text = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"@media[^{]*", "", text)
    assert PHYSICAL.findall(text) == []


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_nothing_is_loaded_from_elsewhere(sheet):
    text = sheet.read_text(encoding="utf-8")
    assert "url(" not in text
    assert "@import" not in text


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_every_rule_stands_in_a_layer(sheet):
    text = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = text.replace("@layer tokens, base, components, screens;", "").strip()
    assert re.match(r"@layer (tokens|base|components|screens) \{", text)
    assert text.count("{") == text.count("}")
    depth = 0
    for place, sign in enumerate(text):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth == 0 and sign == "}":
            assert place == len(text) - 1


def test_every_token_in_use_is_declared():
    declared = set(re.findall(r"(--[\w-]+)\s*:", "".join(sheet.read_text(encoding="utf-8") for sheet in SHEETS)))
    used = set()
    for sheet in SHEETS:
        used |= set(re.findall(r"var\((--[\w-]+)", sheet.read_text(encoding="utf-8")))
    assert {name for name in used if not name.startswith("--pgn-")} <= declared | {"--ground"}
