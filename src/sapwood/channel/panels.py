"""What the channel shows on the front pages."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from sapwood.channel import api
from sapwood.channel.data import ChannelHealth, ChannelState
from sapwood.channel.errors import NotARepositoryError
from sapwood.channel.permissions import VIEW_CHANNEL
from sapwood.channel.tasks import PULL_JOB
from sapwood.channel.words import LEVELS, STATE_WORDS
from sapwood.console.charts.series import sparkline
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
from sapwood.core import settings
from sapwood.core.clock import system_clock


def _site_panel(request: HttpRequest) -> Mapping[str, Any] | None:
    if not may(request, VIEW_CHANNEL):
        return None
    now = system_clock().now()
    channels = api.channel_health(now)
    worst = api.worst(health.state for health in channels)
    days = api.received_per_day(now, 30)
    return {
        "channels": channels,
        "level": LEVELS[worst] if worst else "unknown",
        "word": STATE_WORDS[worst] if worst else _("no subscription"),
        "last_good_at": max((item.last_good_at for item in channels if item.last_good_at), default=None),
        "signed": any(item.signed_by for item in channels),
        "chart": sparkline(days, _("Publications received in the last 30 days")) if channels else "",
    }


def _site_needs(request: HttpRequest) -> Iterable[Need]:
    if not may(request, VIEW_CHANNEL):
        return
    url = reverse("channel:health")
    for health in api.channel_health():
        if health.state.bad:
            yield Need(
                _severity(health), _bad_words(health), url, _("See why"), health.stale_since or health.last_good_at
            )
    for channel in api.unacknowledged_withdrawals():
        count = channel.withdrawal_count
        text = ngettext(
            "The publisher withdrew %(count)d publication of %(channel)s at once. It stays here.",
            "The publisher withdrew %(count)d publications of %(channel)s at once. They stay here.",
            count,
        ) % {"count": count, "channel": channel.name}
        yield Need("high", text, url, _("Look"), channel.withdrawal_at)


def _severity(health: ChannelHealth) -> str:
    if health.state is ChannelState.REJECTED or health.name == "security":
        return "high"
    return "medium"


def _bad_words(health: ChannelHealth) -> str:
    words = {
        ChannelState.STALE: _("The channel %(name)s is stale. The last good content stays."),
        ChannelState.DEAD: _("The channel %(name)s does not answer."),
        ChannelState.REJECTED: _("What the channel %(name)s offers does not verify. Nothing of it was taken."),
    }
    return words[health.state] % {"name": health.name}


def _commons_panel(request: HttpRequest) -> Mapping[str, Any] | None:
    if not may(request, VIEW_CHANNEL):
        return None
    try:
        return {"repository": api.repository_status()}
    except NotARepositoryError:
        return {"repository": None}


def _commons_needs(request: HttpRequest) -> Iterable[Need]:
    if not may(request, VIEW_CHANNEL):
        return
    try:
        status = api.repository_status()
    except NotARepositoryError:
        return
    url = reverse("channel:health")
    for role in status.due:
        expired = role.state == "expired"
        text = _("The signature of %(role)s has expired.") if expired else _("%(role)s has to be signed again.")
        yield Need("critical" if expired else "high", text % {"role": role.role}, url, _("See who"), role.expires_at)
    for staged in status.staged:
        if staged.missing:
            text = _("%(role)s waits for a signature of %(names)s.") % {
                "role": staged.role,
                "names": ", ".join(staged.awaited_from),
            }
            yield Need("medium", text, url, _("See"), None)


if settings.ROLE.get() == "commons":
    register_panel(
        Panel("signatures", gettext_lazy("Signatures due"), 20, "sapwood/channel/panel_commons.html", _commons_panel)
    )
    register_need(_commons_needs)
else:
    register_panel(Panel("channel", gettext_lazy("The channel"), 30, "sapwood/channel/panel_site.html", _site_panel))
    register_need(_site_needs)
    register_work(Work(PULL_JOB, gettext_lazy("Pulling"), VIEW_CHANNEL, "channel:health", gettext_lazy("The channel")))
register_menu(MenuEntry("channel", gettext_lazy("Channel"), "channel:health", 60, permission=VIEW_CHANNEL))
