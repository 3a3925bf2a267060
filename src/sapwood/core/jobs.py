"""Background work. The row is the job; the queue (django-tasks) is only a doorbell.

A job is claimed by conditional update and kept alive by a heartbeat. `sweep` gives back what a dead worker left and
rings again for what nobody heard, so killing any process at any moment loses nothing. A job that is over keeps no
payload: it may have held what is nobody's business any more. A job that may take hours has a lane of its own, so that
mails and pulls do not wait for it.
"""

import datetime as dt
import logging
import random
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.db import IntegrityError, OperationalError, connection, models, transaction
from django.utils.translation import override
from django_tasks import task

from sapwood.core.clock import Clock, system_clock
from sapwood.core.data import JSON
from sapwood.core.disk import as_disk_error
from sapwood.core.errors import SapwoodError
from sapwood.core.models import Job, JobState, Schedule
from sapwood.formats.phrase import recorded

logger = logging.getLogger(__name__)

HEARTBEAT = dt.timedelta(seconds=10)
DEAD_AFTER = dt.timedelta(seconds=60)
RING_AGAIN = dt.timedelta(seconds=60)
MAX_ATTEMPTS = 8


class UnknownJobError(SapwoodError):
    """A job has a name that this installation does not know."""

    code = "jobs.unknown"


class JobLostError(SapwoodError):
    """Another worker took this job over, so this one stops."""

    code = "jobs.lost"


class JobStoppedError(SapwoodError):
    """What a job was asked to do cannot be done, and trying again would change nothing."""

    code = "jobs.stopped"


@dataclass(frozen=True)
class Recurring:
    """A job that the worker enqueues by itself."""

    name: str
    interval: dt.timedelta
    jitter: dt.timedelta


class JobContext:
    """What a running job holds: its payload, the time, and a way to say how far it is."""

    def __init__(self, row: Job, clock: Clock) -> None:
        self._row = row
        self._clock = clock

    @property
    def uuid(self) -> uuid.UUID:
        """The job's own id: the same in every attempt."""
        return self._row.uuid

    @property
    def payload(self) -> dict[str, JSON]:
        """What the job was enqueued with."""
        payload: dict[str, JSON] = self._row.payload
        return payload

    @property
    def clock(self) -> Clock:
        """The clock of this run."""
        return self._clock

    def now(self) -> dt.datetime:
        """The present instant."""
        return self._clock.now()

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Say how far the job is; raises JobLostError when another worker has taken it over."""
        mine = Job.objects.filter(pk=self._row.pk, state=JobState.RUNNING, claimed_by=self._row.claimed_by)
        if not mine.update(done=done, total=total, note=note[:300], heartbeat_at=self.now()):
            raise JobLostError(f"The job {self._row.name} now belongs to another worker")

    def heartbeat(self) -> None:
        """Say that the job is alive, without a figure."""
        Job.objects.filter(pk=self._row.pk, claimed_by=self._row.claimed_by).update(heartbeat_at=self.now())


Runner = Callable[[JobContext], None]
JOBS: dict[str, Runner] = {}
# The queue's names of the two lanes; each does one job at a time.
SHORT, LONG = "default", "long"
LONG_JOBS: set[str] = set()
RECURRING: dict[str, Recurring] = {}


def job(name: str, *, long: bool = False) -> Callable[[Runner], Runner]:
    """Make a function known as the job `name`; a `long` one keeps none of the others waiting."""

    def register(run: Runner) -> Runner:
        JOBS[name] = run
        if long:
            LONG_JOBS.add(name)
        return run

    return register


def every(name: str, interval: dt.timedelta, *, jitter: dt.timedelta = dt.timedelta()) -> None:
    """Have the worker enqueue the job `name` again and again."""
    RECURRING[name] = Recurring(name, interval, jitter)


def enqueue(
    name: str,
    payload: Mapping[str, JSON] | None = None,
    *,
    now: dt.datetime,
    key: str = "",
    run_at: dt.datetime | None = None,
) -> uuid.UUID:
    """Write a job in the caller's transaction; a waiting one with the same key is returned instead."""
    if name not in JOBS:
        raise UnknownJobError(f"There is no job named {name}", hint="This is a defect: report it.")
    due = run_at or now
    row = Job(name=name, key=key, payload=dict(payload or {}), run_at=due, created_at=now)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            if due <= now:
                _ring(row, now)
    except IntegrityError:
        return Job.objects.get(name=name, key=key, state=JobState.WAITING).uuid
    return row.uuid


