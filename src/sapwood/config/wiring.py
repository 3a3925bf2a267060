"""Where modules that must not know each other are connected; run once, when all apps are loaded."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sapwood.channel import api as channel
from sapwood.channel.permissions import VIEW_CHANNEL
from sapwood.console.figures import instant
from sapwood.console.registry import MenuEntry, Need, may, register_menu, register_need, set_calm_text
from sapwood.core import settings
from sapwood.core.clock import system_clock
from sapwood.core.worker import silent_since
from sapwood.formats.catalogue import line_order


def stopped_worker(request: HttpRequest) -> Iterable[Need]:
    """One need while no worker has been heard for two minutes; readers without a role here cannot start one."""
    since = silent_since(system_clock().now())
    if since is None or not may(request, VIEW_CHANNEL):
        return
    text = gettext_lazy("No worker is running: nothing is pulled, delivered or checked. Start “sapwood worker”.")
    began = None if since.year == 1 else since
    yield Need("critical", text, reverse("console:home"), gettext_lazy("Look again"), began)


def last_look(request: HttpRequest) -> str | None:
    """When the channel was last good, for a front page on which nothing needs anybody."""
    if not may(request, VIEW_CHANNEL):
        return None
    looks = [row.last_good_at for row in channel.channel_health() if row.last_good_at]
    return _("Last look at the channel: %(instant)s.") % {"instant": instant(max(looks))} if looks else None


def connect() -> None:
    """Register what only the whole can know."""
    register_menu(MenuEntry("home", gettext_lazy("Home"), "console:home", 0))
    register_need(stopped_worker)
    if settings.ROLE.get() == "site":
        set_calm_text(last_look)
        connect_site()
    else:
        connect_commons()


def connect_site() -> None:
    """A site's command line can judge before the first pull: by the catalogue that came with Sapwood."""
    from sapwood.site.facts import api as facts  # noqa: PLC0415 - apps of this role only

    facts.set_shipped_catalogue(Path(str(files("sapwood.commons.releases") / "openedx" / "catalogue.json")))


def connect_commons() -> None:
    """Conditions in announcements know the order of releases from the catalogue in use."""
    from sapwood.commons.announcements import api as announcements  # noqa: PLC0415 - apps of this role only
    from sapwood.commons.releases import api as releases  # noqa: PLC0415

    announcements.set_line_order(lambda: line_order(releases.current_catalogue()))
