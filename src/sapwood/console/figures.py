"""Numbers, sizes, durations and instants in the reader's language: absolute first, relative beside."""

from datetime import date, datetime, timedelta
from typing import Any

from django.utils import formats, timezone
from django.utils.dateformat import format as format_instant
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy, pgettext

NBSP = "\u00a0"
_SIZES = (
    gettext_lazy("B"),
    gettext_lazy("kB"),
    gettext_lazy("MB"),
    gettext_lazy("GB"),
    gettext_lazy("TB"),
    gettext_lazy("PB"),
)
# Our own, because they stand behind a preposition here ("2 minutes ago"): some languages inflect them for it.
_TIME_WORDS: dict[str, Any] = {
    "year": ngettext_lazy("%(num)d year", "%(num)d years", "num"),
    "month": ngettext_lazy("%(num)d month", "%(num)d months", "num"),
    "week": ngettext_lazy("%(num)d week", "%(num)d weeks", "num"),
    "day": ngettext_lazy("%(num)d day", "%(num)d days", "num"),
    "hour": ngettext_lazy("%(num)d hour", "%(num)d hours", "num"),
    "minute": ngettext_lazy("%(num)d minute", "%(num)d minutes", "num"),
}
_THOUSAND = 1000
_JUST_NOW = timedelta(minutes=1)
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def number(value: float, unit: str = "", decimals: int | None = None) -> str:
    """A number with its grouping and its unit: `1,234.5 GB`; the two never part at a line's end."""
    shown = formats.number_format(value, decimal_pos=decimals, use_l10n=True, force_grouping=True)
    return f"{shown}{NBSP}{unit}" if unit else shown


def size(size_bytes: float) -> str:
    """Bytes in decimal units, with one decimal below ten: `2.0 GB`, `640 kB`."""
    value, place = float(size_bytes), 0
    while abs(value) >= _THOUSAND and place < len(_SIZES) - 1:
        value, place = value / _THOUSAND, place + 1
    decimals = 1 if place and abs(value) < 10 else 0  # noqa: PLR2004 - two leading digits are enough
    return number(value, str(_SIZES[place]), decimals)


def duration(duration_s: float) -> str:
    """A span of time in its two largest units: `4 min 20 s`, `3 h 5 min`, `2 d 4 h`."""
    total = round(abs(duration_s))
    if abs(duration_s) < 1:
        return number(abs(duration_s) * _THOUSAND, _("ms"), 0)
    days, rest = divmod(total, _DAY_S)
    hours, rest = divmod(rest, _HOUR_S)
    minutes, seconds = divmod(rest, _MINUTE_S)
    parts = ((days, _("d")), (hours, _("h")), (minutes, _("min")), (seconds, _("s")))
    first = next(place for place, (amount, _unit) in enumerate(parts) if amount)
    shown = [number(amount, unit) for amount, unit in parts[first : first + 2] if amount]
    return NBSP.join(shown)


def day(value: date) -> str:
    """A day: `15 Jan 2026`."""
    local = timezone.localtime(value) if isinstance(value, datetime) and timezone.is_aware(value) else value
    return format_instant(local, pgettext("date format, see Django's date filter", "j M Y"))


def is_month(planned_for: str) -> bool:
    """Whether a plan names a month, `2026-12`, and no day."""
    return planned_for.count("-") == 1


def planned(planned_for: str) -> str:
    """A day or a month of a plan as people write it: `9 Dec 2026`, `December 2026`."""
    if is_month(planned_for):
        return formats.date_format(date.fromisoformat(f"{planned_for}-01"), "YEAR_MONTH_FORMAT")
    return day(date.fromisoformat(planned_for))


def instant(value: datetime) -> str:
    """An instant in the reader's time zone: `15 Jan 2026, 14:05`."""
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    return format_instant(local, pgettext("date and time format, see Django's date filter", "j M Y, H:i"))


def relative(value: datetime, now: datetime) -> str:
    """How long ago, or how soon: `12 minutes ago`, `in 3 days`, `just now`."""
    if abs(now - value) < _JUST_NOW:
        return _("just now")
    if value < now:
        return _("%(time)s ago") % {"time": timesince(value, now, time_strings=_TIME_WORDS, depth=1)}
    return _("in %(time)s") % {"time": timesince(now, value, time_strings=_TIME_WORDS, depth=1)}


def relative_day(value: date, today: date) -> str:
    """How many days ago, or how soon, without pretending to know the hour."""
    days = (value - today).days
    if days == 0:
        return _("today")
    if days == -1:
        return _("yesterday")
    if days == 1:
        return _("tomorrow")
    if days < 0:
        return ngettext("%(n)s day ago", "%(n)s days ago", -days) % {"n": number(-days)}
    return ngettext("in %(n)s day", "in %(n)s days", days) % {"n": number(days)}
