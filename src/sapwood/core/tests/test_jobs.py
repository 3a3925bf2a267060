"""Background work: nothing is lost, nothing runs twice at once."""

import datetime as dt
import os
import random
import subprocess
import sys

import pytest
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext
from django_tasks_db.models import DBTaskResult

from sapwood.core import jobs
from sapwood.core.clock import FixedClock
from sapwood.core.errors import ConflictError
from sapwood.core.models import Job, JobState
from sapwood.core.worker import run_worker, silent_since

NOW = dt.datetime(2026, 11, 22, 10, 0, tzinfo=dt.UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def ran(monkeypatch):
    calls: list[dict] = []
    monkeypatch.setitem(jobs.JOBS, "test.note", lambda ctx: calls.append(ctx.payload))
    return calls


@pytest.fixture
def clock():
    return FixedClock(NOW)


def test_a_job_runs_once_even_when_it_is_rung_twice(ran, clock):
    job = jobs.enqueue("test.note", {"n": 1}, now=NOW)
    assert jobs.run(str(job), worker="a", clock=clock)
    assert not jobs.run(str(job), worker="b", clock=clock)
    assert ran == [{"n": 1}]
    assert Job.objects.get(uuid=job).state == JobState.DONE
    assert Job.objects.get(uuid=job).payload == {}  # what is over holds nothing any more


def test_enqueue_is_undone_with_the_transaction(ran):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        jobs.enqueue("test.note", now=NOW)
        raise ZeroDivisionError
    assert not Job.objects.exists()
    assert not DBTaskResult.objects.exists()


def test_a_waiting_job_with_the_same_key_is_not_doubled(ran):
    first = jobs.enqueue("test.note", now=NOW, key="k")
    assert jobs.enqueue("test.note", now=NOW, key="k") == first
    assert Job.objects.count() == 1


def test_a_job_that_cannot_be_done_is_not_tried_again(monkeypatch, clock):
    def stop(_ctx):
        raise jobs.JobStoppedError("The house is gone", hint="Build one.")

    monkeypatch.setitem(jobs.JOBS, "test.stop", stop)
    job = jobs.enqueue("test.stop", {"secret": 1}, now=NOW)
    assert jobs.run(str(job), worker="a", clock=clock)
    row = Job.objects.get()
    assert row.payload == {}
    assert (row.state, row.attempts, row.error["message"]) == (JobState.FAILED, 1, "The house is gone")
    assert row.finished_at == NOW


def test_a_job_that_fails_is_tried_again_later_and_gives_up_in_the_end(monkeypatch, clock):
    def fail(_ctx):
        raise ConflictError("The door is shut", hint="Knock.")

    monkeypatch.setitem(jobs.JOBS, "test.fail", fail)
    job = jobs.enqueue("test.fail", now=NOW)
    for _ in range(jobs.MAX_ATTEMPTS):
        assert jobs.run(str(job), worker="a", clock=clock)
        assert not jobs.run(str(job), worker="a", clock=clock)  # not due yet
        clock.advance(dt.timedelta(hours=2))
    row = Job.objects.get(uuid=job)
    assert (row.state, row.error["code"]) == (JobState.FAILED, "core.conflict")


@pytest.mark.parametrize("language", ["es-419", "ar"])
def test_why_a_job_failed_is_kept_in_english_whatever_the_worker_speaks(monkeypatch, clock, language):
    def fail(_ctx):
        raise ConflictError(gettext("There is nothing at this address."))

    monkeypatch.setitem(jobs.JOBS, "test.fail", fail)
    job = jobs.enqueue("test.fail", now=NOW)
    with translation.override(language):
        assert jobs.run(str(job), worker="a", clock=clock)
        assert translation.get_language() == language
    assert Job.objects.get(uuid=job).error["message"] == "There is nothing at this address."


def test_the_sweeper_gives_back_what_a_dead_worker_left(ran, clock):
    job = jobs.enqueue("test.note", now=NOW)
    Job.objects.update(state=JobState.RUNNING, claimed_by="dead", heartbeat_at=NOW)
    assert jobs.sweep(NOW + dt.timedelta(seconds=30)) == 0
    clock.advance(dt.timedelta(minutes=2))
    assert jobs.sweep(clock.now()) >= 1
    assert jobs.run(str(job), worker="b", clock=clock)
    assert len(ran) == 1


def test_a_worker_that_was_taken_over_stops_at_its_next_progress(monkeypatch, clock):
    def slow(ctx):
        Job.objects.update(claimed_by="another")
        ctx.progress(1, 2)
        raise AssertionError("it went on")

    monkeypatch.setitem(jobs.JOBS, "test.slow", slow)
    job = jobs.enqueue("test.slow", now=NOW)
    assert not jobs.run(str(job), worker="a", clock=clock)
    assert Job.objects.get(uuid=job).state == JobState.RUNNING


def test_a_lost_doorbell_is_rung_again(ran, clock):
    jobs.enqueue("test.note", {"n": 2}, now=NOW)
    DBTaskResult.objects.all().delete()
    clock.advance(dt.timedelta(minutes=2))
    run_worker(clock=clock, once=True)
    assert DBTaskResult.objects.count() >= 1


def test_recurring_jobs_are_enqueued_when_due_and_only_then(monkeypatch, ran):
    monkeypatch.setattr(jobs, "RECURRING", {})
    jobs.every("test.note", dt.timedelta(hours=1))
    chance = random.Random(1)
    assert jobs.tick(NOW, chance) == 1
    assert jobs.tick(NOW, chance) == 0
    assert jobs.tick(NOW + dt.timedelta(minutes=61), chance) == 1
    assert Job.objects.count() == 1  # the first still waits: the second rings for the same


def test_a_stopped_worker_shows(clock):
    assert silent_since(NOW) is not None
    run_worker(clock=clock, once=True)
    assert silent_since(clock.now()) is None
    assert silent_since(NOW + dt.timedelta(minutes=5)) == NOW


TWO_LANES = """
import os, signal, threading
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from sapwood.core import jobs
from sapwood.core.clock import system_clock
from sapwood.core.worker import run_worker

mailed = threading.Event()

@jobs.job("test.upgrade", long=True)
def upgrade(ctx):
    print("begun", mailed.is_set(), flush=True)
    jobs.enqueue("test.mail", now=ctx.now())
    print("mailed", mailed.wait(60), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    print("ended", flush=True)

@jobs.job("test.mail")
def mail(ctx):
    mailed.set()

jobs.RECURRING.clear()
jobs.enqueue("test.upgrade", now=system_clock().now())
run_worker(clock=system_clock(), interval_s=0.05)
from sapwood.core.models import Job
print(sorted(Job.objects.values_list("name", "state")), flush=True)
"""


@pytest.mark.slow
def test_a_job_of_hours_keeps_no_short_one_waiting_and_is_let_finish(tmp_path):
    env = os.environ | {"SAPWOOD_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "sapwood.config.settings"}
    command = [sys.executable, "-c", TWO_LANES]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout.splitlines() == [
        "begun False",
        "mailed True",
        "ended",
        "[('test.mail', 'DONE'), ('test.upgrade', 'DONE')]",
    ], done.stderr
