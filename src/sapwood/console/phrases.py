"""Sentences of the formats and of errors in the reader's language; see `sapwood.formats.phrase`."""

import datetime as dt

from django.utils.html import format_html
from django.utils.translation import get_language, get_language_bidi
from django.utils.translation import gettext as _

from sapwood.console import figures
from sapwood.core.errors import SapwoodError
from sapwood.formats.phrase import Figure, Phrase, recalled

_ENDS = (".", "!", "?", "؟", "…", ":")


def say(text: object) -> str:
    """A phrase, and every phrase in it, in the reader's language; any other text as it is."""
    if not isinstance(text, Phrase):
        return str(text)
    if not text.values:
        return _(text.template) if text else ""
    try:
        return _(text.template) % {name: _value(value) for name, value in text.values.items()}
    except (KeyError, TypeError, ValueError):  # recorded by another version of Sapwood than this one
        return str(text)


def say_error(error: SapwoodError) -> str:
    """What went wrong and the one next step, as one line."""
    what, hint = say(error.message), say(error.hint)
    return f"{what}{'' if not hint or what.endswith(_ENDS) else '.'} {hint}".rstrip()


def say_noted(text: object) -> str:
    """A text from the database: said if it was kept as a phrase or the catalogue knows it, else marked as English."""
    found = recalled(text)
    if isinstance(found, Phrase) or not found or (get_language() or "en").split("-")[0] == "en":
        return say(found)
    if (known := _(str(found))) != found:
        return known
    return format_html('<span lang="en" dir="ltr">{}</span>', found)


def _value(value: object) -> str:
    if isinstance(value, Phrase):
        return say(value)
    if isinstance(value, Figure):
        return figures.number(int(value))
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return figures.day(value)
    return _isolated(str(value))


def _isolated(text: str) -> str:
    """Names and versions keep their own direction, whatever stands around them (Unicode's isolates)."""
    if not get_language_bidi() or not any(letter.isalnum() for letter in text):
        return text
    return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"
