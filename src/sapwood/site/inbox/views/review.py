"""The list of what arrived, and the page on which one item is decided."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from sapwood.accounts.api import (
    actor_of,
    asked_again,
    permission_required,
    reach,
    reauthentication_required,
    user_has,
)
from sapwood.core.clock import system_clock
from sapwood.core.errors import ForbiddenError, SapwoodError
from sapwood.site.inbox import api, rendering, staff, words
from sapwood.site.inbox.data import Audience, Decision, Upstream
from sapwood.site.inbox.models import Item
from sapwood.site.inbox.queries.items import TABS
from sapwood.site.inbox.queries.review import Language, Review
from sapwood.site.inbox.views.forms import ApproveForm, ReasonForm, SnoozeForm, TextForm
from sapwood.site.upgrades import api as upgrades

NOTICED_FOR = dt.timedelta(days=30)
NEWEST_NOTICES = 10
TAB_LABELS = {
    "waiting": gettext_lazy("Waiting"),
    "open": gettext_lazy("Undecided"),
    "snoozed": gettext_lazy("Snoozed"),
    "approved": gettext_lazy("Approved"),
    "rejected": gettext_lazy("Rejected"),
    "archived": gettext_lazy("Archived"),
    "all": gettext_lazy("All"),
}
DECISION_LEVELS = {
    Decision.NEW: "info",
    Decision.IN_REVIEW: "info",
    Decision.SNOOZED: "unknown",
    Decision.APPROVED: "good",
    Decision.REJECTED: "bad",
    Decision.ARCHIVED: "unknown",
}
UPSTREAM_LEVELS = {
    Upstream.CURRENT: "good",
    Upstream.REVISED: "caution",
    Upstream.SUPERSEDED: "caution",
    Upstream.RETRACTED: "bad",
    Upstream.EXPIRED: "unknown",
    Upstream.FIXED_HERE: "good",
}
SEVERITY_LEVELS = {"critical": "bad", "high": "bad", "medium": "caution", "low": "info", "none": "info"}


@require_GET
@permission_required(staff.VIEW)
def item_list(request: HttpRequest) -> HttpResponse:
    """What arrived, by what became of it."""
    tab = request.GET.get("tab", "waiting")
    wanted = api.Filter(
        tab if tab in TABS else "waiting",
        request.GET.get("channel", "")[:100],
        request.GET.get("kind", "")[:40],
        request.GET.get("severity", "")[:20],
    )
    page = api.items(wanted, after=request.GET.get("after", ""), channels=_channels(request))
    kept = {name: str(value) for name, value in request.GET.items() if name in {"tab", "channel", "kind", "severity"}}
    here = reverse("inbox:list")
    context = {
        "rows": [(row, *levels(row)) for row in page.rows],
        "tab": wanted.tab,
        "tabs": [
            {"label": TAB_LABELS[name], "url": f"{here}?tab={name}", "current": name == wanted.tab, "count": None}
            for name in TABS
        ],
        "next_url": f"{here}?{urlencode({**kept, 'after': page.after})}" if page.after else "",
        "first_url": f"{here}?{urlencode(kept)}" if request.GET.get("after") else "",
        "withdrawals": api.mass_withdrawals(),
        "notices": _notices(request) if wanted.tab == "waiting" else [],
    }
    return render(request, "sapwood/inbox/list.html", context)


def _notices(request: HttpRequest) -> list[tuple[upgrades.Notice, str]]:
    """What upgrades have to tell to those who may see them, the newest first."""
    if not user_has(request.user, upgrades.VIEW):
        return []
    found = upgrades.notices(system_clock().now() - NOTICED_FOR)
    return [(one, SEVERITY_LEVELS.get(one.severity, "info")) for one in found[::-1][:NEWEST_NOTICES]]


def _channels(request: HttpRequest) -> list[str] | None:
    """The channels that this person may read; None: all of them. A translator reads every channel."""
    found = reach(request.user, staff.VIEW)
    if found.everywhere or any(kind == "locale" for kind, _key in found.scopes):
        return None
    return [key for kind, key in found.scopes if kind == "channel"]


def may_view(request: HttpRequest, row: Item) -> None:
    """Let pass whoever may read this item. Raises ForbiddenError."""
    channels = _channels(request)
    if channels is not None and row.channel not in channels:
        raise ForbiddenError(_("You may not read this item."), hint=_("Ask an administrator."))


def levels(row: Item) -> tuple[str, str, str]:
    """The status levels of decision, upstream and severity."""
    return (
        DECISION_LEVELS[Decision(row.decision)],
        UPSTREAM_LEVELS[Upstream(row.upstream)],
        SEVERITY_LEVELS.get(row.severity, "caution"),
    )


@require_GET
@permission_required(staff.VIEW)
def review(request: HttpRequest, item_id: int) -> HttpResponse:
    """One item: original and local text side by side, as each reader will see it, and the decision."""
    found = api.review(item_id)
    may_view(request, found.item)
    return _page(request, found)


def _page(
    request: HttpRequest,
    found: Review,
    *,
    form: ApproveForm | None = None,
    error: SapwoodError | None = None,
    status: int = 200,
) -> HttpResponse:
    row = found.item
    before, after = api.neighbours(row)
    language = _language(found, request.GET.get("locale", ""))
    decision, upstream, severity = levels(row)
    context: dict[str, Any] = {
        "found": found,
        "item": row,
        "language": language,
        "languages": [
            {
                "label": one.locale,
                "url": f"?locale={one.locale}",
                "current": language is not None and one.locale == language.locale,
                "count": None,
            }
            for one in found.languages
        ],
        "decision_level": decision,
        "upstream_level": upstream,
        "severity_level": severity,
        "before": before,
        "after": after,
        "form": form or (ApproveForm(found=found) if found.seen else None),
        "error": error,
        "snooze_form": SnoozeForm(),
        "reason_form": ReasonForm(),
        "may_decide": user_has(request.user, staff.DECIDE, row),
        "may_approve": user_has(request.user, staff.APPROVE, row),
        "may_translate": user_has(request.user, staff.TRANSLATE, staff.ANYWHERE),
        "signed_already": _signed_already(request, found),
        "changed_words": _changed_words(found),
        "missing_locales": [
            (code, name) for code, name in settings.LANGUAGES if code not in {one.locale for one in found.languages}
        ],
        "event": words.event_lines(found.event),
        "answers": row.answers.order_by("-pk")[:20] if row.kind == "feedback_request" else (),
        "hand_over": found.hand_over,
        "closed": row.survey_closes_at is not None and row.survey_closes_at <= system_clock().now(),
    }
    return render(request, "sapwood/inbox/review.html", context, status=status)


def _language(found: Review, wanted: str) -> Language | None:
    by_locale = {one.locale: one for one in found.languages}
    return by_locale.get(wanted) or next(iter(found.languages), None)


def _signed_already(request: HttpRequest, found: Review) -> bool:
    me = staff.human_behind(actor_of(request))
    return any(row.person == me for row in found.signatures)


def _changed_words(found: Review) -> str:
    changed = [
        _("%(locale)s (translated here)") % {"locale": one.locale}
        if one.translated
        else _("%(locale)s (%(count)d lines)") % {"locale": one.locale, "count": one.changed_lines}
        for one in found.languages
        if one.local is not None
    ]
    return ", ".join(changed)


@require_GET
@permission_required(staff.VIEW)
def preview(request: HttpRequest, item_id: int) -> HttpResponse:
    """The item as each reader would see it, on the page and in a mail, in one language."""
    found = api.review(item_id)
    may_view(request, found.item)
    language = _language(found, request.GET.get("locale", ""))
    context = {
        "item": found.item,
        "brand": found.brand,
        "event": words.event_lines(found.event),
        "language": language,
        "languages": [
            {"label": one.locale, "url": f"?locale={one.locale}", "current": one is language, "count": None}
            for one in found.languages
        ],
    }
    return render(request, "sapwood/inbox/preview.html", context)


@require_POST
@permission_required(staff.APPROVE)
def approve(request: HttpRequest, item_id: int) -> HttpResponseBase:
    """Approve exactly what was shown; anything else gives the page again with the reason.

    What goes beyond administrators needs a fresh sign-in.
    """
    found = api.review(item_id)
    now = system_clock().now()
    form = ApproveForm(request.POST, found=found)
    if not form.is_valid():
        return _page(request, found, form=form, status=400)
    choices = form.choices(now)
    if choices.audience is not Audience.ADMINISTRATORS and (way := asked_again(request)):
        return way
    try:
        row = api.approve(
            item_id,
            choices,
            actor=actor_of(request),
            now=now,
            seen=form.cleaned_data["seen"],
            confirm_removed_links=form.cleaned_data.get("confirm_removed_links", False),
        )
    except SapwoodError as error:
        return _page(request, api.review(item_id), error=error, status=error.http_status)
    if row.people_needed > 1:
        messages.info(request, _("Approved by you. A second person has to approve it before it goes to learners."))
        return redirect("inbox:review", item_id)
    messages.success(request, _("Approved: exactly this text, nothing else."))
    return _next(item_id)


@require_POST
@permission_required(staff.APPROVE)
@reauthentication_required
def second(request: HttpRequest, item_id: int) -> HttpResponse:
    """The second person's approval."""

    def act(now: dt.datetime) -> str:
        api.second(item_id, digest=request.POST.get("digest", ""), actor=actor_of(request), now=now)
        return _("Approved by two people.")

    return _acted(request, item_id, act)


