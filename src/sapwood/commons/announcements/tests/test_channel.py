"""From a file to signed bytes that sites can reach, over the real channel in a real folder."""

import datetime as dt
import json

import pytest

from sapwood.channel import api as channel
from sapwood.commons.announcements.actions.approving import stage_for_test
from sapwood.commons.announcements.actions.outcome import retract, sync_with_channel
from sapwood.commons.announcements.actions.publishing import publish_folder
from sapwood.commons.announcements.actions.writing import save_draft
from sapwood.commons.announcements.documents import read_document
from sapwood.commons.announcements.models import Retraction, Revision, State
from sapwood.commons.announcements.staging import test_repo as the_test_repo
from sapwood.commons.announcements.tests.conftest import PLAIN, UUID_ONE, UUID_TWO
from sapwood.core import jobs
from sapwood.core.clock import FixedClock
from sapwood.core.data import Actor
from sapwood.core.errors import SapwoodError
from sapwood.core.models import AuditRow, Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def repo(tmp_path, monkeypatch, now, django_capture_on_commit_callbacks):
    monkeypatch.setenv("SAPWOOD_CHANNEL_FOLDER", str(tmp_path / "channel"))
    monkeypatch.setenv("SAPWOOD_TEST_CHANNEL_FOLDER", str(tmp_path / "channel-test"))
    channel.init_repository(now=now)
    return tmp_path / "channel"


def staged_files(folder):
    return sorted(path.name for path in (folder / "staging" / "documents").glob("*/*.json"))


def test_a_file_becomes_signed_bytes(folder, now, repo, django_capture_on_commit_callbacks):
    folder.write("verawood.md", PLAIN)
    with django_capture_on_commit_callbacks(execute=True):
        publish_folder(folder.path, actor=Actor.command(), now=now)
    [name] = staged_files(repo)
    raw = next((repo / "staging" / "documents" / "releases").glob("*.json")).read_bytes()
    assert (UUID_ONE in name, raw) == (True, bytes(Revision.objects.get().raw))
    assert sync_with_channel(actor=Actor.system("test"), now=now) == 0
    channel.sign(now=now)
    channel.publish(now=now)
    assert sync_with_channel(actor=Actor.system("test"), now=now) == 1
    assert Revision.objects.get().state == State.PUBLISHED


def test_a_hand_over_that_a_crash_interrupted_is_repeated(folder, now, repo):
    folder.write("verawood.md", PLAIN)
    publish_folder(folder.path, actor=Actor.command(), now=now)
    assert staged_files(repo) == []
    sync_with_channel(actor=Actor.system("test"), now=now)
    assert len(staged_files(repo)) == 1


def test_one_that_the_channel_refuses_keeps_no_other_back(folder, now, repo, alice):
    folder.write("verawood.md", PLAIN)
    folder.write("second.md", PLAIN.replace(UUID_ONE, UUID_TWO))
    publish_folder(folder.path, actor=alice, now=now)
    Revision.objects.filter(announcement__slug="second").update(raw=b"{}")
    with pytest.raises(SapwoodError):
        sync_with_channel(actor=Actor.system("test"), now=now)
    assert len(staged_files(repo)) == 1


def test_looking_again_while_signatures_are_awaited_writes_nothing(folder, now, repo, alice):
    folder.write("verawood.md", PLAIN)
    publish_folder(folder.path, actor=alice, now=now)
    sync_with_channel(actor=Actor.system("test"), now=now)
    retract(UUID_ONE, reason="It was wrong.", actor=alice, now=now)
    sync_with_channel(actor=Actor.system("test"), now=now)
    rows = AuditRow.objects.count()
    sync_with_channel(actor=Actor.system("test"), now=now)
    assert (AuditRow.objects.count(), len(staged_files(repo))) == (rows, 2)


def test_a_retraction_that_a_crash_interrupted_is_handed_over_and_comes_out(folder, now, repo, alice):
    folder.write("verawood.md", PLAIN)
    publish_folder(folder.path, actor=alice, now=now)
    retract(UUID_ONE, reason="It was wrong.", actor=alice, now=now)
    sync_with_channel(actor=Actor.system("test"), now=now)
    assert len(staged_files(repo)) == 1
    channel.sign(now=now)
    channel.publish(now=now)
    sync_with_channel(actor=Actor.system("test"), now=now)
    assert Retraction.objects.get().published_at is not None


def test_a_retraction_is_put_before_the_signers(folder, now, repo, alice, django_capture_on_commit_callbacks):
    folder.write("verawood.md", PLAIN)
    with django_capture_on_commit_callbacks(execute=True):
        publish_folder(folder.path, actor=alice, now=now)
        retract(UUID_ONE, reason="It was wrong.", actor=alice, now=now)
    assert len(staged_files(repo)) == 2


def test_the_test_channel_is_another_folder_and_changes_no_state(
    folder, now, repo, alice, django_capture_on_commit_callbacks
):
    channel.init_repository(the_test_repo(), now=now)
    document = {**read_document(_published(folder, alice, now).raw), "severity": "low"}
    draft = save_draft(document, slug="verawood", actor=alice, now=now)
    with django_capture_on_commit_callbacks(execute=True):
        stage_for_test(draft.announcement.uuid, sha256=draft.sha256, actor=alice, now=now)
    draft.refresh_from_db()
    assert (draft.state, staged_files(repo)) == (State.DRAFT, [])
    [file] = (the_test_repo() / "staging" / "documents" / "releases").glob("*.json")
    assert json.loads(file.read_bytes())["severity"] == "low"


def _published(folder, alice, now):
    folder.write("verawood.md", PLAIN)
    publish_folder(folder.path, actor=alice, now=now)
    return Revision.objects.get()


def test_the_worker_keeps_the_test_channel_fresh_too(now, repo):
    def renew(day):
        clock = FixedClock(now + dt.timedelta(days=day))
        job = jobs.enqueue("announcements.renew_test_channel", now=clock.now())
        assert jobs.run(str(job), worker="w", clock=clock)
        return Job.objects.get(uuid=job).error

    assert renew(0) is None, "there is none yet"
    channel.init_repository(the_test_repo(), now=now)
    assert renew(6) is None
    later = channel.repository_status(the_test_repo(), now=now + dt.timedelta(days=8))
    assert {role.state for role in later.roles} == {"good"}
