"""What the front page shows of this module: a card, needs, a menu entry."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sapwood.console.phrases import say_noted
from sapwood.console.registry import MenuEntry, Need, Panel, may, register_menu, register_need, register_panel
from sapwood.core.clock import system_clock
from sapwood.site.upgrades import news, offers, queries, requests, screen
from sapwood.site.upgrades.data import Stage
from sapwood.site.upgrades.permissions import VIEW

LAPSES_SOON: Final = dt.timedelta(days=1)


def panel(request: HttpRequest) -> Mapping[str, Any] | None:
    """The card "Your upgrade": the newest verdict and the newest run of each deployment."""
    if not may(request, VIEW):
        return None
    rows = []
    for offer in offers.offers():
        rehearsed, run = queries.newest_rehearsal(offer.key), queries.newest_run(offer.key)
        rows.append(
            {
                "offer": offer,
                "rehearsed": rehearsed,
                "verdict": screen.verdict(rehearsed.verdict) if rehearsed else None,
                "run": run,
                "stage": screen.stage(run.stage) if run else None,
            }
        )
    return {"rows": rows} if rows else None


def needs(request: HttpRequest) -> Iterable[Need]:
    """News, an upgrade that waits for somebody, a certificate that lapses, a subject file that is not offered."""
    if not may(request, VIEW):
        return
    now = system_clock().now()
    for row in news.standing_news():
        if row.kind != news.SECURITY:  # missing fixes are among the needs already, by what the site is exposed to
            yield Need(row.severity, say_noted(row.words), row.url or reverse("upgrades:news"), _("See"), row.raised_at)
    for offer in offers.offers():
        run = queries.newest_run(offer.key)
        if run and run.stage in queries.WAITS_FOR_YOU:
            text = _("The upgrade of %(name)s stopped and waits for you") % {"name": offer.name}
            severity = "medium" if run.stage == Stage.PAUSED else "critical"
            yield Need(severity, text, reverse("upgrades:run", args=[run.key]), _("See"), run.began_at)
        go = requests.newest_go(offer.key)
        if go and go.expires_at and now < go.expires_at <= now + LAPSES_SOON and not _used(go, run):
            text = _("The certificate for the upgrade of %(name)s lapses within a day") % {"name": offer.name}
            yield Need("low", text, reverse("upgrades:certificate", args=[offer.key]), _("See"), go.request.ended_at)
        if offer.refusal:
            text = _("The upgrade of %(name)s is not offered: see why") % {"name": offer.name}
            yield Need("medium", text, reverse("upgrades:subject", args=[offer.key]), _("See why"), None)


def _used(go: Any, run: Any) -> bool:
    """Whether an upgrade began after the rehearsal, so that nobody waits for its certificate."""
    return bool(run and run.began_at >= go.request.asked_at)


register_panel(Panel("upgrade", gettext_lazy("Your upgrade"), 15, "sapwood/upgrades/panel.html", panel))
register_need(needs)
register_menu(MenuEntry("upgrades", gettext_lazy("Upgrades"), "upgrades:home", 35, permission=VIEW))