@require_POST
@permission_required(staff.DECIDE)
def reject(request: HttpRequest, item_id: int) -> HttpResponse:
    """Nobody here gets this."""

    def act(now: dt.datetime) -> str:
        api.reject(item_id, actor=actor_of(request), now=now, reason=request.POST.get("reason", ""))
        return _("Rejected.")

    return _acted(request, item_id, act)


@require_POST
@permission_required(staff.DECIDE)
def archive(request: HttpRequest, item_id: int) -> HttpResponse:
    """File it."""

    def act(now: dt.datetime) -> str:
        api.archive(item_id, actor=actor_of(request), now=now)
        return _("Archived.")

    return _acted(request, item_id, act)


@require_POST
@permission_required(staff.DECIDE)
def snooze(request: HttpRequest, item_id: int) -> HttpResponse:
    """Later."""
    form = SnoozeForm(request.POST)
    days = form.cleaned_data["days"] if form.is_valid() else 0  # which is refused: no time is better than a guessed one

    def act(now: dt.datetime) -> str:
        api.snooze(item_id, until=now + dt.timedelta(days=days), actor=actor_of(request), now=now)
        return _("Snoozed for %(days)d days.") % {"days": days}

    return _acted(request, item_id, act)


@require_POST
@permission_required(staff.DECIDE)
def start(request: HttpRequest, item_id: int) -> HttpResponse:
    """Somebody is looking at it."""

    def act(now: dt.datetime) -> str:
        api.start_review(item_id, actor=actor_of(request), now=now)
        return _("In review.")

    return _acted(request, item_id, act, stay=True)


