"""What announcements show on the commons' front page and in its menu."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from sapwood.accounts.api import ANYWHERE, actor_of, user_has
from sapwood.commons.announcements import queries
from sapwood.commons.announcements.actions.polling import READ_JOB
from sapwood.commons.announcements.models import Retraction, Source, State
from sapwood.commons.announcements.people import identity
from sapwood.commons.announcements.permissions import APPROVE, IMPORT, STAGE, VIEW, WRITE
from sapwood.commons.announcements.words import AUDIENCES
from sapwood.console.phrases import say
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
from sapwood.formats.phrase import recalled

SHOWN = 5


def _drafts(request: HttpRequest) -> Mapping[str, Any] | None:
    if not user_has(request.user, VIEW, ANYWHERE):
        return None
    rows = queries.waiting()
    return {"rows": list(rows[:SHOWN]), "total": rows.count()}


def _budgets(request: HttpRequest) -> Mapping[str, Any] | None:
    if not user_has(request.user, VIEW, ANYWHERE):
        return None
    return {"budgets": queries.live_budgets(system_clock().now())}


def _due(request: HttpRequest) -> int | None:  # noqa: ARG001 - the shape of a badge
    return queries.approvals_due().count() or None


def _needs(request: HttpRequest) -> Iterable[Need]:
    if not request.user.is_authenticated:
        return
    if user_has(request.user, APPROVE, ANYWHERE):
        me = identity(actor_of(request))
        for row in queries.approvals_due()[:SHOWN]:
            security = row.channel == "security"
            if security and me in row.author_keys:
                continue
            text = _("To approve: %(title)s") % {"title": row.title}
            severity = "high" if security else "medium"
            yield Need(severity, text, _detail(row.announcement.uuid), _("Read"), row.submitted_at)
    if user_has(request.user, STAGE, ANYWHERE):
        yield from _to_take_back(identity(actor_of(request)))
    if user_has(request.user, IMPORT, ANYWHERE):
        yield from _failing_sources()
    if user_has(request.user, WRITE, ANYWHERE):
        yield from _undecided()
    if user_has(request.user, VIEW, ANYWHERE):
        yield from _over_budget()


def _to_take_back(me: str) -> Iterable[Need]:
    for row in Retraction.objects.select_related("announcement").filter(staged_at=None).exclude(asked_key=me)[:SHOWN]:
        text = _("To confirm: take back %(slug)s") % {"slug": row.announcement.slug}
        yield Need("high", text, _detail(row.announcement.uuid), _("Look"), row.asked_at)


def _failing_sources() -> Iterable[Need]:
    for source in Source.objects.filter(paused=False).exclude(last_error=None).order_by("name")[:SHOWN]:
        text = _("The source %(name)s cannot be read: %(why)s") % {
            "name": source.name,
            "why": say((recalled(source.last_error) or {}).get("message", "")),
        }
        yield Need("medium", text, reverse("announcements:sources"), _("Look"), source.last_good_at)


def _undecided() -> Iterable[Need]:
    for entry in queries.conflicts()[:SHOWN]:
        if entry.announcement is not None:
            text = _("The source changed what somebody here had edited: %(title)s") % {"title": entry.title}
            yield Need("medium", text, _detail(entry.announcement.uuid), _("Decide"), entry.seen_at)


def _over_budget() -> Iterable[Need]:
    for budget in queries.live_budgets(system_clock().now()):
        if budget.over:
            text = ngettext(
                "%(audience)s have %(live)s live item, more than the budget of %(limit)s",
                "%(audience)s have %(live)s live items, more than the budget of %(limit)s",
                budget.live,
            ) % {
                "audience": AUDIENCES.get(budget.audience, budget.audience),
                "live": budget.live,
                "limit": budget.limit,
            }
            yield Need("low", text, f"{reverse('announcements:list')}?state={State.PUBLISHED}", _("Choose"))


def _detail(key: object) -> str:
    return reverse("announcements:detail", args=[key])


register_panel(
    Panel("announcement-drafts", gettext_lazy("Drafts waiting"), 20, "sapwood/announcements/panel_drafts.html", _drafts)
)
register_panel(
    Panel(
        "live-items", gettext_lazy("Live items per audience"), 40, "sapwood/announcements/panel_budgets.html", _budgets
    )
)
register_menu(MenuEntry("commons-announcements", gettext_lazy("Announcements"), "announcements:list", 20, VIEW, _due))
register_menu(MenuEntry("commons-sources", gettext_lazy("Sources"), "announcements:sources", 30, IMPORT))
register_menu(MenuEntry("commons-public", gettext_lazy("Public announcements"), "announcements:public", 90))
register_need(_needs)
register_work(
    Work(READ_JOB, gettext_lazy("Reading a source"), IMPORT, "announcements:sources", gettext_lazy("All sources"))
)
