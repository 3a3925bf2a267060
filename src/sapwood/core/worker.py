"""`sapwood worker`: one process with the queue's worker, the schedule and the sweeper."""

import datetime as dt
import logging
import random
import signal
import threading
from types import FrameType

from django.db import OperationalError, close_old_connections
from django_tasks_db.management.commands.db_worker import Worker

from sapwood.core import jobs
from sapwood.core.clock import Clock
from sapwood.core.disk import as_disk_error
from sapwood.core.models import WorkerBeat

logger = logging.getLogger(__name__)

SILENT_AFTER = dt.timedelta(minutes=2)


def run_worker(*, clock: Clock, interval_s: float = 1.0, once: bool = False) -> None:
    """Run jobs until a signal says stop; with `once`, until nothing is left that is due."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    if not once:
        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)
    chance = random.SystemRandom()
    while True:
        close_old_connections()
        try:
            _beat(clock.now())
            jobs.tick(clock.now(), chance)
            jobs.sweep(clock.now())
            _drain()
        except OperationalError as error:
            # A full disk, SQLite held too long, a server that starts again: the next round tries again.
            disk = as_disk_error(error)
            logger.warning(
                "%s; trying again", f"[{disk.code}] {disk.message}" if disk else "the database is busy or away"
            )
        if once or stop.wait(interval_s):
            return


def silent_since(now: dt.datetime) -> dt.datetime | None:
    """When the last worker was heard, if that is too long ago; None when one is alive."""
    last = WorkerBeat.objects.order_by("-beat_at").values_list("beat_at", flat=True).first()
    if last is None:
        return dt.datetime.min.replace(tzinfo=dt.UTC)
    return last if now - last > SILENT_AFTER else None


def _beat(now: dt.datetime) -> None:
    WorkerBeat.objects.update_or_create(worker=jobs.WORKER_NAME, defaults={"beat_at": now})
    WorkerBeat.objects.filter(beat_at__lt=now - dt.timedelta(days=1)).delete()


def _drain() -> None:
    Worker(
        queue_names=["*"],
        interval=0,
        batch=True,
        backend_name="default",
        startup_delay=False,
        max_tasks=None,
        worker_id=jobs.WORKER_NAME,
        excluded_queue_names=[],
    ).run()
