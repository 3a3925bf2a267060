"""`sapwood worker`: one process with the queue's worker in two lanes, the schedule and the sweeper."""

import datetime as dt
import logging
import random
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
    """Run jobs until a signal says stop, then end what has begun; with `once`, until nothing is left that is due.

    Jobs that may take hours run in a thread of their own: the schedule, the heartbeat and short jobs go on meanwhile.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    chance = random.SystemRandom()

    def short_round() -> None:
        _beat(clock.now())
        jobs.tick(clock.now(), chance)
        jobs.sweep(clock.now())
        _drain(jobs.SHORT)

    def long_round() -> None:
        _drain(jobs.LONG)

    if once:
        _patiently(short_round)
        _patiently(long_round)
        return
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)

    def long_lane() -> None:
        while not stop.wait(interval_s):
            _patiently(long_round)

    # One thread as long as the process lives: what it starts dies with the thread that started it.
    with ThreadPoolExecutor(1, thread_name_prefix="long") as pool:
        lane = pool.submit(long_lane)
        try:
            while not stop.is_set() and not lane.done():
                _patiently(short_round)
                stop.wait(interval_s)
        finally:
            stop.set()
        lane.result()


def silent_since(now: dt.datetime) -> dt.datetime | None:
    """When the last worker was heard, if that is too long ago; None when one is alive."""
    last = WorkerBeat.objects.order_by("-beat_at").values_list("beat_at", flat=True).first()
    if last is None:
        return dt.datetime.min.replace(tzinfo=dt.UTC)
    return last if now - last > SILENT_AFTER else None


def _patiently(one_round: Callable[[], None]) -> None:
    close_old_connections()
    try:
        one_round()
    except OperationalError as error:
        # A full disk, SQLite held too long, a server that starts again: the next round tries again.
        disk = as_disk_error(error)
        logger.warning("%s; trying again", f"[{disk.code}] {disk.message}" if disk else "the database is busy or away")


def _beat(now: dt.datetime) -> None:
    WorkerBeat.objects.update_or_create(worker=jobs.WORKER_NAME, defaults={"beat_at": now})
    WorkerBeat.objects.filter(beat_at__lt=now - dt.timedelta(days=1)).delete()


def _drain(queue: str) -> None:
    Worker(
        queue_names=[queue],
        interval=0,
        batch=True,
        backend_name="default",
        startup_delay=False,
        max_tasks=None,
        worker_id=jobs.WORKER_NAME,
        excluded_queue_names=[],
    ).run()
