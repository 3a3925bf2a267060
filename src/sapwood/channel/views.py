"""The channel's one page: on a site what comes in and how, on the commons what has to be signed."""

import datetime as dt

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from sapwood.accounts.api import actor_of, permission_required, reauthentication_required
from sapwood.channel import api
from sapwood.channel.errors import NotARepositoryError
from sapwood.channel.permissions import MANAGE_CHANNEL, VIEW_CHANNEL
from sapwood.channel.tasks import PULL_JOB
from sapwood.console import work
from sapwood.console.registry import may
from sapwood.core import jobs, settings
from sapwood.core.clock import system_clock

PULL_AGAIN_AFTER = dt.timedelta(seconds=30)


@never_cache
@permission_required(VIEW_CHANNEL)
@require_GET
def health(request: HttpRequest) -> HttpResponse:
    """How every subscribed channel is; on the commons, how the repository is."""
    if settings.ROLE.get() == "commons":
        return _repository(request)
    context = {
        "channels": api.channel_health(),
        "pulls": api.recent_pulls(20),
        "refusals": api.open_refusals(50),
        "withdrawals": api.unacknowledged_withdrawals(),
        "may_manage": may(request, MANAGE_CHANNEL),
        "pulling": next(iter(work.under_way(PULL_JOB).values()), None),
    }
    return render(request, "sapwood/channel/health.html", context)


@permission_required(MANAGE_CHANNEL)
@require_POST
@transaction.atomic
def pull_now(request: HttpRequest) -> HttpResponseRedirect:
    """Have the worker pull every subscription at once, however often the button is pressed."""
    now = system_clock().now()
    api.pull_soon(actor=actor_of(request), now=now)
    return redirect("console:work", jobs.enqueue(PULL_JOB, {"by_hand": True}, now=now, key="by hand"))


@permission_required(MANAGE_CHANNEL)
@reauthentication_required
@require_POST
def acknowledge(request: HttpRequest, pk: int) -> HttpResponseRedirect:
    """Somebody has seen that many publications were withdrawn at once."""
    channel = get_object_or_404(api.unacknowledged_withdrawals(), pk=pk)
    api.acknowledge_withdrawal(channel, actor=actor_of(request), now=system_clock().now())
    return redirect("channel:health")


def _repository(request: HttpRequest) -> HttpResponse:
    try:
        status = api.repository_status()
    except NotARepositoryError:
        status = None
    return render(request, "sapwood/channel/repository.html", {"repository": status})
