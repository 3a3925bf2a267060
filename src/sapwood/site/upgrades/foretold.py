"""What rehearsals foretold, kept and held against what upgrades took.

Beside the journals of a deployment stands a file with one line for each forecast; with the journals it is the truth,
whoever rehearsed and whoever upgraded, by command or by worker. The database mirrors it for the pages.
"""

import contextlib
import datetime as dt
import json
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from django.db import Error as DatabaseError

from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.site.upgrades import journal as journals
from sapwood.site.upgrades import rehearsing, sampled
from sapwood.site.upgrades.data import Subject
from sapwood.site.upgrades.engines.base import Say
from sapwood.site.upgrades.forecasting import learned
from sapwood.site.upgrades.models import ForecastRecord
from sapwood.site.upgrades.offers import key_of
from sapwood.site.upgrades.planning import Plan
from sapwood.site.upgrades.preflight import Preflight
from sapwood.site.upgrades.rehearsing import Rehearsal

FORECASTS: Final = "forecasts.jsonl"
DOWNTIME, ROLLBACK = "downtime", "rollback"
WHATS: Final = (DOWNTIME, ROLLBACK)
CERTIFICATE: Final = "certificate"
"""The technique of a forecast of which only the certificate is known, that an upgrade began with."""


class Line(Protocol):
    """A line of a journal, from its file or from the database."""

    @property
    def at(self) -> dt.datetime: ...
    @property
    def event(self) -> str: ...
    @property
    def details(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Foretold:
    """One forecast: intervals of seconds by what they are of; `labels` is the digest of the migrations in it."""

    key: str
    at: dt.datetime
    technique: str
    plan: str
    labels: str
    verdict: str
    intervals: Mapping[str, Mapping[str, float]]
    basis: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def sampled(self) -> bool:
        """Whether it is drawn from samples."""
        return self.technique == sampled.SAMPLE

    def to_dict(self) -> dict[str, Any]:
        """As a line of the file."""
        return {**vars(self), "at": self.at.isoformat()}


@dataclass(frozen=True)
class Outcome:
    """What an upgrade took, from its journal; None for what did not happen."""

    run: str
    began_at: dt.datetime
    labels: str
    took: Mapping[str, float | None]
    steps: Mapping[str, float]
    certified: Mapping[str, Mapping[str, float] | None]


@dataclass(frozen=True)
class Comparison:
    """One forecast held against what came true."""

    what: str
    technique: str
    at: dt.datetime
    run: str
    low: float
    likely: float
    high: float
    actual: float

    @property
    def inside(self) -> bool:
        """Whether the truth lay inside the interval."""
        return self.low <= self.actual <= self.high

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self), "at": self.at.isoformat(), "inside": self.inside}


def rehearse(  # noqa: PLR0913 - what, where, for whom, and what is known already
    subject: Subject,
    *,
    work: Path,
    now: dt.datetime,
    say: Say = lambda _line: None,
    plan: Plan | None = None,
    before: Preflight | None = None,
    about: Mapping[str, Any] | None = None,
    masking: bool = False,
) -> Rehearsal:
    """Rehearse as the subject asks, on a copy or on samples; what it foretells is kept, and rests on what was kept."""
    by_samples = subject.technique == sampled.SAMPLE
    if by_samples:  # samples never say go, so nothing else makes their verdict worse
        found = sampled.rehearse(subject, work=work, now=now, masking=masking, say=say)
        found.before, found.about = before, about or {}
    else:
        given: dict[str, Any] = {"plan": plan, "before": before, "about": about, "masking": masking}
        found = rehearsing.rehearse(subject, work=work, now=now, say=say, **given)
    return learn_and_keep(found, subject, work)


def learn_and_keep(found: Rehearsal, subject: Subject, work: Path) -> Rehearsal:
    """Draw a rehearsal's intervals from what earlier ones were worth, as far as these go, and write them down."""
    truths = latest_ratios(kept_comparisons(work), sampled_=found.technique == sampled.SAMPLE)
    found.spreads = {what: learned(spread, truths[what]) for what, spread in found.spreads.items()}
    keep(found, subject, work)
    return found


# --- keeping ---------------------------------------------------------------------------------------------------


def keep(found: Rehearsal, subject: Subject, work: Path) -> Foretold:
    """Write a rehearsal's forecast down, and into the database what stands in the file and not there."""
    times = found.to_dict()
    one = Foretold(
        key=uuid.uuid4().hex,
        at=found.started_at,
        technique=found.technique,
        plan=found.plan.digest,
        labels=labels_of((migration.label for migration in found.plan.migrations), found.plan.digest),
        verdict=found.verdict.value,
        intervals={what: times[f"predicted_{what}_s"] for what in WHATS},
        basis=times["interval_basis"],
        steps={
            f"{row['app']}.{row['name']}": row.get("forecast_s") or {"likely": round(row["seconds"], 3)}
            for row in found.migrations
            if row.get("database", "default") == "default" and row.get("seconds") is not None
        },
    )
    path = journals.home(subject, work) / FORECASTS
    journals.append(path, json.dumps(one.to_dict(), ensure_ascii=False).encode() + b"\n")
    with contextlib.suppress(DatabaseError):  # the file is the truth, and the next forecast brings this one along
        mirror(subject, read(path))
    return one


