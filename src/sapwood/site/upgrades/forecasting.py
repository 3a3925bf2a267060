"""Arithmetic of forecasts: how long something takes on all rows, from how long it took on few; nothing else.

A step takes `fixed + rate × work`, where the work is a number of rows, or rows times their logarithm where they are
sorted (an index). Neither part is ever negative. Small times are noisy, so a measurement counts by the inverse of its
variance. An interval widens with the way beyond the largest sample, with a poor fit, and where the machine is busy.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

# How exactly one run tells a time: so many seconds, and such a part of it. From repeated runs on a quiet machine.
NOISE_S: Final = 0.01
NOISE_SHARE: Final = 0.08
# What a straight line does not know (caches, logs that fill up): a part for the model, and more per doubling of rows.
MODEL_SHARE: Final = 0.08
PER_DOUBLING: Final = 0.05
# Eight of ten truths shall be inside; a little more is asked, because the variances are estimates themselves.
SCORE: Final = 1.5
MUCH_BETTER: Final = 6.0
FAR: Final = 2.0
MIDDLE: Final = 0.69  # the median of what pure noise gives (a chi-squared of two degrees of freedom, halved)
ENOUGH: Final = 5
"""From so many comparisons of forecast and truth on, an interval is drawn from them too."""
ALONE: Final = 20
"""From so many on, from them alone."""
ONE_IN: Final = 0.1
"""The share of truths that may lie below an interval, and of those above it."""
ASSUMED: Final = (0.8, 1.5)


@dataclass(frozen=True)
class Measured:
    """One measurement: how much work there was, and the seconds that it took."""

    work: float
    seconds: float


@dataclass(frozen=True)
class Forecast:
    """Seconds, and between which; of these `fixed` whatever the rows are."""

    low: float
    likely: float
    high: float
    fixed: float = 0.0

    def __add__(self, other: "Forecast") -> "Forecast":
        """Errors of one machine and one model go together, so the ends are added too."""
        return Forecast(
            self.low + other.low, self.likely + other.likely, self.high + other.high, self.fixed + other.fixed
        )

    def to_dict(self) -> dict[str, float]:
        """As JSON."""
        return {name: round(getattr(self, name), 3) for name in ("low", "likely", "high")}


NOTHING: Final = Forecast(0.0, 0.0, 0.0)


def total(parts: Iterable[Forecast]) -> Forecast:
    """One after the other."""
    return sum(parts, NOTHING)


def constant(seconds: Sequence[float], *, noise: float = 1.0) -> Forecast:
    """What does not depend on the rows: the middle of what was measured, and no less wide than a run is noisy."""
    if not seconds:
        return NOTHING
    ordered = sorted(max(0.0, one) for one in seconds)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    spread = SCORE * _noise(middle, noise)
    return Forecast(max(0.0, min(ordered[0], middle - spread)), middle, max(ordered[-1], middle + spread), middle)


def forecast(points: Sequence[Measured], work: float, *, sorts: bool = False, noise: float = 1.0) -> Forecast:
    """What `work` rows will take. `sorts`: an index is built, so rows times their logarithm unless the data deny it.

    `noise` is how much noisier this machine was than a quiet one.
    """
    points = [Measured(max(0.0, one.work), max(0.0, one.seconds)) for one in points]
    most = max((one.work for one in points), default=0.0)
    if len({one.work for one in points}) < 2 or work <= 0 or most <= 0:  # noqa: PLR2004 - a line needs two
        return constant([one.seconds for one in points], noise=noise)
    fits = {way: _fit(points, work, sorted_=way, noise=noise) for way in (False, True)}
    # The other way only where it fits far better: few points seldom tell a line from a slight bend.
    way = sorts if fits[sorts].misfit <= fits[not sorts].misfit + MUCH_BETTER else not sorts
    best, other = fits[way], fits[not way]
    doublings = max(0.0, math.log2(work / most))
    share = math.hypot(MODEL_SHARE, PER_DOUBLING * doublings)
    error = math.hypot(best.error, share * best.growth, _noise(best.seconds, noise))
    low, high = best.seconds - SCORE * error, best.seconds + SCORE * error * (1 + share)
    if sorts and other.misfit <= best.misfit + 1:  # which of the two it is cannot be told: between both then
        low, high = min(low, other.seconds), max(high, other.seconds)
    least = max((one.seconds for one in points if one.work == most), default=0.0)
    floor = min(best.seconds, 0.5 * least) if work >= most else 0.0
    return Forecast(max(0.0, floor, min(low, best.seconds)), best.seconds, max(high, best.seconds), best.fixed)


def noisiness(measured: Iterable[Sequence[Measured]]) -> float:
    """How much noisier a machine was than a quiet one, by how far measurements of many steps lie off their lines."""
    found = [
        _fit(points, max(one.work for one in points), sorted_=False).misfit / (len(points) - 2)
        for points in measured
        if len({one.work for one in points}) > 2  # noqa: PLR2004 - two points are always on a line
    ]
    if not found:
        return 1.0
    middle = sorted(found)[len(found) // 2]
    return max(1.0, math.sqrt(middle / MIDDLE))


@dataclass(frozen=True)
class _Fit:
    seconds: float
    fixed: float
    error: float
    misfit: float

    @property
    def growth(self) -> float:
        return max(0.0, self.seconds - self.fixed)


def _fit(points: Sequence[Measured], work: float, *, sorted_: bool, noise: float = 1.0) -> _Fit:
    """Weighted least squares of `fixed + rate × x`, both at least 0; the error is that of the forecast at `work`."""
    xs = [_load(one.work, sorted_=sorted_) for one in points]
    target = _load(work, sorted_=sorted_)
    scale = max(xs)
    xs, target = [x / scale for x in xs], target / scale
    sure = [1 / _noise(one.seconds, noise) ** 2 for one in points]
    weights = sure
    fixed, rate = _line(points, xs, weights)
    for _round in range(2):  # measurements far off the line count less (Huber)
        off = [_off(one, fixed + rate * x, noise) for one, x in zip(points, xs, strict=True)]
        weights = [weight * min(1.0, FAR / max(far, FAR)) for weight, far in zip(sure, off, strict=True)]
        fixed, rate = _line(points, xs, weights)
    misses = [_off(one, fixed + rate * x, noise) ** 2 for one, x in zip(points, xs, strict=True)]
    misfit = sum(misses)
    sw, swx, swxx = sum(weights), _dot(weights, xs), _dot(weights, [x * x for x in xs])
    spread = sw * swxx - swx * swx
    variance = (swxx - 2 * target * swx + target * target * sw) / spread if spread > 0 else 0.0
    # Two measurements' worth of belief in the noise that is assumed.
    worse = max(1.0, (2 + misfit) / (2 + max(0, len(points) - 2)))
    return _Fit(fixed + rate * target, fixed, math.sqrt(max(0.0, variance) * worse), misfit)


def _line(points: Sequence[Measured], xs: Sequence[float], weights: Sequence[float]) -> tuple[float, float]:
    ys = [one.seconds for one in points]
    sw, swx, swy = sum(weights), _dot(weights, xs), _dot(weights, ys)
    swxx, swxy = _dot(weights, [x * x for x in xs]), _dot(weights, [x * y for x, y in zip(xs, ys, strict=True)])
    spread = sw * swxx - swx * swx
    rate = (sw * swxy - swx * swy) / spread if spread > 1e-12 * sw * swxx else 0.0
    fixed = (swy - rate * swx) / sw
    if rate < 0:
        return swy / sw, 0.0
    if fixed < 0:
        return 0.0, swxy / swxx
    return fixed, rate


def _off(one: Measured, expected: float, noise: float) -> float:
    """How many deviations a measurement is off what was expected."""
    return abs(one.seconds - expected) / _noise(one.seconds, noise)


def _noise(seconds: float, noise: float) -> float:
    return noise * (NOISE_S + NOISE_SHARE * seconds)


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def _load(rows: float, *, sorted_: bool) -> float:
    return rows * math.log2(rows + 2) if sorted_ else rows


# --- what intervals rest on ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spread:
    """By what factors the truth may differ from what is likely, and on what that rests.

    `rests_on`: "assumption", "samples" (how well the samples fit), "comparisons" of forecasts and truths of this
    installation, or "both". `comparisons` is how many of these there are, whether or not they are enough.
    """

    low: float = ASSUMED[0]
    high: float = ASSUMED[1]
    rests_on: str = "assumption"
    comparisons: int = 0

    def around(self, seconds: float) -> dict[str, float]:
        """The interval around seconds."""
        return {
            "low": round(seconds * self.low, 3),
            "likely": round(seconds, 3),
            "high": round(seconds * self.high, 3),
        }

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "rests_on": self.rests_on,
            "comparisons": self.comparisons,
            "enough": ENOUGH,
            "low": round(self.low, 3),
            "high": round(self.high, 3),
        }


def learned(before: Spread, ratios: Iterable[float]) -> Spread:
    """A spread drawn from truths, each divided by what was likely, and from the one before, which fades.

    The quantiles are those of split conformal prediction (Lei and others 2018, section 2.2): so that of exchangeable
    truths at least eight of ten fall inside, the next one counts among those that may lie outside. Until there are
    ENOUGH nothing changes; until there are enough ALONE, what was believed before stands in for those that are missing.
    """
    logs = sorted(math.log(ratio) for ratio in ratios if ratio > 0 and math.isfinite(ratio))
    count = len(logs)
    if count < ENOUGH:
        return Spread(before.low, before.high, before.rests_on, count)
    belief = max(0, ALONE - count)
    weighted = [(one, 1.0) for one in logs]
    if belief:
        points = _believed(before)
        weighted += [(one, belief / len(points)) for one in points]
    low = -_quantile([(-one, weight) for one, weight in weighted], 1 - ONE_IN)
    high = _quantile(weighted, 1 - ONE_IN)
    rests_on = "both" if belief else "comparisons"
    return Spread(min(1.0, math.exp(low)), max(1.0, math.exp(high)), rests_on, count)


def _believed(before: Spread) -> list[float]:
    """Ten points whose lowest and highest are the ends of an interval, and whose middle is at what is likely."""
    low, high = math.log(min(1.0, before.low) or 1e-9), math.log(max(1.0, before.high))
    return [low * (5 - place) / 5 for place in range(5)] + [high * place / 5 for place in range(1, 6)]


def _quantile(weighted: Sequence[tuple[float, float]], level: float) -> float:
    """The smallest point below or at which lies this share of the weight, that of the next one included."""
    ordered = sorted(weighted)
    wanted = level * (sum(weight for _point, weight in ordered) + 1)
    reached = 0.0
    for point, weight in ordered:
        reached += weight
        if reached >= wanted - 1e-9:
            return point
    return ordered[-1][0]
