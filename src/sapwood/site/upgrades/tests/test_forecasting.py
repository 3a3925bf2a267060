"""The arithmetic of forecasts: what holds for every measurement, and how it meets truths of a known kind."""

import math
import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sapwood.site.upgrades.forecasting import (
    ALONE,
    ASSUMED,
    ENOUGH,
    Measured,
    Spread,
    constant,
    forecast,
    learned,
    noisiness,
    total,
)

seconds = st.floats(0, 1e5, allow_nan=False)
rows = st.integers(0, 10**9)
points = st.lists(st.builds(Measured, rows, seconds), max_size=6)
SHARES = (0.0, 0.025, 0.05, 0.1)


@given(points, st.integers(0, 10**10), st.booleans())
def test_every_forecast_is_an_interval_around_what_is_likely_and_none_is_negative(found, work, sorts):
    made = forecast(found, work, sorts=sorts)
    assert 0 <= made.low <= made.likely <= made.high < math.inf
    assert 0 <= made.fixed <= made.likely + 1e-6


@given(points, st.integers(1, 10**9), st.integers(1, 100), st.booleans())
def test_more_rows_never_take_less_time(found, work, times, sorts):
    assume(max((one.work for one in found), default=0) > 0)
    assert forecast(found, work * times, sorts=False).likely >= forecast(found, work, sorts=False).likely * (1 - 1e-9)


@given(st.floats(0, 30), st.floats(1e-6, 1e-3), st.integers(20_000, 10**8), st.booleans())
def test_what_goes_exactly_by_the_rows_is_met(fixed, rate, work, sorts):
    def truth(count):
        return fixed + rate * (count * math.log2(count + 2) / 20 if sorts else count)

    made = forecast([Measured(share * work, truth(share * work)) for share in SHARES], work, sorts=sorts)
    assert made.low <= truth(work) <= made.high
    assert made.likely == pytest.approx(truth(work), rel=0.02, abs=0.02)


@given(st.floats(0.01, 30), st.integers(20_000, 10**8))
def test_what_does_not_depend_on_the_rows_stays_what_it_is(fixed, work):
    """Ten times the noise of small times is what a line through two points would foretell."""
    made = forecast([Measured(share * work, fixed) for share in SHARES], work)
    assert made.likely == pytest.approx(fixed, rel=0.01)
    assert made.fixed == pytest.approx(fixed, rel=0.01)


def test_a_rate_that_would_be_negative_is_none():
    falling = [Measured(0, 3.0), Measured(2_500, 2.9), Measured(5_000, 2.7), Measured(10_000, 2.6)]
    assert 2.5 < forecast(falling, 100_000).likely < 3.0


def test_one_wild_measurement_is_not_believed():
    truth = [Measured(share * 1_000_000, 0.1 + 20 * share) for share in SHARES]
    wild = [truth[0], Measured(truth[1].work, truth[1].seconds * 6), *truth[2:]]
    assert forecast(wild, 1_000_000).likely == pytest.approx(20.1, rel=0.25)


def test_nothing_measured_is_nothing_foretold():
    assert forecast([], 1000).high == constant([]).high == 0


@given(st.integers(0, 2**32))
@settings(max_examples=5)
def test_of_noisy_truths_at_least_eight_of_ten_are_inside(seed):
    """Noise as a quiet machine has it, on points and truth alike."""
    chance = random.Random(seed)
    inside = errors = 0.0
    for _step in range(200):
        fixed, rate = chance.choice([0.02, 0.2, 2.0]), chance.uniform(2e-6, 5e-5)

        def run(share, fixed=fixed, rate=rate):
            return (fixed + rate * share * 1_000_000) * chance.gauss(1, 0.06) + abs(chance.gauss(0, 0.01))

        made, truth = forecast([Measured(share * 1e6, run(share)) for share in SHARES], 1e6), run(1)
        inside += made.low <= truth <= made.high
        errors += abs(made.likely - truth) / truth
    assert inside / 200 >= 0.8
    assert errors / 200 <= 0.25


@given(st.integers(0, 2**32), st.sampled_from([1, 3, 6]))
@settings(max_examples=5)
def test_a_busy_machine_is_noticed_and_widens_every_interval(seed, times):
    chance = random.Random(seed)

    def run(share, fixed, rate):
        seen = chance.gauss(1, 0.07 * times) + abs(chance.gauss(0, 0.01 * times))
        return max(0.001, (fixed + rate * share * 1e6) * seen)

    steps = [(chance.choice([0.05, 0.5]), chance.uniform(2e-6, 5e-5)) for _step in range(100)]
    measured = [[Measured(share * 1e6, run(share, *step)) for share in SHARES] for step in steps]
    noise = noisiness(measured)
    inside = 0
    for step, its in zip(steps, measured, strict=True):
        made = forecast(its, 1e6, noise=noise)
        inside += made.low <= run(1, *step) <= made.high
    assert inside >= 75
    assert noise < 2.5 if times == 1 else noise > 1.2


@given(st.lists(points.map(lambda found: forecast(found, 10**6)), max_size=5))
def test_the_ends_of_a_sum_are_the_sums_of_the_ends(parts):
    made = total(parts)
    assert made.low == pytest.approx(sum(one.low for one in parts))
    assert made.high == pytest.approx(sum(one.high for one in parts))


# --- what intervals rest on ------------------------------------------------------------------------------------

ratios = st.lists(st.floats(0.01, 100), max_size=60)


@given(ratios, st.floats(0.05, 1), st.floats(1, 20))
def test_an_interval_always_holds_what_is_likely(found, low, high):
    made = learned(Spread(low, high), found)
    assert 0 < made.low <= 1 <= made.high
    assert made.comparisons == len(found)


@given(st.lists(st.floats(0.01, 100), max_size=ENOUGH - 1))
def test_too_few_comparisons_change_nothing(found):
    made = learned(Spread(), found)
    assert (made.low, made.high, made.rests_on) == (*ASSUMED, "assumption")


@given(st.lists(st.floats(0.3, 3), min_size=ALONE, max_size=80))
def test_many_comparisons_stand_alone_and_hold_eight_of_ten_of_themselves(found):
    made, other = learned(Spread(), found), learned(Spread(0.01, 99), found)
    assert (made.low, made.high, made.rests_on) == (other.low, other.high, "comparisons")
    inside = sum(made.low - 1e-9 <= one <= made.high + 1e-9 for one in found)
    assert inside >= 0.8 * len(found)


@given(st.integers(ENOUGH, ALONE + 20))
def test_the_assumption_fades_as_truths_come_in(count):
    exact = learned(Spread(), [1.0] * count)
    assert ASSUMED[0] <= exact.low <= 1 <= exact.high <= ASSUMED[1]
    if count >= ALONE:
        assert (exact.low, exact.high) == (1.0, 1.0)
    late = learned(Spread(), [2.0] * count)
    assert late.high == pytest.approx(2.0)
    assert late.rests_on == ("both" if count < ALONE else "comparisons")
