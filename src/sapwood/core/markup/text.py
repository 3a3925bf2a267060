"""Plain text from strangers: nothing invisible, nothing that turns the page's direction, nothing too long."""

import re
import unicodedata
from itertools import pairwise

MAX_COMBINING_MARKS = 6
FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"

_ISOLATE_STARTS = "\u2066\u2067\u2068"
# Persian and the scripts of India need these inside words, emoji between their parts.
_JOINERS = "\u200c\u200d"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_ENDS = re.compile("\r\n?|[\x85\u2028\u2029\v\f]")
_SPACES = re.compile(r"\s+")
_ISOLATES = re.compile(f"[{_ISOLATE_STARTS}{POP_ISOLATE}]")
# Controls; soft hyphen; bidirectional embeddings and overrides; zero-width and invisible operators;
# annotation marks; tag characters; fillers that look like nothing. The plain marks of direction stay.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b"
    r"\u202a-\u202e\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_MARK = r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f]"
_PILED_MARKS = re.compile(rf"(.{_MARK}{{{MAX_COMBINING_MARKS}}}){_MARK}+")


def safe_characters(text: str) -> str:
    """The same text without characters that hide, reorder or break; line ends become plain ones.

    Isolates stay where each has its end, joiners where a script needs them.
    """
    text = _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text))
    text = _PILED_MARKS.sub(r"\1", _needed_joiners(text))
    return text if _isolates_balance(text) else _ISOLATES.sub("", text)


def clean_text(text: str, max_len: int) -> str:
    """One line of safe text of at most `max_len` characters; a longer one ends in an ellipsis.

    It is text, not markup: `<`, `&`, `{` and `%` stay what they are, and whoever shows it escapes it.
    """
    line = _SPACES.sub(" ", unicodedata.normalize("NFC", safe_characters(text))).strip()
    if len(line) <= max_len:
        return line
    return safe_characters(_cut(line, max_len - 1)).rstrip() + "…"


def is_mixed(text: str) -> bool:
    """Whether a text holds both left-to-right and right-to-left letters."""
    return len(_directions(text)) > 1


def isolate(name: str, around: str = "") -> str:
    """A name that keeps its own direction inside a sentence of another one.

    The isolating characters are added only where directions meet, so that plain text stays plain.
    """
    return f"{FIRST_STRONG_ISOLATE}{name}{POP_ISOLATE}" if is_mixed(name + around) else name


def _directions(text: str) -> set[str]:
    return {
        "rtl" if direction != "L" else "ltr"
        for direction in map(unicodedata.bidirectional, text)
        if direction in {"L", "R", "AL"}
    }


def _needed_joiners(text: str) -> str:
    if not any(joiner in text for joiner in _JOINERS):
        return text
    padded = f" {text} "
    kept = [
        character
        for (before, character), after in zip(pairwise(padded), padded[2:], strict=False)
        if character not in _JOINERS or (_joins(before) and _joins(after))
    ]
    return "".join(kept)


def _joins(character: str) -> bool:
    """Whether a joiner beside this character can have a meaning."""
    return not character.isascii() and character not in _JOINERS and unicodedata.category(character)[0] in "LMS"


def _isolates_balance(text: str) -> bool:
    """Whether every isolate is closed before its line ends, and nothing is closed that was not opened."""
    for line in text.split("\n"):
        open_isolates = 0
        for character in _ISOLATES.findall(line):
            open_isolates += 1 if character in _ISOLATE_STARTS else -1
            if open_isolates < 0:
                return False
        if open_isolates:
            return False
    return True


def _cut(line: str, length: int) -> str:
    """The first characters of a line, never ending between a letter and its marks."""
    while length > 0 and (unicodedata.combining(line[length]) or line[length - 1 : length] in tuple(_JOINERS)):
        length -= 1
    return line[: max(length, 0)]
