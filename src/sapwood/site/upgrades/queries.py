"""What the pages, the front page and the inbox read of upgrades."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Prefetch
from django.urls import reverse

from sapwood.core.models import Job
from sapwood.formats.phrase import Phrase, recalled
from sapwood.site.upgrades.data import Stage, Verdict
from sapwood.site.upgrades.foretold import Comparison, compare, outcome, recorded
from sapwood.site.upgrades.models import (
    UNFINISHED,
    JournalLine,
    Kind,
    News,
    Override,
    RehearsalRecord,
    Request,
    State,
    UpgradeRun,
)
from sapwood.site.upgrades.postponed import Postponed, ledger

WAITS_FOR_YOU: Final = (Stage.STOPPED, Stage.PAUSED, Stage.INTERRUPTED)
NEWEST: Final = 50
TELLING: Final = ("begun", "finished", "back", "rolled_back", "migration_done")


@dataclass(frozen=True)
class Notice:
    """Something about an upgrade that people should hear of. `key` is the same for the same thing."""

    key: str
    kind: str
    subject: str
    at: dt.datetime
    text: Phrase
    severity: str = "info"
    url: str = ""


def notices(since: dt.datetime) -> list[Notice]:
    """What happened since then, oldest first: news, upgrades that stopped, verdicts of rehearsals."""
    found = [
        Notice(row.key, row.kind, row.subject, row.raised_at, said(row.words), row.severity, row.url)
        for row in News.objects.filter(raised_at__gte=since, over_at=None, dismissed_at=None)
    ]
    runs = UpgradeRun.objects.filter(stage__in=[Stage.STOPPED, Stage.INTERRUPTED], began_at__gte=since)
    found += [
        Notice(
            f"run:{run.key}",
            "stopped",
            run.subject,
            run.began_at,
            Phrase("The upgrade of %(name)s stopped and waits for somebody", name=run.subject),
            "critical",
            reverse("upgrades:run", args=[run.key]),
        )
        for run in runs
    ]
    # What was rehearsed by itself is among the news already.
    for record in _rehearsed().filter(request__ended_at__gte=since):
        if record.request.options.get("automatic"):
            continue
        words = {
            Verdict.GO: Phrase("The rehearsal of %(name)s says go", name=record.request.subject),
            Verdict.NO_GO: Phrase("The rehearsal of %(name)s says no-go", name=record.request.subject),
            Verdict.UNKNOWN: Phrase("The rehearsal of %(name)s cannot tell", name=record.request.subject),
        }[Verdict(record.verdict)]
        at = record.request.ended_at or record.request.asked_at
        url = reverse("upgrades:rehearsal", args=[record.request.uuid])
        key = f"rehearsal:{record.request.uuid}"
        found.append(Notice(key, "rehearsed", record.request.subject, at, words, "info", url))
    return sorted(found, key=lambda notice: notice.at)


def said(words: object) -> Phrase:
    """A sentence as it was kept."""
    return Phrase.verbatim(recalled(words))


def newest_rehearsal(place: str) -> RehearsalRecord | None:
    """The newest that ended with a verdict."""
    newest: RehearsalRecord | None = _rehearsed().filter(request__place=place).order_by("-request__asked_at").first()
    return newest


def newest_look(place: str) -> Request | None:
    """The newest plan and preflight."""
    return Request.objects.filter(place=place, kind=Kind.LOOK, state=State.DONE).order_by("-asked_at").first()


def answer_of(look: Request | None) -> Any:
    """What the worker found; empty where nobody looked."""
    return look.answer if look and look.answer else {}


def newest_run(place: str) -> UpgradeRun | None:
    """The newest upgrade."""
    return UpgradeRun.objects.filter(place=place).order_by("-began_at").first()


def runs(place: str) -> list[UpgradeRun]:
    """The newest upgrades, newest first."""
    return list(UpgradeRun.objects.filter(place=place).order_by("-began_at")[:NEWEST])


def comparisons(place: str) -> list[Comparison]:
    """Every forecast of a deployment that an upgrade has answered, oldest first."""
    told = JournalLine.objects.filter(event__in=TELLING).order_by("seq")
    rows = UpgradeRun.objects.filter(place=place).prefetch_related(Prefetch("lines", queryset=told))
    outcomes = [outcome(row.key, list(row.lines.all())) for row in rows]
    return compare(recorded(place), [one for one in outcomes if one is not None])


def postponed(place: str) -> tuple[Postponed, ...]:
    """What earlier upgrades left for later, as their journals say."""
    begun = JournalLine.objects.filter(run__place=place, run__stage=Stage.DONE, event="begun").order_by("run__began_at")
    return ledger((line.run.key, line.at, line.details) for line in begun.select_related("run"))


def under_way(place: str) -> Request | None:
    """What was asked for this deployment and is not over; a wish to wait is not counted."""
    return Request.objects.filter(place=place, state__in=UNFINISHED).exclude(kind=Kind.PAUSE).first()


def overrides(path: str, plan: str, now: dt.datetime) -> list[Override]:
    """What two administrators agree or may agree on for exactly this plan."""
    rows = Override.objects.filter(
        subject=path, plan=plan, used_at__isnull=True, asked_at__gt=now - dt.timedelta(days=1)
    )
    return list(rows.select_related("first", "second").order_by("-asked_at"))


def job_of(row: Request) -> Job | None:
    """The job that carries a request."""
    return Job.objects.filter(uuid=row.job).first() if row.job else None


def _rehearsed() -> Any:
    return RehearsalRecord.objects.exclude(verdict="").select_related("request")
