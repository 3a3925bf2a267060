"""Local time over the changes between summer and winter: hard case 20, for windows and for days."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapwood.site.upgrades.windows import Window, ZoneError, day_begins, instant_of, zone_named

BERLIN, SANTIAGO = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Santiago")
SATURDAY, SUNDAY = 5, 6
HOUR = dt.timedelta(hours=1)


def utc(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("zone", "local", "instant"),
    [
        (BERLIN, "2026-03-28T02:30", "2026-03-28T01:30"),
        (BERLIN, "2026-03-29T02:30", "2026-03-29T01:00"),  # the night on which it does not exist: 03:00 of summer
        (BERLIN, "2026-03-29T03:00", "2026-03-29T01:00"),
        (BERLIN, "2026-10-25T02:30", "2026-10-25T00:30"),  # the night that has it twice: the first
        (BERLIN, "2026-10-25T03:00", "2026-10-25T02:00"),
        (SANTIAGO, "2026-09-06T00:00", "2026-09-06T04:00"),  # midnight does not exist: one o'clock of summer
        (SANTIAGO, "2026-09-06T00:30", "2026-09-06T04:00"),
        (SANTIAGO, "2026-04-04T23:30", "2026-04-05T02:30"),  # twice: the first, of summer
        (SANTIAGO, "2026-04-05T00:00", "2026-04-05T04:00"),
    ],
)
def test_a_local_time_is_one_instant(zone, local, instant):
    assert instant_of(dt.datetime.fromisoformat(local), zone) == utc(instant)


@given(
    st.sampled_from(["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]),
    st.dates(dt.date(2009, 1, 1), dt.date(2036, 1, 1)),
    st.times(),
)
def test_no_clock_shows_less_at_that_instant_and_a_moment_before_it_had_not_come(name, day, time):
    zone, local = zone_named(name), dt.datetime.combine(day, time.replace(microsecond=0))
    found = instant_of(local, zone)
    shown = found.astimezone(zone).replace(tzinfo=None)
    assert shown >= local
    before = (found - dt.timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
    assert before < local or found.astimezone(zone).fold == 0


def test_a_day_without_midnight_begins_all_the_same():
    assert day_begins(dt.date(2026, 9, 6), SANTIAGO) == utc("2026-09-06T04:00")
    assert day_begins(dt.date(2026, 9, 7), SANTIAGO) - day_begins(dt.date(2026, 9, 6), SANTIAGO) == 23 * HOUR
    assert day_begins(dt.date(2026, 10, 26), BERLIN) - day_begins(dt.date(2026, 10, 25), BERLIN) == 25 * HOUR


def openings(window, start, end, step=dt.timedelta(minutes=5)):
    """Every time that a window opens, as one sees who looks every five minutes."""
    found, now = [], start
    while now < end:
        opening = window.open_at(now)
        if opening is not None and opening not in found:
            found.append(opening)
        now += step
    return found


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-07-05"])
def test_a_window_of_half_past_two_opens_once_and_for_its_length(day):
    window = Window(SUNDAY, dt.time(2, 30), 2 * HOUR, "Europe/Berlin")
    start = utc(day) - 12 * HOUR
    found = openings(window, start, start + 36 * HOUR)
    assert len(found) == 1
    assert found[0].closes_at - found[0].opens_at == 2 * HOUR
    assert window.open_at(found[0].opens_at) == found[0]
    assert window.open_at(found[0].closes_at) is None
    assert window.open_at(found[0].opens_at - dt.timedelta(seconds=1)) is None
    assert window.next_after(start) == found[0]
    assert window.next_after(found[0].opens_at).opens_at.astimezone(BERLIN).time() == dt.time(2, 30)


@pytest.mark.parametrize("day", ["2026-04-05", "2026-09-06"])
def test_a_window_over_midnight_in_santiago(day):
    window = Window(SATURDAY, dt.time(23, 30), 3 * HOUR, "America/Santiago")
    start = utc(day) - 12 * HOUR
    (found,) = openings(window, start, start + 36 * HOUR)
    assert found.closes_at - found.opens_at == 3 * HOUR
    assert found.opens_at.astimezone(SANTIAGO).weekday() == SATURDAY


def test_a_window_that_is_a_day_long_is_still_open_on_the_next_day():
    window = Window(SATURDAY, dt.time(20), 24 * HOUR, "UTC")
    opening = window.open_at(utc("2026-11-22T19:59"))
    assert opening is not None
    assert opening.opens_at == utc("2026-11-21T20:00")


@pytest.mark.parametrize("name", ["Nowhere/Atlantis", "", "../../etc/passwd", "Europe", "\0"])
def test_a_zone_that_is_none_is_said_in_one_line(name):
    with pytest.raises(ZoneError):
        zone_named(name)
