"""Markdown of announcements, as people see it."""

import re
from collections.abc import Mapping
from functools import cache

from django.utils.safestring import SafeString
from markdown_it import MarkdownIt

from sapwood.core.markup.html import sanitised, write
from sapwood.core.markup.text import clean_text, isolate

MAX_VALUE_CHARS = 200
_PLACEHOLDER = re.compile(r"\{\{ ?([a-z][a-z0-9_]*) ?\}\}", re.ASCII)


def render_markdown(text: str, *, values: Mapping[str, str] | None = None, base: str = "") -> SafeString:
    """CommonMark without HTML, tables or pictures, as safe HTML with the real host beside each link.

    `{{name}}` becomes `values["name"]`: put in after sanitising, as text, and isolated where directions meet.
    Any other brace or per cent sign is just that. A picture is shown by its description.
    """
    given = values or {}

    def put_in(part: str) -> str:
        return _PLACEHOLDER.sub(lambda found: _value(found, given, part), part)

    return write(sanitised(_parser().render(text.replace("\x00", "")), base), put_in)


def placeholders(text: str) -> set[str]:
    """The names between double braces in a text."""
    return set(_PLACEHOLDER.findall(text))


def _value(found: re.Match[str], values: Mapping[str, str], around: str) -> str:
    if found[1] not in values:
        return found[0]
    return isolate(clean_text(values[found[1]], MAX_VALUE_CHARS), _PLACEHOLDER.sub("", around))


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
