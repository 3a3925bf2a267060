"""Instants that a feed states. A date in doubt is no date."""

import datetime as dt
import re
from email.utils import parsedate_to_datetime

_EARLIEST = dt.datetime(1995, 1, 1, tzinfo=dt.UTC)  # before the first feeds: zero clocks and empty databases
_AHEAD = dt.timedelta(hours=1)
_DAY_ONLY = re.compile(r"\d{4}-\d{2}-\d{2}")
_RFC_822_UTC = re.compile(r".*(-0000|\b(UT|UTC|GMT|Z))\s*(\(.*\))?", re.IGNORECASE)


def instant(raw: str, now: dt.datetime, what: str) -> tuple[dt.datetime | None, str]:
    """The instant in UTC, or None with the problem in words; no text at all is None without a problem."""
    text = raw.strip()[:100]
    if not text:
        return None, ""
    try:
        found = _parse(text)
        if found.tzinfo is None:
            return None, f"The date of {what} has no time zone."
        found = found.astimezone(dt.UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None, f"The date of {what} cannot be read."
    if found < _EARLIEST:
        return None, f"The date of {what} is impossible: {found:%Y-%m-%d}."
    if found > now + _AHEAD:
        return None, f"The date of {what} lies in the future: {found:%Y-%m-%d %H:%M} UTC."
    return found, ""


def _parse(text: str) -> dt.datetime:
    if text[:1].isdigit() and text[4:5] == "-":
        # A day alone has no time and no zone.
        return dt.datetime.fromisoformat(text) if not _DAY_ONLY.fullmatch(text) else dt.datetime.min  # noqa: DTZ901
    found = parsedate_to_datetime(text)
    if found.tzinfo is None and _RFC_822_UTC.fullmatch(text):
        return found.replace(tzinfo=dt.UTC)
    return found
