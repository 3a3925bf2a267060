"""What only the composition root can know: that no worker runs."""

from collections.abc import Iterable

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from sapwood.console.registry import Need, register_need
from sapwood.core.clock import system_clock
from sapwood.core.worker import silent_since


def stopped_worker(_request: HttpRequest) -> Iterable[Need]:
    """One need while no worker has been heard for two minutes."""
    since = silent_since(system_clock().now())
    if since is None:
        return
    text = _("No worker is running: nothing is pulled, delivered or checked. Start it with “sapwood worker”.")
    yield Need("critical", text, reverse("console:home"), _("Look again"), None if since.year == 1 else since)


register_need(stopped_worker)
