"""What the front page shows of this module: a card, needs, a menu entry."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sapwood.console.phrases import say
from sapwood.console.registry import (
    MenuEntry,
    Need,
    Panel,
    Work,
    may,
    register_menu,
    register_need,
    register_panel,
    register_work,
)
from sapwood.core.clock import system_clock
from sapwood.formats.exposure import Exposure
from sapwood.site.facts import queries, screen
from sapwood.site.facts.permissions import VIEW
from sapwood.site.facts.tasks import LOOK_JOB


def panel(request: HttpRequest) -> Mapping[str, Any] | None:
    """The card "Your release"."""
    if not may(request, VIEW):
        return None
    now = system_clock().now()
    found = queries.try_exposure(now)
    if not isinstance(found, Exposure):
        return {"error": found}
    return {
        "standing": screen.standing(found),
        "exposed": screen.exposed(found),
        "picture": screen.path_picture(found),
        "path_words": screen.path_words(found),
        "mismatches": len(_mismatches()),
    }


def _mismatches() -> list[Mapping[str, Any]]:
    """Where the site's own files disagree."""
    facts = queries.current_facts()
    return list(facts.mismatches) if facts else []


def needs(request: HttpRequest) -> Iterable[Need]:
    """Missing fixes, the end of support, and a site that cannot be looked at."""
    if not may(request, VIEW):
        return
    now = system_clock().now()
    look = queries.last_look()
    url = reverse("facts:release")
    if look.error:
        text = _("Your site could not be inspected: %(reason)s") % {"reason": say(look.error.get("message", ""))}
        yield Need("medium", text, url, _("See why"), look.attempted_at)
    elif look.stale(now):
        yield Need(
            "medium", _("Nobody has looked at your site for hours; is the worker running?"), url, _("See"), look.seen_at
        )
    found = queries.try_exposure(now)
    if not isinstance(found, Exposure):
        return
    if found.advisories:
        yield Need(screen.worst(found), screen.exposed(found), url, _("See"))
    if found.support.supported is False:
        yield Need("medium", screen.standing(found).sentence, url, _("See the way out"))


register_panel(Panel("release", gettext_lazy("Your release"), 10, "sapwood/facts/panel.html", panel, span=2))
register_need(needs)
register_menu(MenuEntry("release", gettext_lazy("Release"), "facts:release", 30, permission=VIEW))
register_work(Work(LOOK_JOB, gettext_lazy("Looking at your site"), VIEW, "facts:release", gettext_lazy("Your release")))