def mirror(subject: Subject, forecasts: Sequence[Foretold]) -> None:
    """Write into the database what it does not know yet."""
    place = key_of(subject.path)
    known = set(ForecastRecord.objects.filter(place=place).values_list("key", flat=True))
    ForecastRecord.objects.bulk_create(
        (
            ForecastRecord(
                key=one.key,
                place=place,
                subject=subject.name,
                at=one.at,
                technique=one.technique,
                plan=one.plan,
                labels=one.labels,
                verdict=one.verdict,
                intervals=dict(one.intervals),
                basis=dict(one.basis),
                steps=dict(one.steps),
            )
            for one in forecasts
            if one.key not in known
        ),
        ignore_conflicts=True,
    )


def read(path: Path) -> list[Foretold]:
    """The forecasts of a file, oldest first; a line that a crash cut off never counted."""
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            data = json.loads(line)
            found.append(Foretold(**{**data, "at": dt.datetime.fromisoformat(data["at"])}))
    return found


def recorded(place: str) -> list[Foretold]:
    """The forecasts of a deployment that the database knows, oldest first."""
    names = ("key", "at", "technique", "plan", "labels", "verdict", "intervals", "basis", "steps")
    return [Foretold(**row) for row in ForecastRecord.objects.filter(place=place).order_by("at").values(*names)]


def labels_of(labels: Iterable[str], plan: str) -> str:
    """What a forecast is about, as a digest: an upgrade that runs the same migrations.

    Where a plan lists none (a Tutor site's), it is that very plan.
    """
    return sha256_hex(canonical_bytes([*sorted(labels)] or [plan]))


# --- comparing -------------------------------------------------------------------------------------------------


def outcome(run: str, lines: Sequence[Line]) -> Outcome | None:
    """What an upgrade took, from its journal's lines; None before the first of them."""
    if not lines or lines[0].event != "begun":
        return None
    begun = lines[0].details
    took: dict[str, float | None] = {DOWNTIME: None, ROLLBACK: None}
    steps: dict[str, float] = {}
    restored = False
    for line in lines:
        if line.event == "finished":
            took[DOWNTIME] = _seconds(line.details.get("downtime_s"))
        elif line.event == "back":
            restored = bool(line.details.get("kind"))
        elif line.event == "rolled_back" and restored:
            took[ROLLBACK] = _seconds(line.details.get("seconds"))
        elif line.event == "migration_done" and line.details.get("alias") == "default":
            steps[str(line.details["label"])] = float(line.details["seconds"])
    ran = [*begun.get("early", ()), *begun.get("rest", ()), *begun.get("postponed", ())]
    certified = {what: begun.get(f"predicted_{what}_s") for what in WHATS}
    return Outcome(run, lines[0].at, labels_of(ran, str(begun.get("plan"))), took, steps, certified)


def compare(forecasts: Iterable[Foretold], outcomes: Sequence[Outcome]) -> list[Comparison]:
    """Each forecast against the first upgrade after it that ran the same migrations, by upgrade, oldest first."""
    ordered = sorted(outcomes, key=lambda one: one.began_at)
    found = _held(forecasts, ordered)
    # A certificate repeats the forecast of its rehearsal, which counts once.
    known = {(one.run, one.what, one.likely) for one in found}
    certified = _held([one for one in map(_certified, ordered) if one is not None], ordered)
    found += [one for one in certified if (one.run, one.what, one.likely) not in known]
    return sorted(found, key=lambda one: (one.run, one.what, one.at))


def _held(forecasts: Iterable[Foretold], outcomes: Sequence[Outcome]) -> list[Comparison]:
    found = []
    for one in forecasts:
        for what in WHATS:
            interval = one.intervals.get(what)
            truth = next((run for run in outcomes if _answers(run, one, what)), None)
            if interval is not None and truth is not None:
                low, likely, high = (float(interval[name]) for name in ("low", "likely", "high"))
                actual = float(truth.took[what] or 0.0)
                found.append(Comparison(what, one.technique, one.at, truth.run, low, likely, high, actual))
    return found


def latest_ratios(comparisons: Iterable[Comparison], *, sampled_: bool) -> dict[str, list[float]]:
    """Truth over what was likely, one for each upgrade: the last forecast before it, of rehearsals of this kind."""
    last: dict[tuple[str, str], Comparison] = {}
    for one in sorted(comparisons, key=lambda one: one.at):
        if (one.technique == sampled.SAMPLE) is sampled_ and one.likely > 0 and one.actual > 0:
            last[one.what, one.run] = one
    return {what: [one.actual / one.likely for (kind, _run), one in last.items() if kind == what] for what in WHATS}


def kept_comparisons(work: Path) -> list[Comparison]:
    """Every forecast of this installation that came true or did not, of every deployment."""
    found: list[Comparison] = []
    for home in sorted((work / "runs").glob("*")):
        found += comparisons_in(home)
    return found


def comparisons_in(home: Path) -> list[Comparison]:
    """Those of one deployment, from its folder."""
    runs = sorted(path for path in home.glob("2*") if path.is_dir())
    outcomes = [outcome(path.name, journals.entries_of(path / journals.JOURNAL)) for path in runs]
    return compare(read(home / FORECASTS), [one for one in outcomes if one is not None])


def _certified(run: Outcome) -> Foretold | None:
    intervals = {what: one for what, one in run.certified.items() if one}
    if not intervals:
        return None
    return Foretold(run.run, run.began_at, CERTIFICATE, "", run.labels, "go", intervals)


def _answers(run: Outcome, one: Foretold, what: str) -> bool:
    return run.began_at >= one.at and run.labels == one.labels and bool(run.took[what])


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
