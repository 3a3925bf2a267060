"""The announcements page and the Atom feed: publishing is one row in our own database, so it happens exactly once."""

import datetime as dt

from sapwood.site.inbox.data import DeliveryState, OutletKind
from sapwood.site.inbox.gate import Cleared
from sapwood.site.inbox.models import Delivery
from sapwood.site.inbox.outlets.registry import outlet


@outlet(OutletKind.PAGE)
def publish_on_page(clearance: Cleared, *, now: dt.datetime) -> bool:
    """Put the item on the announcements page; False when it is there already."""
    return _publish(clearance, OutletKind.PAGE, now)


@outlet(OutletKind.FEED)
def publish_in_feed(clearance: Cleared, *, now: dt.datetime) -> bool:
    """Put the item into the Atom feed; False when it is there already."""
    return _publish(clearance, OutletKind.FEED, now)


def _publish(clearance: Cleared, kind: OutletKind, now: dt.datetime) -> bool:
    _row, fresh = Delivery.objects.get_or_create(
        approval_id=clearance.approval,
        outlet=kind,
        target="",
        defaults={"state": DeliveryState.SENT, "due_at": now, "started_at": now, "finished_at": now, "attempts": 1},
    )
    return fresh
