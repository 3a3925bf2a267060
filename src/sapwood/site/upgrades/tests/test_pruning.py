"""Files of old rehearsals go by number and by age; what somebody may still need stays."""

import datetime as dt
import uuid

import pytest

from sapwood.core.clock import system_clock
from sapwood.core.jobs import enqueue
from sapwood.core.worker import run_worker
from sapwood.site.upgrades.models import JournalLine, Kind, RehearsalRecord, Request, State, UpgradeRun
from sapwood.site.upgrades.requests import work_folder

pytestmark = pytest.mark.django_db(transaction=True)
NOW = system_clock().now()


@pytest.fixture
def rehearsed(tmp_path, monkeypatch):
    """A rehearsal of so many days ago, with its folder."""
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))

    def make(days, *, place="here", valid=False):
        at, key = NOW - dt.timedelta(days=days), uuid.uuid4()
        folder = work_folder() / "reports" / str(key)
        folder.mkdir(parents=True)
        (folder / "rehearsal.html").touch()
        row = Request.objects.create(
            uuid=key, kind=Kind.REHEARSE, place=place, path="x", subject="campus", state=State.DONE, asked_at=at
        )
        return RehearsalRecord.objects.create(
            request=row,
            verdict="go",
            document={"verdict": "go"},
            folder=str(folder),
            certificate=str(folder / "certificate.json"),
            expires_at=NOW + dt.timedelta(days=1 if valid else -1),
        )

    return make


def swept():
    enqueue("upgrades.sweep", {}, now=system_clock().now())
    run_worker(clock=system_clock(), once=True)


def kept(rows):
    for row in rows:
        row.refresh_from_db()
    assert all(row.document for row in rows)
    return [bool(row.folder) and (work_folder() / "reports" / str(row.request.uuid)).exists() for row in rows]


def test_by_age_but_the_newest_of_each_deployment(rehearsed):
    rows = [rehearsed(1), rehearsed(181), rehearsed(190, place="there"), rehearsed(200, place="there")]
    swept()
    assert kept(rows) == [True, False, True, False]


def test_by_number(rehearsed, monkeypatch):
    monkeypatch.setenv("SAPWOOD_UPGRADE_KEEP_REPORTS", "2")
    rows = [rehearsed(days) for days in (1, 2, 3)]
    swept()
    assert kept(rows) == [True, True, False]


def test_never_one_whose_certificate_holds_or_that_an_upgrade_rests_on(rehearsed, monkeypatch):
    monkeypatch.setenv("SAPWOOD_UPGRADE_KEEP_REPORTS", "1")
    rows = [rehearsed(1), rehearsed(2, valid=True), rehearsed(300), rehearsed(301)]
    run = UpgradeRun.objects.create(key="x", subject="campus", place="here", stage="done", plan="p", began_at=NOW)
    JournalLine.objects.create(run=run, seq=1, at=NOW, event="begun", details={"certificate": rows[2].certificate})
    swept()
    assert kept(rows) == [True, True, True, False]


def test_never_a_folder_that_was_not_made_here(rehearsed, tmp_path):
    (tmp_path / "mine").mkdir()
    row = rehearsed(300)
    rehearsed(1)
    RehearsalRecord.objects.filter(pk=row.pk).update(folder=str(tmp_path / "mine"))
    swept()
    assert (tmp_path / "mine").exists()
