"""A rehearsal on samples: the same upgrade on a few samples of growing size, and from that what it takes on all rows.

Each sample is rehearsed as if it were the site, so whatever a rehearsal does, it does here. What it tells is time: a
row that breaks a migration may not be among those that were drawn, so the verdict is at most unknown, and there is no
certificate.
"""

import contextlib
import dataclasses
import datetime as dt
import importlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sapwood.core.errors import SapwoodError
from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades import rehearsing, suites
from sapwood.site.upgrades.data import DatabaseUrl, Subject, Verdict
from sapwood.site.upgrades.drivers.django import one
from sapwood.site.upgrades.engines.base import Say, engine_for, require_room, same_release
from sapwood.site.upgrades.forecasting import Forecast, Measured, Spread, constant, forecast, noisiness, total
from sapwood.site.upgrades.isolation import Level
from sapwood.site.upgrades.planning import make_plan, readable
from sapwood.site.upgrades.rehearsing import Rehearsal
from sapwood.site.upgrades.sampling.drawing import Drawn, draw
from sapwood.site.upgrades.sampling.graph import Relation
from sapwood.site.upgrades.scratch import private_folder

SAMPLE: Final = "sample"
SHARES: Final = (0.0, 0.025, 0.05, 0.1)
"""The first holds the small tables only: what it takes is what the upgrade takes whatever the rows are."""
SHOWN_TABLES: Final = 20
ROOM_FACTOR: Final = 4  # the samples, the copy that is rehearsed, its backup, what an ALTER writes beside it
# What costs the same however many rows there are, and what sorts them.
INSTANT: Final = {"INSTANT", "metadata", "ACCESS SHARE", "none"}
SORTS: Final = {"NOCOPY", "SHARE", "SHARE UPDATE EXCLUSIVE"}
BY_ROWS: Final = {"data", "unknown"}
ONLY_TIME: Final = Phrase(
    "A sample of the rows tells how long the upgrade takes, not that it works: a row that breaks it may not be in it."
)
MEASURED_ON_SAMPLE: Final = Phrase("only a sample was measured")
NOT_DRAWN: Final = Phrase("the rows that are not in the sample, and so whether values are unique, present or fit")

Databases = Mapping[str, DatabaseUrl]


@dataclasses.dataclass(frozen=True)
class Sample:
    """One sample of every database, what was rehearsed on it, and how heavy it is."""

    share: float
    drawn: Mapping[str, Drawn]
    urls: Databases
    found: Rehearsal | None = None


def rehearse(
    subject: Subject,
    *,
    work: Path,
    now: dt.datetime,
    say: Say = lambda _line: None,
    shares: Sequence[float] = SHARES,
    masking: bool = False,
) -> Rehearsal:
    """Run the upgrade on samples of the subject's databases, which are removed, also after an error."""
    suites.require(subject)
    with private_folder(work) as folder:
        say("reading both environments")
        plan = make_plan(subject, folder / "plan")
        size = sum(engine_for(url).size(url) for url in subject.databases.values())
        require_room(folder, int(size * sum(shares) * ROOM_FACTOR))
        known = known_relations(subject, folder / "relations")
        with contextlib.ExitStack() as stack:
            began = time.perf_counter()
            samples = list(draw_samples(subject, folder, shares, known, stack, say))
            drawing_s = time.perf_counter() - began
            technique = _technique(subject.databases)
            for number, sample in enumerate(samples, 1):
                say(f"rehearsing sample {number} of {len(samples)}")
                last = number == len(samples)
                derived = dataclasses.replace(
                    subject, databases=sample.urls, technique=technique, packs=subject.packs if last else ()
                )
                with contextlib.nullcontext() if last else contextlib.suppress(SapwoodError):
                    found = rehearsing.rehearse(derived, work=work, now=now, masking=masking, say=say)
                    samples[number - 1] = dataclasses.replace(sample, found=found)
            whole = _conclude(subject, samples)
            whole.doubts += _other_servers(subject, samples[-1].urls)
    whole.plan, whole.copy_s = plan, whole.copy_s + drawing_s
    _judge(whole)
    return whole


