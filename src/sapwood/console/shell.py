"""What stands around every page: institution, rail, account menu, theme, languages, version."""

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language, get_language_bidi

import sapwood
from sapwood.console import registry
from sapwood.core import settings as typed

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "sapwood_theme"
_MOST_RINGS = 9


@dataclass(frozen=True)
class Language:
    """A language to choose, by its own name."""

    code: str
    name: str
    dir: str
    current: bool


@dataclass(frozen=True)
class Shell:
    """The values that base.html needs."""

    institution: registry.Institution
    theme: str = "auto"
    lang: str = "en"
    dir: str = "ltr"
    version: str = sapwood.__version__
    role: str = ""
    path: str = "/"
    menu: list[registry.MenuItem] = field(default_factory=list)
    account: list[tuple[registry.AccountLink, str]] = field(default_factory=list)
    languages: list[Language] = field(default_factory=list)


def theme_of(request: HttpRequest) -> str:
    """The theme that this browser chose; anything unknown is `auto`."""
    chosen = request.COOKIES.get(THEME_COOKIE, "auto")
    return chosen if chosen in THEMES else "auto"


def shell_of(request: HttpRequest) -> Shell:
    """The shell for a request."""
    lang, direction = get_language() or "en", "rtl" if get_language_bidi() else "ltr"
    return Shell(
        institution=registry.institution(request),
        theme=theme_of(request),
        lang=lang,
        dir=direction,
        role=typed.ROLE.get(),
        path=request.get_full_path(),
        menu=registry.menu(request),
        account=registry.account_links(request),
        languages=_languages(lang),
    )


def rings_of(done: int, total: int, label: Any, *, failed: bool = False) -> dict[str, Any]:
    """The geometry of a progress picture: one ring per step, from the pith outwards."""
    steps = max(1, total)
    drawn = min(steps, _MOST_RINGS)
    grown = round(drawn * max(0, min(done, steps)) / steps)
    gap = 29.0 / drawn
    rings = [
        {"r": f"{3 + gap * (place + 1):.1f}", "state": _ring_state(place, grown, failed=failed)}
        for place in range(drawn)
    ]
    return {"rings": rings, "done": done, "total": total, "label": label, "failed": failed}


def _ring_state(place: int, grown: int, *, failed: bool) -> str:
    if place < grown:
        return "done"
    if place == grown:
        return "failed" if failed else "growing"
    return "waiting"


def _languages(current: str) -> list[Language]:
    """The settings name each language in itself; a region keeps its language's direction."""
    bidi = settings.LANGUAGES_BIDI
    return [
        Language(code, str(name), "rtl" if code.split("-")[0] in bidi else "ltr", current=code == current)
        for code, name in settings.LANGUAGES
    ]
