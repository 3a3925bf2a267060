"""What the commons' front page shows of the catalogue."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sapwood.commons.releases import queries, screen
from sapwood.commons.releases.permissions import APPROVE, VIEW
from sapwood.console.registry import MenuEntry, Need, Panel, may, register_menu, register_need, register_panel
from sapwood.core.clock import system_clock
from sapwood.formats.catalogue import default_target


def panel(request: HttpRequest) -> Mapping[str, Any] | None:
    """The card "The catalogue"."""
    if not may(request, VIEW):
        return None
    today = system_clock().now().date()
    catalogue = queries.current_catalogue()
    target = default_target(catalogue, today)
    return {
        "catalogue": catalogue,
        "row": screen.line_row(catalogue, target, today) if target else None,
        "picture": screen.timeline(catalogue, today),
        "waiting": len(queries.proposals()),
        "revision": queries.newest_approved(catalogue.project),
    }


def needs(request: HttpRequest) -> Iterable[Need]:
    """Proposals that wait for a second look."""
    if not may(request, APPROVE):
        return
    for row in queries.proposals():
        text = _("Revision %(number)s of the catalogue waits for a second look") % {"number": row.number}
        yield Need("medium", text, reverse("releases:revision", args=[row.pk]), _("Look at it"), row.proposed_at)


def waiting(request: HttpRequest) -> int | None:
    """How many proposals wait, for those who may see them."""
    return len(queries.proposals()) or None if may(request, VIEW) else None


register_panel(Panel("catalogue", gettext_lazy("The catalogue"), 40, "sapwood/releases/panel.html", panel, span=2))
register_need(needs)
register_menu(MenuEntry("catalogue", gettext_lazy("Catalogue"), "releases:overview", 40, badge=waiting))