# --- drawing ---------------------------------------------------------------------------------------------------


def known_relations(subject: Subject, scratch: Path) -> Mapping[str, list[Relation]]:
    """What the models of the running release say points where: databases do not declare all of it."""
    answer = one(
        subject, subject.current, "relations", databases=readable(subject), scratch=scratch, level=Level.READING
    )
    return {
        alias: [Relation(row[0], (row[1],), row[2], (row[3],)) for row in rows]
        for alias, rows in answer["databases"].items()
    }


def draw_samples(
    subject: Subject,
    folder: Path,
    shares: Sequence[float],
    known: Mapping[str, list[Relation]],
    stack: contextlib.ExitStack,
    say: Say,
) -> Iterator[Sample]:
    """Every sample, the smallest first: the largest is drawn from the site, each other one from the next larger."""
    made: list[tuple[dict[str, Drawn], dict[str, DatabaseUrl]]] = [({}, {}) for _share in shares]
    for alias, url in subject.databases.items():
        sampler: Any = importlib.import_module(f"{__package__}.sampling.{_MODULES[url.vendor]}")
        source, place = stack.enter_context(sampler.serving(url, folder / alias, say))
        whole: Mapping[str, int] | None = None
        for number in reversed(range(len(shares))):
            with sampler.drawing(source, place, number) as (drawing, target):
                drawn = draw(drawing, shares[number], say, known=known.get(alias, ()), of=whole)
            whole = drawn.of
            made[number][0][alias], made[number][1][alias] = drawn, target
            source = target
    yield from (Sample(share, *pair) for share, pair in zip(shares, made, strict=True))


_MODULES: Final = {"sqlite3": "sqlite", "mysql": "mysql", "postgresql": "postgresql"}


def _technique(databases: Databases) -> str:
    """How a sample is copied: a copy of all files of its server would copy the other samples too."""
    kinds = {url.vendor == "sqlite3" for url in databases.values()}
    return "auto" if len(kinds) > 1 else "file-copy" if True in kinds else "logical"


def _other_servers(subject: Subject, urls: Databases) -> Iterator[str]:
    for alias, url in subject.databases.items():
        engine = engine_for(url)
        here, there = engine.version(urls[alias]), engine.version(url)
        if not same_release(here, there):
            yield f"The copy ran on {here}, the subject runs on {there}: times and errors may differ."


# --- from samples to all rows ----------------------------------------------------------------------------------


def _conclude(subject: Subject, samples: Sequence[Sample]) -> Rehearsal:
    """The rehearsal of the largest sample, with every time replaced by its forecast for all rows."""
    largest = samples[-1]
    if largest.found is None:  # its errors are raised, so this is for the types
        raise TypeError
    found = largest.found
    measured = [sample for sample in samples if sample.found is not None]
    by_label = [_by_label(sample) for sample in measured]
    points = {key: _points(key, row, measured, by_label) for key, row in by_label[-1].items() if _ran(row)}
    noise = noisiness(
        [Measured(one_.rows, one_.sql_s + one_.python_s) for one_ in its] for its, _rows in points.values()
    )
    steps = {key: _step(by_label[-1][key], *its, noise) for key, its in points.items()}
    before = {key for key in steps if key[0] == "default" and key[1] in found.early}

    def beside(seconds: Callable[[Rehearsal], float], keys: Callable[[tuple[str, str]], bool]) -> Forecast:
        """What a part of the migrations takes beside them: starting, reading the models, signals."""
        rest = []
        for sample, rows in zip(measured, by_label, strict=True):
            mine = sum(float(row["seconds"] or 0) for key, row in rows.items() if keys(key))
            rest.append(max(0.0, seconds(_of(sample)) - mine))
        return constant(rest, noise=noise)

    migrate = total([*steps.values(), beside(lambda one_: one_.migrate_s, lambda _key: True)])
    early = total([*(steps[key] for key in before), beside(lambda one_: one_.early_s, before.__contains__)])
    parts = {
        "backup": _by_weight(measured, lambda one_: one_.backup_s, noise),
        "migrate": migrate,
        "check": _by_weight(measured, lambda one_: one_.check_s, noise, in_bytes=False),
        "restore": _by_weight(measured, lambda one_: one_.restore_s, noise),
    }
    _put(found, parts, early if found.early else None, steps)
    for row in found.migrations:
        if its := points.get((row["database"], f"{row['app']}.{row['name']}")):
            row["measured"] = {"on": [one_.to_dict() for one_ in its[0]], "rows": its[1]}
    found.subject, found.technique = subject.name, SAMPLE
    found.technique_why = "samples of " + ", ".join(f"{sample.share:.1%}" for sample in samples)
    found.samples = [_described(sample) for sample in samples]
    found.subject_file = str(subject.path)
    return found


