"""A Django subject looked at once, each side by one process: its plan, what stands in its way, and what else to know.

`upgrade plan`, `preflight`, `rehearse`, `apply` and the console all judge by this.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sapwood.core.clock import system_clock
from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades import configuration, estimates, forks, installed, postponed, ways
from sapwood.site.upgrades import journal as journals
from sapwood.site.upgrades.applying import status_of
from sapwood.site.upgrades.costs import published
from sapwood.site.upgrades.data import Stage, Subject, Verdict
from sapwood.site.upgrades.drivers.base import Asked, Store
from sapwood.site.upgrades.planning import Plan, Seen, look, plan_of
from sapwood.site.upgrades.preflight import Finding, Outcome, Preflight, answered, disk_needs, looked_at, sizes_of
from sapwood.site.upgrades.scratch import private_folder

MOST_ROWS: Final = 200
OUTSIDE: Final = "none: a restore of the database does not undo them"
VERDICTS: Final = {Outcome.PASS: Verdict.GO, Outcome.UNKNOWN: Verdict.UNKNOWN, Outcome.FAIL: Verdict.NO_GO}


@dataclass(frozen=True)
class Judged:
    """What was found. `refused` is why there is no plan, where a side did not answer."""

    subject: Subject
    seen: Seen
    plan: Plan | None
    refused: SapwoodError | None
    before: Preflight
    way: ways.Way
    packages: tuple[installed.Package, ...]
    forks: tuple[forks.Report, ...]
    postponed: tuple[postponed.Postponed, ...]
    asked: Asked

    def require_plan(self) -> Plan:
        """The plan; raises what a side refused."""
        if self.plan is None:
            raise self.refused or SapwoodError("There is no plan", hint="See preflight.")
        return self.plan

    @property
    def verdict(self) -> Verdict:
        """Unknown is never a go, and what stands in the way of the migrations is a no-go."""
        return Verdict.NO_GO if self.plan is None or self.plan.problems else VERDICTS[self.before.verdict]

    def schemas(self) -> list[dict[str, Any]]:
        """What else the same servers hold."""
        mine = {(url.vendor, url.name) for url in self.subject.databases.values()}
        return [
            {
                "database": alias,
                "name": row["name"],
                "bytes": None if row["bytes"] is None else int(float(row["bytes"])),
            }
            for alias, answer in self.seen.current.preflight.items()
            for row in answer.get("schemas", ())
            if (self.subject.databases[alias].vendor, row["name"]) not in mine
        ]

    def estimates(self) -> dict[str, Any]:
        """Disk, memory and time."""
        plan = self.require_plan()
        needs = disk_needs(self.subject, self.seen, self.asked.work)
        return {
            "disk": estimates.disk(needs),
            "memory": estimates.memory(self.subject, self.seen.target.one("plan")["memory_bytes"]),
            "time": estimates.time(self.subject, sizes_of(self.subject, self.seen), plan.migrations),
        }

    def about(self) -> dict[str, Any]:
        """What a rehearsal's report tells of all this besides what it ran."""
        return {
            **self.way.to_dict(),
            "forks": [report.to_dict() for report in self.forks],
            "postponed": [row.to_dict() for row in self.postponed],
        }

    def difference(self) -> dict[str, list[dict[str, Any]]]:
        """Settings and toggles that change."""
        return configuration.difference(self.seen.current.one("configuration"), self.seen.target.one("configuration"))


def judge(subject: Subject, asked: Asked, *, count: bool = False) -> Judged:
    """Look at both sides, at the catalogue, at the forks and at what earlier upgrades left; nothing is changed.

    `count` also counts the rows of every table. Raises InsideError where the running release does not answer,
    UsageError for a waiver of nothing.
    """
    with private_folder(asked.work) as scratch:
        seen = look(subject, scratch, before=True, count=count)
    ledger = left_by(subject, asked)
    waits = frozenset(row.label for row in ledger)
    findings = list(looked_at(subject, seen, work=asked.work, own=asked.own, left=waits))
    said = [answer["migrations"]["applied"] for answer in seen.current.preflight.values()]
    applied = frozenset(label for labels in said for label in labels)
    plan: Plan | None = None
    refused: SapwoodError | None = None
    try:
        plan = plan_of(subject, seen)
    except SapwoodError as error:
        refused = error
    way = ways.way_of(subject, asked, seen.current.answers.get("facts"))
    reports = forks.reports_of(subject)
    left = postponed.waiting(ledger, applied)
    findings += ways.findings_of(way)
    findings += forks.findings_of(reports)
    packages: tuple[installed.Package, ...] = ()
    try:
        packages = installed.compare(seen.current.one("installed"), seen.target.one("installed"), applied)
        findings += installed.findings_of(packages)
    except SapwoodError as error:
        findings += installed.unknown(error)
    if plan is not None and not plan.problems:  # with two leaves nothing is known to be pending
        findings += postponed.findings_of(left, (migration.label for migration in plan.migrations))
    before = answered(findings, asked.waivers)
    return Judged(subject, seen, plan, refused, before, way, packages, reports, left, asked)


