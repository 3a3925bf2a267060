"""What went out, what waits, what needs a person."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from sapwood.accounts.api import actor_of, permission_required, user_has
from sapwood.core.clock import system_clock
from sapwood.site.inbox import api, staff
from sapwood.site.inbox.data import DeliveryState

LEVELS = {
    DeliveryState.WAITING: "info",
    DeliveryState.SENT: "good",
    DeliveryState.UNCERTAIN: "caution",
    DeliveryState.FAILED: "bad",
    DeliveryState.CANCELLED: "unknown",
}


@require_GET
@permission_required(staff.DELIVERIES)
def deliveries(request: HttpRequest) -> HttpResponse:
    """Deliveries, newest first."""
    state = request.GET.get("state", "")
    state = state if state in DeliveryState.values else ""
    page = api.deliveries(state=state, after=request.GET.get("after", ""))
    here = reverse("inbox:deliveries")
    kept = {"state": state} if state else {}
    tabs = [{"label": _("All"), "url": here, "current": not state, "count": None}]
    tabs += [
        {"label": one.label, "url": f"{here}?state={one.value}", "current": state == one.value, "count": None}
        for one in DeliveryState
    ]
    context = {
        "rows": [(row, LEVELS[DeliveryState(row.state)]) for row in page.rows],
        "tabs": tabs,
        "next_url": f"{here}?{urlencode({**kept, 'after': page.after})}" if page.after else "",
        "first_url": f"{here}?{urlencode(kept)}" if request.GET.get("after") else "",
        "may_repeat": user_has(request.user, staff.REPEAT),
        "held": api.held(),
    }
    return render(request, "sapwood/inbox/deliveries.html", context)


@require_POST
@permission_required(staff.REPEAT)
def repeat(request: HttpRequest, delivery: UUID) -> HttpResponse:
    """Send an uncertain or failed delivery once more."""
    api.repeat(delivery, actor=actor_of(request), now=system_clock().now())
    messages.success(request, _("It goes out again, with the same identifier, if the gate is still open for it."))
    return redirect("inbox:deliveries")


@require_POST
@permission_required(staff.REPEAT)
def give_up(request: HttpRequest, delivery: UUID) -> HttpResponse:
    """Nothing more is needed."""
    api.give_up(delivery, actor=actor_of(request), now=system_clock().now())
    return redirect("inbox:deliveries")