def _put(
    found: Rehearsal, parts: Mapping[str, Forecast], early: Forecast | None, steps: Mapping[tuple[str, str], Forecast]
) -> None:
    for row in found.migrations:
        step = steps.get((row["database"], f"{row['app']}.{row['name']}"))
        row |= {"bytes_delta": None, "size_why": MEASURED_ON_SAMPLE}
        if step is not None:
            python = min(1.0, (row["state_seconds"] or 0) / row["seconds"]) if row["seconds"] else 0.0
            row |= {"sampled_seconds": row["seconds"], "forecast_s": step.to_dict(), "seconds": step.likely}
            row |= {"sql_seconds": step.likely * (1 - python), "state_seconds": step.likely * python}
    downtime = parts["backup"] + parts["migrate"] + parts["check"]
    found.backup_s, found.migrate_s = parts["backup"].likely, parts["migrate"].likely
    found.check_s, found.restore_s = parts["check"].likely, parts["restore"].likely
    found.early_s = early.likely if early else 0.0
    low, high = (downtime.low, downtime.high) if early is None else _without(downtime, early)
    found.spreads = {
        "downtime": _spread(low, found.downtime_s, high),
        "rollback": _spread(parts["restore"].low, found.restore_s, parts["restore"].high),
    }
    found.sizes = []


def _without(whole: Forecast, part: Forecast) -> tuple[float, float]:
    return max(0.0, whole.low - part.low), max(0.0, whole.high - part.high)


def _spread(low: float, likely: float, high: float) -> Spread:
    if likely <= 0:
        return Spread(rests_on="samples")
    return Spread(min(1.0, low / likely), max(1.0, high / likely), "samples")


def _of(sample: Sample) -> Rehearsal:
    if sample.found is None:
        raise TypeError
    return sample.found


def _by_label(sample: Sample) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(row["database"], f"{row['app']}.{row['name']}"): dict(row) for row in _of(sample).migrations}


def _ran(row: Mapping[str, Any] | None) -> bool:
    return row is not None and row["outcome"] == "done"


@dataclasses.dataclass(frozen=True)
class Point:
    """What one migration took on one sample, and the rows of the tables that it works on there."""

    rows: float
    sql_s: float
    python_s: float

    def to_dict(self) -> dict[str, float]:
        """As JSON."""
        return {
            "rows": self.rows,
            "sql_seconds": round(self.sql_s, 4),
            "state_seconds": round(self.python_s, 4),
        }


def _points(
    key: tuple[str, str],
    row: Mapping[str, Any],
    samples: Sequence[Sample],
    rows: Sequence[Mapping[tuple[str, str], Mapping[str, Any]]],
) -> tuple[list[Point], float]:
    """What a migration took on each sample, and the rows that it works on in the whole database."""
    alias = key[0]
    of = samples[-1].drawn[alias].of
    tables = touched(row, of)
    found = []
    for sample, its in zip(samples, rows, strict=True):
        if (one_ := its.get(key)) is not None and _ran(one_):
            count = sum(sample.drawn[alias].rows.get(name, 0) for name in tables)
            found.append(Point(count, float(one_["sql_seconds"] or 0), float(one_["state_seconds"] or 0)))
    return found, float(sum(of.get(name, 0) for name in tables))


