"""How much an audience should have to read."""

import datetime as dt

from django.db import transaction

from sapwood.commons.announcements.models import Budget
from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import UsageError
from sapwood.formats.publication import Audience

MOST = 1_000


@transaction.atomic
def set_budget(audience: str, *, live_items: int, actor: Actor, now: dt.datetime) -> Budget:
    """Set how many announcements of an audience may be live before there is a warning."""
    if audience not in {item.value for item in Audience}:
        raise UsageError(f"There is no audience {audience!r}.", hint=f"Use one of {', '.join(Audience)}.")
    if not 0 < live_items <= MOST:
        raise UsageError(f"A budget lies between 1 and {MOST:,}.")
    row, _ = Budget.objects.update_or_create(audience=audience, defaults={"live_items": live_items})
    audit.record(
        actor=actor, action="announcements.set_budget", subject=audience, details={"live_items": live_items}, at=now
    )
    return row
