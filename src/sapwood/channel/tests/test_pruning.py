"""Old files leave the repository, but never one that a client may still be on its way to."""

import datetime as dt

import pytest

from sapwood.channel import api
from sapwood.channel.actions import publishing
from sapwood.channel.publisher.bundling import check_folder
from sapwood.channel.publisher.folder import Folder
from sapwood.channel.publisher.pruning import KEPT_FOR, KEPT_VERSIONS
from sapwood.channel.tests.support import FolderHttp, announcement
from sapwood.core.clock import FixedClock
from sapwood.core.data import Actor

DAY = dt.timedelta(days=1)
pytestmark = pytest.mark.slow


def live(commons, times, *, step=3 * DAY):
    """The commons goes on: each time an announcement and a renewal."""
    for number in range(times):
        commons.clock.advance(step)
        commons.publish(announcement(100 + number))
        api.renew(repo=commons.path, now=commons.clock.now(), force=True)


def served(commons):
    folder = commons.path / "repository"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def versions(commons, role):
    return sorted(int(path.name.split(".")[0]) for path in Folder(commons.path).metadata.glob(f"*.{role}.json"))


class Interrupted(FolderHttp):
    """A client's connection on which time passes right after the timestamp came."""

    def __init__(self, folder, meanwhile):
        super().__init__(folder)
        self.meanwhile = meanwhile

    def fetch(self, request):
        response = super().fetch(request)
        if request.url.endswith("/timestamp.json"):
            self.meanwhile()
        return response


def test_a_slow_client_finds_everything_that_its_timestamp_reaches(commons, site):
    commons.publish(announcement(1), announcement(2))
    slow = Interrupted(commons.path / "repository", lambda: live(commons, 6, step=KEPT_FOR / 6 - DAY / 24))
    began = FixedClock(commons.clock.now())
    result = api.pull(site, http=slow, clock=began)
    assert (result.errors, result.new, result.refused) == ({}, 2, 0)
    again = api.pull(site, http=commons.http, clock=commons.clock)
    assert (again.errors, again.new) == ({}, 6)


def test_what_only_long_replaced_snapshots_reached_is_removed(commons):
    ahead = Folder(commons.path).metadata / "999.community.json"
    ahead.write_bytes(b"left by a run that was killed")
    live(commons, 9)
    kept = KEPT_FOR // (3 * DAY) + 2  # today's, those since, and the one that the first of them replaced
    assert len(versions(commons, "snapshot")) == 2 * kept - 1 > KEPT_VERSIONS
    for role in ("community", "community-2026-0000"):
        assert len([version for version in versions(commons, role) if version != 999]) == kept
    indexes = [path for path in served(commons) if "/community/" in path and ".index-" in path]
    assert len(indexes) == kept
    assert ahead.exists(), "it may be what comes next"


def test_roots_publications_and_what_is_valid_now_stay(commons, site):
    publishing.rotate_root([], actor=Actor.command(), now=commons.clock.now(), repo=commons.path)
    commons.publish(announcement(1))
    before = {
        path
        for path in served(commons)
        if ".root.json" in path or (path.startswith("targets/community/") and ".index-" not in path)
    }
    live(commons, 9)
    assert len([path for path in before & served(commons) if ".root.json" in path]) == 2
    assert before <= served(commons)
    found = check_folder(Folder(commons.path), now=commons.clock.now())
    assert (found.problems, found.publications["community"]) == ((), 10)
    assert api.pull(site, http=commons.http, clock=commons.clock).new == 10


def test_a_commons_that_slept_keeps_its_last_versions(commons):
    for _ in range(KEPT_VERSIONS):
        commons.clock.advance(DAY)
        api.renew(repo=commons.path, now=commons.clock.now(), force=True)
    commons.clock.advance(200 * DAY)
    done = api.renew(repo=commons.path, now=commons.clock.now(), force=True)
    newest = versions(commons, "snapshot")
    assert newest == list(range(newest[-1] - KEPT_VERSIONS + 1, newest[-1] + 1))
    assert done.removed_files > 0


def test_files_that_cannot_be_removed_do_not_undo_what_was_published(commons, monkeypatch):
    live(commons, 2)
    commons.clock.advance(200 * DAY)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", refused)
        patch.setattr("sapwood.channel.publisher.pruning.KEPT_VERSIONS", 1)
        done = api.renew(repo=commons.path, now=commons.clock.now(), force=True)
    assert (done.nothing, done.removed_files) == (False, 0)
    assert check_folder(Folder(commons.path), now=commons.clock.now()).problems == ()


def refused(path, missing_ok):
    if path.name[0] != ".":
        raise PermissionError(1, "not permitted", str(path))