def run(job_uuid: str, *, worker: str, clock: Clock) -> bool:
    """Claim and run one job; False when somebody else has it or it is not due."""
    now = clock.now()
    claimed = Job.objects.filter(uuid=job_uuid, state=JobState.WAITING, run_at__lte=now).update(
        state=JobState.RUNNING, claimed_by=worker, heartbeat_at=now
    )
    if not claimed:
        return False
    row = Job.objects.get(uuid=job_uuid)
    row.attempts += 1
    row.save(update_fields=["attempts"])
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(row.pk, worker, clock, stop), daemon=True)
    beat.start()
    try:
        # What a job leaves behind is read by people of any language, so it is kept in English.
        with override("en"):
            _runner(row.name)(JobContext(row, clock))
    except JobLostError:
        return False
    except JobStoppedError as error:
        _over(row, JobState.FAILED, clock.now(), error.as_dict())
    except Exception as error:  # noqa: BLE001 - whatever it is, the row says so, and the job is tried again
        _failed(row, _in_words(error, row), clock.now())
    else:
        _over(row, JobState.DONE, clock.now(), None)
    finally:
        stop.set()
        beat.join()
    return True


def sweep(now: dt.datetime) -> int:
    """Give back what a dead worker left, and ring for what is due and unheard; the number of jobs touched."""
    dead = Job.objects.filter(state=JobState.RUNNING, heartbeat_at__lt=now - DEAD_AFTER)
    touched = 0
    for row in dead:
        error = {"code": "jobs.worker_died", "message": "The worker died while it ran this", "hint": ""}
        touched += 1
        _failed(row, error, now, at_once=True)
    quiet = Job.objects.filter(state=JobState.WAITING, run_at__lte=now).exclude(rang_at__gt=now - RING_AGAIN)
    for row in quiet[:500]:
        with transaction.atomic():
            _ring(row, now)
        touched += 1
    return touched


def tick(now: dt.datetime, chance: random.Random) -> int:
    """Enqueue the recurring jobs that are due; the number enqueued."""
    count = 0
    for item in RECURRING.values():
        with transaction.atomic():
            row, fresh = Schedule.objects.get_or_create(name=item.name, defaults={"next_at": now})
            following = now + item.interval + item.jitter * chance.random()
            due = Schedule.objects.filter(name=item.name, next_at=row.next_at, next_at__lte=now)
            if due.update(next_at=following):
                enqueue(item.name, now=now, key="schedule")
                count += 1
            elif fresh:
                continue
    return count


def prune(now: dt.datetime, *, keep: dt.timedelta = dt.timedelta(days=30)) -> int:
    """Remove finished jobs older than `keep`; the number removed."""
    return Job.objects.filter(state=JobState.DONE, finished_at__lt=now - keep).delete()[0]


@task()
def ring(job_uuid: str) -> None:
    """The doorbell's other end, run by the queue's worker."""
    run(job_uuid, worker=WORKER_NAME, clock=system_clock())


WORKER_NAME = f"worker-{uuid.uuid4().hex[:12]}"


def _ring(row: Job, now: dt.datetime) -> None:
    ring.using(queue_name=LONG if row.name in LONG_JOBS else SHORT).enqueue(str(row.uuid))
    Job.objects.filter(pk=row.pk).update(rang_at=now)


def _runner(name: str) -> Runner:
    try:
        return JOBS[name]
    except KeyError:
        raise UnknownJobError(f"There is no job named {name}", hint="Was it written by a newer version?") from None


def _in_words(error: Exception, row: Job) -> dict[str, str]:
    known = error if isinstance(error, SapwoodError) else as_disk_error(error)
    if known is not None:
        return known.as_dict()
    logger.error("job %s failed", row.name, exc_info=error)
    return {"code": "core.unexpected", "message": "An unexpected error; see the log", "hint": ""}


def _mine(row: Job) -> models.QuerySet[Job]:
    return Job.objects.filter(pk=row.pk, state=JobState.RUNNING, claimed_by=row.claimed_by)


def _over(row: Job, state: JobState, now: dt.datetime, error: dict[str, str] | None) -> None:
    _mine(row).update(state=state, finished_at=now, error=recorded(error), payload={})


def _failed(row: Job, error: dict[str, str], now: dt.datetime, *, at_once: bool = False) -> None:
    if row.attempts >= MAX_ATTEMPTS:
        _over(row, JobState.FAILED, now, error)
        return
    wait = dt.timedelta() if at_once else min(dt.timedelta(seconds=5 * 2**row.attempts), dt.timedelta(hours=1))
    try:
        with transaction.atomic():
            _mine(row).update(state=JobState.WAITING, run_at=now + wait, error=recorded(error), rang_at=None)
    except IntegrityError:
        # The same key waits already: that job will do this one's work.
        _over(row, JobState.FAILED, now, error)


def _beat(pk: int, worker: str, clock: Clock, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT.total_seconds()):
        try:
            Job.objects.filter(pk=pk, claimed_by=worker).update(heartbeat_at=clock.now())
        except OperationalError:
            # A database that is busy or starts again: a thread that died of it would lose the job to another worker.
            logger.warning("a heartbeat was missed; trying again")
        finally:
            connection.close()