@require_POST
@permission_required(staff.APPROVE)
def withdraw(request: HttpRequest, item_id: int) -> HttpResponse:
    """Take an approval back."""

    def act(now: dt.datetime) -> str:
        api.withdraw(item_id, actor=actor_of(request), now=now, reason=request.POST.get("reason", ""))
        return _("Withdrawn: it left the page, and what waited is cancelled. Mail that was sent stays sent.")

    return _acted(request, item_id, act, stay=True)


@require_POST
@permission_required(staff.APPROVE)
def keep(request: HttpRequest, item_id: int) -> HttpResponse:
    """What was approved stays as it is."""

    def act(now: dt.datetime) -> str:
        api.keep_approved(item_id, actor=actor_of(request), now=now)
        return _("Kept as approved.")

    return _acted(request, item_id, act)


@require_http_methods(["GET", "POST"])
@permission_required(staff.TRANSLATE)
def text(request: HttpRequest, item_id: int, locale: str) -> HttpResponse:
    """Edit or translate one language, beside the original."""
    found = api.review(item_id)
    here = next((one for one in found.languages if one.locale == locale.lower()), None)
    beside = (
        here.original
        if here and here.original
        else next((one.original for one in found.languages if one.original), None)
    )
    initial = {
        **(here.final.as_dict() if here else {}),
        "version": here.version if here else 0,
        "base_revision": found.item.revision,
    }
    form = TextForm(request.POST or None, initial=initial)
    error: SapwoodError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            api.save_text(
                item_id,
                locale,
                form.text(),
                actor=actor_of(request),
                now=system_clock().now(),
                version=form.cleaned_data["version"],
                base_revision=form.cleaned_data["base_revision"],
            )
        except SapwoodError as problem:
            error = problem
        else:
            messages.success(request, _("Saved. Nothing goes out before somebody approves it."))
            return redirect(f"{reverse('inbox:review', args=[item_id])}?locale={locale.lower()}")
    context = {
        "item": found.item,
        "locale": locale,
        "form": form,
        "error": error,
        "beside": beside,
        "here": here,
        "direction": rendering.direction(locale),
    }
    return render(request, "sapwood/inbox/text.html", context, status=error.http_status if error else 200)


@require_POST
@permission_required(staff.APPROVE)
def mass_withdrawal(request: HttpRequest, withdrawal_id: int) -> HttpResponse:
    """Follow a mass withdrawal, or refuse it."""
    follow = request.POST.get("follow") == "yes"
    count = api.decide_mass_withdrawal(withdrawal_id, follow=follow, actor=actor_of(request), now=system_clock().now())
    messages.success(
        request, _("%(count)d items are marked as taken back.") % {"count": count} if follow else _("Everything stays.")
    )
    return redirect("inbox:list")


def _acted(
    request: HttpRequest, item_id: int, act: Callable[[dt.datetime], str], *, stay: bool = False
) -> HttpResponse:
    """Run one decision; a conflict gives the page again with the reason."""
    try:
        done = act(system_clock().now())
    except ForbiddenError:
        raise
    except SapwoodError as error:
        return _page(request, api.review(item_id), error=error, status=error.http_status)
    messages.success(request, done)
    return redirect("inbox:review", item_id) if stay else _next(item_id)


def _next(item_id: int) -> HttpResponseRedirect:
    """On to the next item that waits, or back to the list."""
    _before, after = api.neighbours(api.review(item_id).item)
    return HttpResponseRedirect(reverse("inbox:review", args=[after]) if after else reverse("inbox:list"))
