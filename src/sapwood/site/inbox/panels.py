"""What the inbox shows on the front page and in the rail."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from sapwood.accounts.api import User, user_has
from sapwood.console.phrases import say_noted
from sapwood.console.registry import (
    MenuEntry,
    Need,
    Panel,
    Work,
    register_menu,
    register_need,
    register_panel,
    register_work,
)
from sapwood.core.clock import system_clock
from sapwood.site.inbox import api, rendering, staff
from sapwood.site.inbox.actions.people_files import IMPORT_JOB
from sapwood.site.inbox.data import SEVERITIES, Decision, Reader, Upstream, is_security_channel
from sapwood.site.inbox.models import Item

NEWEST = 3


def badge(request: HttpRequest) -> int | None:
    """How many items wait."""
    if not user_has(request.user, staff.VIEW, staff.ANYWHERE):
        return None
    return api.waiting_count() or None


def needs(request: HttpRequest) -> Iterable[Need]:
    """Items that wait, mass withdrawals, and deliveries that are held."""
    if not user_has(request.user, staff.VIEW, staff.ANYWHERE):
        return
    for row in api.most_urgent():
        yield Need(
            severity=_severity(row),
            text=_text(row),
            url=reverse("inbox:review", args=[row.pk]),
            action=_("See") if row.decision == Decision.APPROVED else _("Review"),
            at=row.raised_at,
        )
    for waiting in api.held()[:3]:
        yield Need(
            severity="medium",
            text=format_html(_("A delivery is held: {why}"), why=say_noted(waiting.held)),
            url=reverse("inbox:review", args=[waiting.approval.item_id]),
            action=_("See"),
            at=waiting.due_at,
        )
    open_ends = api.open_ends()
    if open_ends:
        yield Need(
            severity="medium",
            text=_("%(count)d deliveries are uncertain or failed.") % {"count": open_ends},
            url=reverse("inbox:deliveries"),
            action=_("Look"),
        )
    for asked in api.mass_withdrawals():
        yield Need(
            severity="high",
            text=_("%(channel)s took back %(count)d items at once. Nothing was removed yet.")
            % {"channel": asked.channel, "count": len(asked.retractions)},
            url=reverse("inbox:list"),
            action=_("Decide"),
            at=asked.asked_at,
        )


def reading(request: HttpRequest) -> Mapping[str, Any] | None:
    """For readers without a part in the console: what they can read, and the way to their choices."""
    user = request.user
    if not isinstance(user, User) or user_has(user, staff.VIEW, staff.ANYWHERE):
        return None
    audience = api.audience_of(user)
    if audience is None:
        return None
    reader = Reader(audience, get_language() or "en")
    page = api.announcements(reader, now=system_clock().now(), size=NEWEST)
    newest = [(one.item, rendering.read_in(one.texts, one.links, one.brand, reader.locale)) for one in page.items]
    return {"audience": audience, "newest": newest}


def _severity(row: Item) -> str:
    word = SEVERITIES[min(row.severity_rank, len(SEVERITIES) - 1)]
    if row.upstream == Upstream.RETRACTED and is_security_channel(row.channel):
        return "critical"
    return "info" if word == "none" else word


def _text(row: Item) -> Any:
    if row.decision == Decision.APPROVED and row.upstream == Upstream.RETRACTED:
        return _("Taken back by its source after you approved it: %(title)s") % {"title": row.title}
    if row.decision == Decision.APPROVED and row.upstream == Upstream.REVISED:
        return _("Changed by its source after you approved it: %(title)s") % {"title": row.title}
    if row.decision == Decision.APPROVED and row.upstream == Upstream.SUPERSEDED:
        return _("Replaced by its source after you approved it: %(title)s") % {"title": row.title}
    if not row.readable:
        return _("Something arrived that cannot be read here: %(title)s") % {"title": row.title}
    return row.title


register_menu(MenuEntry("inbox", gettext_lazy("Inbox"), "inbox:list", order=20, permission=staff.VIEW, badge=badge))
register_menu(MenuEntry("announcements", gettext_lazy("Announcements"), "inbox:announcements", order=25))
register_menu(MenuEntry("audiences", gettext_lazy("Audiences"), "inbox:people", order=60, permission=staff.PEOPLE))
register_menu(MenuEntry("trust", gettext_lazy("Trust"), "inbox:trust", order=65, permission=staff.TRUST))
register_need(needs)
register_panel(Panel("reading", gettext_lazy("For you to read"), 10, "sapwood/inbox/panel.html", reading, span=2))
register_work(
    Work(
        IMPORT_JOB,
        gettext_lazy("Importing people"),
        staff.PEOPLE,
        "inbox:people",
        gettext_lazy("Everybody on the list"),
    )
)
