"""Local time that daylight saving cannot break: when a day begins, and when a weekly window opens and closes."""

import datetime as dt
from dataclasses import dataclass
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from sapwood.core.clock import UTC
from sapwood.core.errors import UsageError
from sapwood.formats.phrase import Phrase

LONGEST: Final = dt.timedelta(hours=24)
WEEK_DAYS: Final = 7


class ZoneError(UsageError):
    """A time zone is not known on this machine."""

    code = "upgrades.time_zone"


@cache
def zone_named(name: str) -> ZoneInfo:
    """A time zone of the IANA database (`Europe/Berlin`). Raises ZoneError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ZoneError(
            Phrase("There is no time zone %(name)s on this machine", name=repr(name)),
            hint=Phrase("Write it like Europe/Berlin; the package tzdata holds them."),
        ) from None


def instant_of(local: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """The first instant at which clocks of the zone show this time, or have just jumped over it."""
    if local.tzinfo is not None:
        raise ValueError("a local time carries no zone of its own")
    # PEP 495: where the time is skipped, fold=0 lies behind the jump and fold=1 before it.
    first, other = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None) == local:
        return first
    before, after = int(other.timestamp()), int(first.timestamp())
    new = first.astimezone(zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if dt.datetime.fromtimestamp(middle, zone).utcoffset() == new:
            after = middle
        else:
            before = middle
    return dt.datetime.fromtimestamp(after, UTC)


def day_begins(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """The first instant of a day, also where its midnight does not exist."""
    return instant_of(dt.datetime.combine(day, dt.time()), zone)


@dataclass(frozen=True)
class Opening:
    """One time for which a window is open."""

    opens_at: dt.datetime
    closes_at: dt.datetime


@dataclass(frozen=True)
class Window:
    """A time each week: `day` counts from Monday, 0; the length is counted in hours that pass, not on the dial."""

    day: int
    start: dt.time
    length: dt.timedelta
    zone: str

    def open_at(self, now: dt.datetime) -> Opening | None:
        """The time for which it is open now."""
        return next((one for one in self._around(now) if one.opens_at <= now < one.closes_at), None)

    def next_after(self, now: dt.datetime) -> Opening:
        """The next time that it opens."""
        return next(one for one in self._around(now) if one.opens_at > now)

    def _around(self, now: dt.datetime) -> list[Opening]:
        zone = zone_named(self.zone)
        today = now.astimezone(zone).date()
        back = (today.weekday() - self.day) % WEEK_DAYS
        days = [today + dt.timedelta(days=WEEK_DAYS * weeks - back) for weeks in (-1, 0, 1, 2)]
        opens = [instant_of(dt.datetime.combine(day, self.start), zone) for day in days]
        return [Opening(instant, instant + self.length) for instant in opens]