def _step(row: Mapping[str, Any], points: Sequence[Point], everything: float, noise: float) -> Forecast:
    """One migration on all rows: the database's time and Python's, each by the rows that it works on."""
    costs = set(row.get("algorithms") or ())
    by_rows, sorts = bool(BY_ROWS & set(row["classes"])), bool(costs & SORTS)
    database = (
        constant([one_.sql_s for one_ in points], noise=noise)
        if costs and costs <= INSTANT and not by_rows
        else forecast([Measured(one_.rows, one_.sql_s) for one_ in points], everything, sorts=sorts, noise=noise)
    )
    # Without code of its own, what a migration does in Python is making models, however many rows there are.
    python = (
        forecast([Measured(one_.rows, one_.python_s) for one_ in points], everything, noise=noise)
        if by_rows
        else constant([one_.python_s for one_ in points], noise=noise)
    )
    return database + python


def touched(row: Mapping[str, Any], known: Iterable[str]) -> set[str]:
    """The tables by whose rows a migration's time is told: those its statements name, or else all."""
    tables = set(known)
    words: set[str] = set()
    for statement in row.get("slowest") or ():
        words.update(re.findall(r"[\w$]+", str(statement["sql"])))
    return (set(row.get("tables") or ()) | words) & tables or tables


def _by_weight(
    samples: Sequence[Sample], seconds: Callable[[Rehearsal], float], noise: float, *, in_bytes: bool = True
) -> Forecast:
    """What goes through all rows, by how heavy these are."""
    weights = _row_weights(samples[-1]) if in_bytes else {}

    def weight(rows: Mapping[str, Mapping[str, int]]) -> float:
        return sum(
            count * (weights.get((alias, name), 0.0) if weights else 1.0)
            for alias, counts in rows.items()
            for name, count in counts.items()
        )

    points = [
        Measured(weight({alias: drawn.rows for alias, drawn in sample.drawn.items()}), seconds(_of(sample)))
        for sample in samples
    ]
    return forecast(points, weight({alias: drawn.of for alias, drawn in samples[-1].drawn.items()}), noise=noise)


def _row_weights(sample: Sample) -> dict[tuple[str, str], float]:
    """Bytes of a row in each table of the largest sample; nothing where the server tells no sizes."""
    found = {}
    for alias, url in sample.urls.items():
        rows = sample.drawn[alias].rows
        for name, (_estimate, size) in engine_for(url).tables(url).items():
            if rows.get(name):
                found[alias, name] = size / rows[name]
    return found if any(found.values()) else {}


def _described(sample: Sample) -> dict[str, Any]:
    """For the report: how large it was, and what it took."""
    found = sample.found
    names = ("backup_s", "migrate_s", "check_s", "restore_s")
    return {
        "share": sample.share,
        "rows": sum(sum(drawn.rows.values()) for drawn in sample.drawn.values()),
        "of": sum(sum(drawn.of.values()) for drawn in sample.drawn.values()),
        "tables": [
            {"database": alias, "name": name, "rows": count, "of": drawn.of.get(name, count)}
            for alias, drawn in sample.drawn.items()
            for name, count in sorted(drawn.rows.items())
            if count != drawn.of.get(name, count)
        ],
        "seconds": {name.removesuffix("_s"): round(getattr(found, name), 3) for name in names} if found else None,
    }


def _judge(found: Rehearsal) -> None:
    """A sample shows that something fails, never that nothing does."""
    found.untested.append(NOT_DRAWN)
    drawn = sorted(found.samples[-1]["tables"], key=lambda row: row["rows"] - row["of"])
    found.untested += [f"{row['name']}: {row['rows']:,} of {row['of']:,} rows" for row in drawn[:SHOWN_TABLES]]
    if len(drawn) > SHOWN_TABLES:
        found.untested.append(f"{len(drawn) - SHOWN_TABLES} more tables of which a part was drawn")
    if found.verdict is not Verdict.NO_GO:
        found.reasons = [ONLY_TIME, *(found.reasons if found.verdict is Verdict.UNKNOWN else []), *found.doubts]
        found.verdict = Verdict.UNKNOWN
