"""Long work that somebody waits for: how far it is, in words and rings."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.urls import reverse

from sapwood.console import registry
from sapwood.core.models import Job, JobState
from sapwood.core.worker import silent_since
from sapwood.formats.phrase import recalled

UNFINISHED = (JobState.WAITING, JobState.RUNNING)


@dataclass(frozen=True)
class Progress:
    """A job as the progress component shows it."""

    job: Job
    work: registry.Work
    stalled: bool

    @property
    def url(self) -> str:
        """The page of this work."""
        return reverse("console:work", args=[self.job.uuid])

    @property
    def under_way(self) -> bool:
        """Whether there is something to wait for."""
        return self.job.state in UNFINISHED

    @property
    def waits(self) -> bool:
        """Whether no worker has taken it up yet."""
        return bool(self.job.state == JobState.WAITING)

    @property
    def failed(self) -> bool:
        """Whether it ended without having done what it should."""
        return bool(self.job.state == JobState.FAILED)

    @property
    def total(self) -> int:
        """The number of steps; what is under way has one more at least than is done."""
        least = self.job.done + 1 if self.under_way or self.failed else self.job.done
        return max(1, self.job.total, least)

    @property
    def done(self) -> int:
        """The number of steps done."""
        return int(self.job.done) if self.under_way or self.failed else self.total

    @property
    def error(self) -> dict[str, Any]:
        """What went wrong: for good, or this time."""
        return recalled(self.job.error) or {}


def progress_of(key: UUID, now: Any) -> Progress | None:
    """A job that people may watch; None when there is none such."""
    job = Job.objects.filter(uuid=key).first()
    work = registry.work_named(job.name) if job else None
    if job is None or work is None:
        return None
    return Progress(job, work, stalled=job.state in UNFINISHED and silent_since(now) is not None)


def under_way(name: str, keys: Iterable[str] | None = None) -> dict[str, Job]:
    """The jobs of this name that are not finished, by their keys: the latest of each."""
    rows = Job.objects.filter(name=name, state__in=UNFINISHED)
    if keys is not None:
        rows = rows.filter(key__in=list(keys))
    return {job.key: job for job in rows.order_by("pk")}