def left_by(subject: Subject, asked: Asked) -> tuple[postponed.Postponed, ...]:
    """What earlier upgrades of this deployment postponed and none has run since."""
    clock = system_clock()
    return postponed.ledger(
        (journal.run, journal.entries[0].at, journal.entries[0].details)
        for journal in journals.all_runs(subject, asked.work, clock)
        if status_of(journal, busy=False, now=asked.now).stage is Stage.DONE
    )


def irreversible(plan: Plan, stores: tuple[Store, ...], way: ways.Way) -> list[dict[str, str]]:
    """What cannot be undone in place, and what takes it back: a restore, or nothing."""
    found = [
        {"store": store.name, "what": what, "way_back": store.restore or store.no_way_back}
        for store in stores
        for what in store.irreversible
    ]
    restore = next((store.restore for store in stores if store.kind == "sql"), "")
    for migration in plan.migrations:
        if migration.reversible is not True:
            why = "has no way back of its own" if migration.reversible is False else "may have no way back of its own"
            found.append({"store": "database default", "what": f"{migration.label} {why}", "way_back": restore})
    found += [
        {"store": store.name, "what": "it is not backed up here", "way_back": store.no_way_back}
        for store in stores
        if store.no_way_back
    ]
    for leg in way.legs:
        outside = [applied.part.id for applied in leg.steps]
        if outside:
            what = f"steps that people take outside the database: {', '.join(outside)}"
            found.append({"store": f"{leg.hop.start} > {leg.hop.end}", "what": what, "way_back": OUTSIDE})
    return found


def lines(found: Judged, stores: tuple[Store, ...]) -> Iterator[str]:
    """For a terminal: the answer first, then what would be done, then what to know."""
    plan = found.require_plan()
    count = len(plan.migrations)
    yield f"Django {plan.current['django']} > {plan.target['django']}, {count} migrations to run"
    for finding in sorted(found.before.findings, key=_weight):
        if finding.outcome is not Outcome.PASS:
            yield finding.line
    for problem in plan.problems:
        yield f"in the way  {problem['message']} [{problem['code']}]"
    yield from ways.lines(found.way)
    for migration in plan.migrations:
        yield migration.line
    yield from (hint.line for hint in published(plan)[:1])
    yield from postponed.lines(found.postponed)
    yield from forks.lines(found.forks)
    yield from installed.lines(found.packages)
    yield from configuration.lines(found.difference())
    for schema in found.schemas():
        size = "size unknown" if schema["bytes"] is None else f"{schema['bytes']:,} bytes"
        yield f"server   also holds {schema['name']} ({size}), beside {schema['database']}"
    yield from estimates.lines(found.estimates())
    for item in irreversible(plan, stores, found.way):
        yield f"no undo  {item['what']} ({item['store']}); way back: {item['way_back']}"


def _weight(finding: Finding) -> int:
    return [Outcome.FAIL, Outcome.UNKNOWN, Outcome.WAIVED, Outcome.CONFIRMED, Outcome.PASS].index(finding.outcome)


def as_data(found: Judged, stores: tuple[Store, ...]) -> dict[str, Any]:
    """As JSON, in English."""
    plan = found.require_plan()
    return {
        "verdict": found.verdict.value,
        "digest": plan.digest,
        "parts": dict(plan.parts),
        **found.about(),
        "current": _facts(plan.current),
        "target": _facts(plan.target),
        "steps": [
            command.to_dict() for when in ("before", "during", "after") for command in ways.commands_of(found.way, when)
        ],
        "migrations": [migration.to_dict() for migration in plan.migrations],
        "problems": list(plan.problems),
        "published": [hint.to_dict() for hint in published(plan)],
        "packages": [row.to_dict() for row in found.packages],
        "configuration": found.difference(),
        "schemas": found.schemas(),
        "stores": [store.to_dict() for store in stores],
        "irreversible": irreversible(plan, stores, found.way),
        "estimates": found.estimates(),
        "preflight": found.before.to_dict(),
    }


def for_the_page(found: Judged, stores: tuple[Store, ...]) -> dict[str, Any]:
    """What the page of the plan shows besides its migrations; of a long list the beginning."""
    told = as_data(found, stores)
    return {
        **{name: told[name] for name in ("verdict", "path", "forks", "postponed", "schemas", "estimates")},
        "people": told["steps"],
        "path_why": found.way.why,
        "packages": [one for one in told["packages"] if one["change"] != "added" or one["pins"]][:MOST_ROWS],
        "configuration": {change: rows[:MOST_ROWS] for change, rows in told["configuration"].items()},
        "counts": {change: len(rows) for change, rows in told["configuration"].items()},
        "irreversible": told["irreversible"][:MOST_ROWS],
    }


def _facts(side: Mapping[str, Any]) -> dict[str, Any]:
    """What a side said of itself, without the digests of its settings, which could be guessed at."""
    return {name: value for name, value in side.items() if name not in {"settings", "event"}}
