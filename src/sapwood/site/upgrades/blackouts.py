"""Black-out dates: days on which nothing happens by itself, and on which the button warns."""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction

from sapwood.accounts.api import User
from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError, NotFoundError, UsageError
from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades.conf import TIME_ZONE
from sapwood.site.upgrades.models import Blackout
from sapwood.site.upgrades.windows import day_begins, zone_named

MAX_REASON: Final = 200
MOST: Final = 200
A_DAY: Final = dt.timedelta(days=1)


class BlackoutError(UsageError):
    """Black-out dates that make no sense."""

    code = "upgrades.blackout"


class InBlackoutError(ConflictError):
    """An upgrade was asked for on black-out dates."""

    code = "upgrades.in_blackout"
    exit_code = 3


def every_blackout() -> list[Blackout]:
    """All of them, the earliest first."""
    return list(Blackout.objects.select_related("added_by"))


def begins_at(row: Blackout) -> dt.datetime:
    """The first instant of its first day."""
    return day_begins(row.first_day, zone_named(row.zone))


def ends_at(row: Blackout) -> dt.datetime:
    """The first instant after its last day."""
    return day_begins(row.last_day + A_DAY, zone_named(row.zone))


def blackout_at(now: dt.datetime, until: dt.datetime | None = None) -> Blackout | None:
    """The first that holds now, or that begins before `until`."""
    near = Blackout.objects.filter(first_day__lte=(until or now).date() + A_DAY, last_day__gte=now.date() - A_DAY)
    return next((row for row in near if begins_at(row) <= (until or now) and ends_at(row) > now), None)


def refuse_in_blackout(now: dt.datetime, *, accepted: bool) -> None:
    """Raise InBlackoutError on black-out dates, unless somebody said that they know."""
    dark = blackout_at(now)
    if dark is not None and not accepted:
        raise InBlackoutError(
            Phrase(
                "These are black-out dates: %(reason)s, until the end of %(day)s", reason=dark.reason, day=dark.last_day
            ),
            hint=Phrase("Add --in-blackout to go on all the same."),
        )


@transaction.atomic
def add_blackout(
    first_day: dt.date, last_day: dt.date, reason: str, *, actor: Actor, now: dt.datetime, by: User | None = None
) -> Blackout:
    """Nothing shall happen by itself on these days. Raises BlackoutError, ZoneError."""
    words, zone = " ".join(reason.split())[:MAX_REASON], TIME_ZONE.get()
    zone_named(zone)
    if last_day < first_day:
        raise BlackoutError(Phrase("The last day comes before the first"), hint=Phrase("Give the first day first."))
    if not dt.date.min + 2 * A_DAY < first_day <= last_day < dt.date.max - 2 * A_DAY:
        raise BlackoutError(Phrase("These days are beyond every calendar"), hint=Phrase("Correct the year."))
    if not words:
        raise BlackoutError(Phrase("Black-out dates need a reason"), hint=Phrase("Say what goes on, such as exams."))
    if Blackout.objects.count() >= MOST:
        raise BlackoutError(Phrase("There are too many black-out dates"), hint=Phrase("Remove those that are over."))
    row = Blackout.objects.create(
        uuid=uuid.uuid4(), first_day=first_day, last_day=last_day, zone=zone, reason=words, added_by=by, added_at=now
    )
    _audited("upgrades.blackout_added", row, actor, now)
    return row


@transaction.atomic
def remove_blackout(key: uuid.UUID, *, actor: Actor, now: dt.datetime) -> Blackout:
    """Let go of black-out dates. Raises NotFoundError."""
    row = Blackout.objects.select_for_update().filter(uuid=key).first()
    if row is None:
        raise NotFoundError(Phrase("There are no such black-out dates"), hint=Phrase("Look at the list again."))
    _audited("upgrades.blackout_removed", row, actor, now)
    row.delete()
    return row


def as_dict(row: Blackout) -> Mapping[str, Any]:
    """For programs."""
    return {
        "id": str(row.uuid),
        "first_day": row.first_day.isoformat(),
        "last_day": row.last_day.isoformat(),
        "time_zone": row.zone,
        "begins_at": begins_at(row).isoformat(),
        "ends_at": ends_at(row).isoformat(),
        "reason": row.reason,
    }


def _audited(action: str, row: Blackout, actor: Actor, now: dt.datetime) -> None:
    details = {name: str(value) for name, value in as_dict(row).items() if name != "id"}
    audit.record(actor=actor, action=action, subject=f"blackout:{row.uuid}", at=now, details=details)
