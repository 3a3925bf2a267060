"""Long work on a page: how far it is, for whoever may see it, with and without script."""

import uuid

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from sapwood.console import registry
from sapwood.console.registry import Work
from sapwood.console.work import under_way
from sapwood.core.clock import system_clock
from sapwood.core.models import Job, JobState, WorkerBeat

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def work():
    """One kind of work that people watch, for whoever holds `digging`."""
    with registry.isolated():
        registry.register_work(Work("test.dig", "Digging", "digging", "console:home", "To the garden"))
        registry.set_permission_check(lambda user, permission: (user.name, permission) == ("Alice", "digging"))
        yield


@pytest.fixture
def worker():
    WorkerBeat.objects.create(worker="w", beat_at=system_clock().now())


@pytest.fixture
def alice(client):
    """Who is signed in on every page of these tests."""
    return client


def job(name="test.dig", **fields):
    now = system_clock().now()
    return Job.objects.create(name=name, run_at=now, created_at=now, **fields)


def page_of(client, row, **headers):
    return client.get(reverse("console:work", args=[row.uuid]), headers=headers)


def test_running_work_says_how_far_it_is_and_asks_again(alice, worker):
    row = job(state=JobState.RUNNING, done=3, total=7, note="the third bed")
    page = page_of(alice, row)
    html = page.content.decode()
    for words in ("Digging", "step 3 of 7", "the third bed", "You may leave this page", "To the garden"):
        assert words in html
    assert '<noscript><meta http-equiv="refresh"' in html
    assert f'hx-get="{reverse("console:work", args=[row.uuid])}"' in html
    assert "no-store" in page["Cache-Control"]


def test_script_gets_the_picture_alone_and_no_more_questions_once_it_is_done(alice, worker):
    part = page_of(alice, job(state=JobState.RUNNING, done=1, total=2), HX_Request="true").content.decode()
    assert "<html" not in part
    assert "hx-get" in part
    done = page_of(alice, job(state=JobState.DONE, done=2, total=2), HX_Request="true").content.decode()
    assert "finished" in done
    assert "hx-get" not in done


@pytest.mark.parametrize("total", [0, 1, 5])
def test_work_is_finished_when_its_row_says_so_and_not_before(alice, worker, total):
    """A job counts when it begins and may count anew; only its state says that it is over."""
    running = page_of(alice, job(state=JobState.RUNNING, done=total, total=total)).content.decode()
    assert "finished" not in running
    done = page_of(alice, job(state=JobState.DONE, done=0, total=total)).content.decode()
    assert "finished" in done
    assert "refresh" not in done


def test_work_that_nobody_has_begun_says_what_it_waits_for(alice, worker):
    assert "waits for the worker" in page_of(alice, job()).content.decode()
    WorkerBeat.objects.all().delete()
    assert "No worker is running" in page_of(alice, job()).content.decode()


def test_work_that_failed_says_why_and_whether_it_is_tried_again(alice, worker):
    error = {"code": "x", "message": "The spade broke.", "hint": "Buy one."}
    again = page_of(alice, job(error=error, attempts=1)).content.decode()
    assert "It failed once and is tried again: The spade broke." in again
    stopped = page_of(alice, job(state=JobState.FAILED, error=error)).content.decode()
    assert "stopped" in stopped
    assert "The spade broke. Buy one." in stopped
    assert "refresh" not in stopped


@pytest.mark.parametrize("language", ["es-419", "ar"])
@pytest.mark.parametrize("state", [JobState.WAITING, JobState.FAILED])
def test_what_a_failed_job_left_behind_is_marked_as_english(alice, worker, language, state):
    row = job(state=state, error={"code": "x", "message": "The <spade> broke.", "hint": ""}, attempts=1)
    page = page_of(alice, row, **{"accept-language": language}).content.decode()
    assert '<span lang="en" dir="ltr">The &lt;spade&gt; broke.</span>' in page


def test_only_whoever_may_see_it_sees_it_and_no_other_job_has_a_page(alice, client):
    assert page_of(alice, job()).status_code == 200
    assert page_of(alice, job(name="test.secret")).status_code == 404
    assert alice.get(reverse("console:work", args=[uuid.uuid4()])).status_code == 404
    client.force_login(get_user_model().objects.create_user("dave@riverside.example", name="Dave"))
    assert page_of(client, job()).status_code == 404
    client.logout()
    assert page_of(client, job()).status_code == 302


def test_what_is_under_way_is_found_again_by_its_key():
    kept = job(key="a", state=JobState.RUNNING)
    job(key="b", state=JobState.DONE)
    job(key="c")
    assert set(under_way("test.dig")) == {"a", "c"}
    assert under_way("test.dig", ["a", "b"]) == {"a": kept}
