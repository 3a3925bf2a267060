"""Answering a feedback request, and handing it to the institution's own tool."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from sapwood.accounts.api import actor_of, permission_required
from sapwood.console.phrases import say_error
from sapwood.core.clock import system_clock
from sapwood.core.errors import ForbiddenError, SapwoodError
from sapwood.site.inbox import api, staff


@require_POST
@permission_required(staff.DECIDE)
def answer(request: HttpRequest, item_id: int) -> HttpResponse:
    """An administrator's own answer."""
    try:
        api.answer(item_id, request.POST.get("text", ""), actor=actor_of(request), now=system_clock().now())
    except ForbiddenError:
        raise
    except SapwoodError as error:
        messages.error(request, say_error(error))
    else:
        messages.success(request, _("Kept. It does not leave this site yet."))
    return redirect("inbox:review", item_id)


@require_POST
@permission_required(staff.DECIDE)
def hand_over(request: HttpRequest, item_id: int) -> HttpResponse:
    """A link to the institution's own tool."""
    try:
        api.hand_over(item_id, request.POST.get("template", ""), actor=actor_of(request), now=system_clock().now())
    except ForbiddenError:
        raise
    except SapwoodError as error:
        messages.error(request, say_error(error))
    else:
        messages.success(request, _("Saved. Readers get this link with the next approval."))
    return redirect("inbox:review", item_id)
