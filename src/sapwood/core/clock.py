"""Time is an argument: doors take it from here and hand it down."""

import datetime as dt
from typing import Protocol

UTC = dt.UTC


class Clock(Protocol):
    """Anything that can tell the time, aware and in UTC."""

    def now(self) -> dt.datetime:
        """The present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> dt.datetime:
        """The present instant, aware, in UTC."""
        return dt.datetime.now(tz=UTC)  # noqa: TID251 - the one place that asks the machine


class FixedClock:
    """A clock that moves only when told to: for tests and for `--as-of`."""

    def __init__(self, instant: dt.datetime) -> None:
        self._instant = instant

    def now(self) -> dt.datetime:
        """The instant that was set."""
        return self._instant

    def advance(self, by: dt.timedelta) -> dt.datetime:
        """Move on and return the new instant."""
        self._instant += by
        return self._instant


def system_clock() -> Clock:
    """The clock that doors use."""
    return SystemClock()
