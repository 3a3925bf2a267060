"""The publisher's side: thresholds, interrupted runs, two publishers, keys."""

import datetime as dt
import errno
import json
import os
import resource
import shutil
import signal
import stat
from pathlib import Path

import pytest

from sapwood.channel import api
from sapwood.channel.actions import publishing
from sapwood.channel.errors import (
    BelowThresholdError,
    DamagedRepositoryError,
    KeyFileError,
    NotAuthorisedError,
    RepositoryBusyError,
    StagingError,
)
from sapwood.channel.keys import generate_key, load_key, load_keys, passphrase_from_file
from sapwood.channel.publisher.bundling import check_folder
from sapwood.channel.publisher.folder import Folder
from sapwood.channel.publisher.publishing import publish_staged
from sapwood.channel.publisher.setup import KeyChange, Quorum
from sapwood.channel.publisher.signing import merge_signatures, signature_states
from sapwood.channel.tests.support import NOW, announcement, uuid_of
from sapwood.core.audit import verify as verify_audit
from sapwood.core.data import Actor
from sapwood.core.models import AuditRow
from sapwood.formats.errors import FormatError

pytestmark = pytest.mark.slow

ALICE = Actor.command()


def signers(folder, *names):
    ask = publishing.local_passphrase(folder)
    return [key.signer(ask) for key in load_keys(folder.keys) if key.name in names]


def served(folder):
    return {str(path): path.read_bytes() for path in sorted((folder / "repository").rglob("*")) if path.is_file()}


def check(commons):
    return check_folder(Folder(commons.path), now=commons.clock.now())


# --- thresholds -----------------------------------------------------------------------------------------------------


def test_publish_refuses_below_the_threshold_and_changes_nothing(commons):
    folder = Folder(commons.path)
    api.stage(announcement(1, channel="packs"), channel="packs", repo=commons.path, now=NOW)
    publishing.sign(signers(folder, "packs-1"), actor=ALICE, now=NOW, repo=commons.path)
    before = served(commons.path)
    with pytest.raises(BelowThresholdError, match="1 of the 2"):
        api.publish(repo=commons.path, now=NOW)
    assert served(commons.path) == before
    publishing.sign(signers(folder, "packs-2"), actor=ALICE, now=NOW, repo=commons.path)
    assert len(api.publish(repo=commons.path, now=NOW).documents) == 1
    assert check(commons).publications["packs"] == 1


def test_one_channel_can_be_published_while_another_waits_for_its_second_signer(commons):
    folder = Folder(commons.path)
    for channel in ("security", "community"):
        api.stage(announcement(1, channel=channel), channel=channel, repo=commons.path, now=NOW)
    publishing.sign(signers(folder, "security-1", "community-1"), actor=ALICE, now=NOW, repo=commons.path)
    done = api.publish(repo=commons.path, now=NOW, roles=["community"])
    assert [path.channel for path in done.documents] == ["community"]
    [waiting] = {state.role for state in signature_states(folder) if state.role == "security"}
    assert waiting
    assert check(commons).publications == {**dict.fromkeys(check(commons).publications, 0), "community": 1}


def test_who_is_awaited_is_known_by_name(commons):
    folder = Folder(commons.path)
    api.stage(announcement(1, channel="security"), channel="security", repo=commons.path, now=NOW)
    publishing.sign(signers(folder, "security-1"), actor=ALICE, now=NOW, repo=commons.path)
    [state] = [state for state in api.signatures_due(commons.path) if state.role == "security"]
    assert state.missing == 1
    assert state.signed_by == ("demo (security 1)",)
    assert state.awaited_from == ("demo (security 2)", "demo (security 3)")


def test_a_key_of_another_role_may_not_sign(commons):
    api.stage(announcement(1), channel="community", repo=commons.path, now=NOW)
    with pytest.raises(NotAuthorisedError):
        publishing.sign(signers(Folder(commons.path), "surveys-1"), actor=ALICE, now=NOW, repo=commons.path)


def test_packs_can_never_be_signed_by_one_person_alone(commons):
    with pytest.raises(StagingError, match="at least 2"):
        publishing.change_keys([KeyChange("packs", threshold=1)], actor=ALICE, now=NOW, repo=commons.path)


def test_what_is_served_can_be_read_by_the_web_servers_account_whatever_the_umask(db, tmp_path):
    before = os.umask(0o077)
    try:
        api.init_repository(tmp_path / "channel", now=NOW)
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "channel").rglob("*")}
    served = tmp_path / "channel" / "repository"
    assert {mode for path, mode in modes.items() if path.is_dir() and path.is_relative_to(served)} == {0o755}
    assert {mode for path, mode in modes.items() if path.is_file() and path.is_relative_to(served)} == {0o644}
    assert stat.S_IMODE((tmp_path / "channel").stat().st_mode) == 0o755
    assert modes[tmp_path / "channel" / "keys"] == 0o700


# --- what may be staged ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"", b"{}", b"not json", b'{"type":"announcement","version":99}'])
def test_only_what_validates_is_staged(commons, raw):
    with pytest.raises(FormatError):
        api.stage(raw, channel="community", repo=commons.path, now=NOW)
    assert api.signatures_due(commons.path) == []


def test_a_document_of_another_channel_is_not_staged(commons):
    with pytest.raises(StagingError, match="security"):
        api.stage(announcement(1, channel="security"), channel="community", repo=commons.path, now=NOW)


def test_staging_the_same_bytes_again_changes_nothing(commons):
    first = api.stage(announcement(1), channel="community", repo=commons.path, now=NOW)
    publishing.sign(signers(Folder(commons.path), "community-1"), actor=ALICE, now=NOW, repo=commons.path)
    later = NOW + dt.timedelta(hours=5)
    assert api.stage(announcement(1), channel="community", repo=commons.path, now=later) == first
    assert len(api.publish(repo=commons.path, now=later).documents) == 1
    assert api.stage(announcement(1), channel="community", repo=commons.path, now=later) == first
    assert api.publish(repo=commons.path, now=later).nothing


def test_a_revision_cannot_be_staged_with_other_content(commons):
    commons.publish(announcement(1))
    with pytest.raises(StagingError, match="other content"):
        api.stage(announcement(1, title="Changed"), channel="community", repo=commons.path, now=NOW)


def test_a_document_changed_after_staging_is_not_signed(commons):
    staged = api.stage(announcement(1), channel="community", repo=commons.path, now=NOW)
    file = Folder(commons.path).staged_documents / str(staged.path)
    file.write_bytes(announcement(1, title="Swapped"))
    with pytest.raises(DamagedRepositoryError, match="changed since"):
        publishing.sign(signers(Folder(commons.path), "community-1"), actor=ALICE, now=NOW, repo=commons.path)


def test_retracting_publishes_a_signed_word_and_leaves_the_publication(commons, site):
    commons.publish(announcement(1))
    api.retract(uuid_of(1), channel="community", reason="Wrong date", repo=commons.path, now=NOW)
    commons.publish()
    api.pull(site, http=commons.http, clock=commons.clock)
    assert [row.type for row in api.received()] == ["announcement", "retraction"]
    assert json.loads(api.received()[1].raw)["retracts"] == str(uuid_of(1))


# --- segments -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_hundred_and_first_publication_opens_a_new_segment(commons, site):
    raws = [announcement(number) for number in range(102)]
    publishing.stage_several(raws, channel="community", actor=ALICE, now=NOW, repo=commons.path)
    commons.publish()
    published = Folder(commons.path).published()
    assert [len(published.role(f"community-2026-000{number}").signed.targets) for number in (0, 1)] == [100, 2]
    api.pull(site, http=commons.http, clock=commons.clock)
    assert [row.uuid for row in api.received(limit=200)] == [str(uuid_of(number)) for number in range(102)]
    first = published.role("community-2026-0000").signed.version
    commons.publish(announcement(200))
    assert Folder(commons.path).published().role("community-2026-0000").signed.version == first


def test_a_new_year_has_an_index_of_its_own(commons, site):
    commons.publish(announcement(1))
    commons.clock.advance(dt.timedelta(days=60))
    commons.publish(announcement(2))
    assert api.pull(site, http=commons.http, clock=commons.clock).new == 2
    targets = Folder(commons.path).published().role("community").signed.targets
    assert sorted(targets) == ["community/index-2026.json", "community/index-2027.json"]


# --- renewal and rotation -------------------------------------------------------------------------------------------


def test_online_roles_are_signed_daily_for_seven_days(commons):
    published = Folder(commons.path).published()
    assert published.timestamp.signed.expires == NOW + dt.timedelta(days=7)
    assert published.snapshot.signed.expires == NOW + dt.timedelta(days=7)
    assert api.renew(repo=commons.path, now=NOW + dt.timedelta(hours=12)).nothing
    done = api.renew(repo=commons.path, now=NOW + dt.timedelta(hours=24))
    assert done.expires_at == NOW + dt.timedelta(days=8)
    assert Folder(commons.path).published().snapshot.signed.expires == NOW + dt.timedelta(days=8)


def test_after_new_root_timestamp_and_targets_keys_a_site_goes_on(commons, site, tmp_path):
    commons.publish(announcement(1))
    api.pull(site, http=commons.http, clock=commons.clock)
    folder = Folder(commons.path)
    ask = publishing.local_passphrase(folder)
    old = {key.name: key.key_id for key in load_keys(folder.keys)}
    changes = []
    for role in ("root", "targets", "timestamp"):
        fresh = generate_key(folder.keys, f"{role}-9", owner=f"new {role}", passphrase=ask)
        changes.append(KeyChange(role, add=(fresh,), remove=frozenset({old[f"{role}-1"]})))
    publishing.rotate_root(changes, actor=ALICE, now=NOW, repo=commons.path)
    commons.publish(announcement(2))
    assert api.pull(site, http=commons.http, clock=commons.clock).new == 1
    for name in ("root-1", "targets-1", "timestamp-1"):
        (folder.keys / f"{name}.pem").unlink()
    commons.clock.advance(dt.timedelta(days=1))
    api.renew(repo=commons.path, now=commons.clock.now())
    commons.publish(announcement(3))
    result = api.pull(site, http=commons.http, clock=commons.clock)
    assert result.errors == {}
    assert result.new == 1
    assert check(commons).problems == ()


def test_a_root_signed_only_by_the_new_keys_is_not_published(commons):
    folder = Folder(commons.path)
    ask = publishing.local_passphrase(folder)
    fresh = [generate_key(folder.keys, f"root-{n}", owner="new", passphrase=ask) for n in (7, 8, 9)]
    old = frozenset(key.key_id for key in load_keys(folder.keys) if key.name in {f"root-{n}" for n in range(1, 6)})
    change = KeyChange("root", add=tuple(fresh), remove=old)
    publishing.rotate_root([change], actor=ALICE, now=NOW, repo=commons.path)
    publishing.sign([key.signer(ask) for key in fresh], actor=ALICE, now=NOW, repo=commons.path)
    with pytest.raises(BelowThresholdError):
        api.publish(repo=commons.path, now=NOW)


def test_daily_renewal_goes_on_while_a_new_root_waits_for_signatures(commons):
    publishing.rotate_root([], actor=ALICE, now=NOW, repo=commons.path)
    assert not api.renew(repo=commons.path, now=NOW + dt.timedelta(days=1)).nothing


def test_with_other_channel_keys_everything_of_the_channel_is_signed_anew(commons, site):
    commons.publish(announcement(1))
    api.pull(site, http=commons.http, clock=commons.clock)
    folder = Folder(commons.path)
    ask = publishing.local_passphrase(folder)
    lost = {key.key_id for key in load_keys(folder.keys) if key.name in {"community-1", "community-2"}}
    fresh = generate_key(folder.keys, "community-9", owner="carol", passphrase=ask)
    change = KeyChange("community", add=(fresh,), remove=frozenset(lost))
    staged = publishing.change_keys([change], actor=ALICE, now=NOW, repo=commons.path)
    assert {"targets", "community", "community-2026-0000"} <= set(staged)
    commons.publish()
    assert api.pull(site, http=commons.http, clock=commons.clock).errors == {}
    [received] = api.received()
    assert received.signed_by == ("carol",)


def test_prolonging_a_channel_gives_it_another_year(commons):
    later = NOW + dt.timedelta(days=300)
    api.renew(repo=commons.path, now=later)
    publishing.prolong("surveys", actor=ALICE, now=later, repo=commons.path)
    api.sign(repo=commons.path, now=later)
    api.publish(repo=commons.path, now=later)
    assert Folder(commons.path).published().role("surveys").signed.expires == later + dt.timedelta(days=365)


# --- offline signing ------------------------------------------------------------------------------------------------


def test_two_people_sign_on_two_machines_and_their_copies_are_merged(db, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("a long enough passphrase\n")
    secret.chmod(0o600)
    ask = passphrase_from_file(secret)
    homes = {name: tmp_path / name for name in ("bob", "carol")}
    quorums = {}
    for role in publishing.DEFAULT_QUORUMS:
        keys = [generate_key(home, f"{role}-{who}", owner=who, passphrase=ask) for who, home in homes.items()]
        quorums[role] = Quorum(1 if role in {"snapshot", "timestamp"} else 2, tuple(keys))
    commons = tmp_path / "commons"
    publishing.init_with_given_keys(commons, quorums, actor=ALICE, now=NOW)
    for home in homes.values():
        shutil.copytree(commons, home / "copy")
    for who, home in homes.items():
        mine = [load_key(path).signer(ask) for path in sorted(home.glob("*.pub.json"))]
        publishing.sign(mine, actor=ALICE, now=NOW, repo=home / "copy")
        with pytest.raises(BelowThresholdError):
            publishing.publish(actor=ALICE, now=NOW, repo=home / "copy", online=list)
        assert merge_signatures(Folder(commons), home / "copy"), who
    online = [load_key(homes["bob"] / f"{role}-bob.pub.json").signer(ask) for role in ("snapshot", "timestamp")]
    publishing.publish(actor=ALICE, now=NOW, repo=commons, online=lambda: online)
    assert check_folder(Folder(commons), now=NOW).problems == ()


def test_signatures_over_other_content_are_not_merged(commons, tmp_path):
    api.stage(announcement(1), channel="community", repo=commons.path, now=NOW)
    shutil.copytree(commons.path, tmp_path / "copy")
    api.sign(repo=tmp_path / "copy", now=NOW)
    api.stage(announcement(2), channel="community", repo=commons.path, now=NOW)
    assert "community" not in merge_signatures(Folder(commons.path), tmp_path / "copy")
    with pytest.raises(BelowThresholdError):
        api.publish(repo=commons.path, now=NOW)


# --- keys -----------------------------------------------------------------------------------------------------------


def test_private_keys_are_encrypted_and_readable_by_their_owner_only(commons):
    files = list((commons.path / "keys").glob("*.pem"))
    assert len(files) == 24
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert b"BEGIN ENCRYPTED PRIVATE KEY" in file.read_bytes()


@pytest.mark.parametrize("name", ["online.passphrase", "timestamp-1.pem"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_passphrase_or_key_file_that_others_may_read_is_refused(commons, name, mode):
    (commons.path / "keys" / name).chmod(mode)
    with pytest.raises(KeyFileError, match=f"{mode:04o}"):
        api.renew(repo=commons.path, now=NOW + dt.timedelta(days=1))


def test_a_wrong_passphrase_is_an_error_that_shows_no_secret(commons, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("not the passphrase")
    secret.chmod(0o600)
    with pytest.raises(KeyFileError) as caught:
        load_key(commons.path / "keys" / "root-1.pub.json").signer(passphrase_from_file(secret))
    assert "not the passphrase" not in str(caught.value)


def test_nothing_secret_lies_in_the_served_folder(commons):
    commons.publish(announcement(1))
    for path, raw in served(commons.path).items():
        assert b"PRIVATE" not in raw, path
        assert Path(path).suffix == ".json"
    assert not (commons.path / "repository" / "keys").exists()


# --- faults ---------------------------------------------------------------------------------------------------------


def in_child(act):
    """Run `act` in a process of its own, so that it can really be killed; its exit code, negative for a signal."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = act() or 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def publish_without_database(path):
    folder = Folder(path)
    return publish_staged(folder, lambda: publishing.online_signers(folder), now=NOW)


def killed_at(point, path):
    """Publish, and be killed by SIGKILL at the n-th call that could change a file; returns how many there were."""
    left = point

    def counted(call):
        def run(*args, **kwargs):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return run

    for name in ("replace", "rename", "link", "unlink", "fsync", "open"):
        setattr(os, name, counted(getattr(os, name)))
    publish_without_database(path)
    return point - left


@pytest.mark.slow
def test_a_publisher_killed_at_any_write_leaves_a_valid_repository_and_the_next_run_completes(commons, tmp_path):
    commons.publish(announcement(1))
    for number in (2, 3):
        api.stage(announcement(number), channel="community", repo=commons.path, now=NOW)
    folder = Folder(commons.path)
    fresh = generate_key(folder.keys, "timestamp-9", owner="new", passphrase=publishing.local_passphrase(folder))
    old = next(key.key_id for key in load_keys(folder.keys) if key.name == "timestamp-1")
    change = KeyChange("timestamp", add=(fresh,), remove=frozenset({old}))
    publishing.rotate_root([change], actor=ALICE, now=NOW, repo=commons.path)
    api.sign(repo=commons.path, now=NOW)
    shutil.copytree(commons.path, tmp_path / "whole")
    calls = in_child(lambda: killed_at(250, tmp_path / "whole"))
    assert 20 < calls < 250
    seen = set()
    for point in (*range(1, calls, 9), *range(calls - 36, calls + 4, 3)):
        copy = tmp_path / f"copy-{point}"
        shutil.copytree(commons.path, copy)
        code = min(in_child(lambda point=point, copy=copy: killed_at(point, copy)), 0)
        found = check_folder(Folder(copy), now=NOW)
        assert found.problems == (), point
        seen.add((code, found.publications["community"], Folder(copy).newest_root().signed.version))
        publish_without_database(copy)
        again = check_folder(Folder(copy), now=NOW)
        assert again.problems == ()
        assert again.publications["community"] == 3
        assert Folder(copy).newest_root().signed.version == 2
        assert Folder(copy).staged_roles() == []
        assert Folder(copy).waiting_documents() == {}
        shutil.rmtree(copy)
    # Killed before the new state is visible, after that but before the new root, after that, and not at all.
    assert seen == {(-9, 1, 1), (-9, 3, 1), (-9, 3, 2), (0, 3, 2)}


def test_a_full_disk_while_publishing_leaves_the_old_state_and_heals(commons):
    commons.publish(announcement(1))
    api.stage(announcement(2), channel="community", repo=commons.path, now=NOW)
    api.sign(repo=commons.path, now=NOW)

    def publish_on_a_full_disk(limit):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            publish_without_database(commons.path)
        except OSError as error:
            return error.errno

    for limit in (0, 300, 700, 1400):
        assert in_child(lambda limit=limit: publish_on_a_full_disk(limit)) == errno.EFBIG
        assert check(commons).problems == ()
        assert check(commons).publications["community"] == 1
        assert not list((commons.path / "repository").rglob(".*"))
    assert len(api.publish(repo=commons.path, now=NOW).documents) == 1


def test_two_publishers_at_once_publish_one_after_the_other(commons):
    for number in range(1, 4):
        api.stage(announcement(number), channel="community", repo=commons.path, now=NOW)
    api.sign(repo=commons.path, now=NOW)
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            code = 70
            try:
                code = len(publish_without_database(commons.path).documents)
            finally:
                os._exit(code)
        children.append(child)
    printed = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert printed == [0, 3]
    assert check(commons).publications["community"] == 3


def test_a_held_lock_is_an_error_that_says_so(commons):
    folder = Folder(commons.path)
    with folder.writing(), pytest.raises(RepositoryBusyError), Folder(commons.path).writing(timeout_s=0.1):
        pass


def test_every_step_of_the_commons_is_audited(commons, tmp_path):
    commons.publish(announcement(1))
    actions = set(AuditRow.objects.values_list("action", flat=True))
    assert {"channel.stage", "channel.sign", "channel.publish"} <= actions
    assert verify_audit(tmp_path / "heads").problems == []


def test_init_repeated_changes_nothing_and_an_interrupted_one_is_finished(db, tmp_path):
    folder = tmp_path / "channel"
    ask = publishing.local_passphrase(Folder(folder))
    (folder / "keys").mkdir(parents=True)
    for name in (publishing.ONLINE_PASSPHRASE, publishing.OFFLINE_PASSPHRASE):
        (folder / "keys" / name).write_text("interrupted before the second key\n")
        (folder / "keys" / name).chmod(0o600)
    generate_key(folder / "keys", "root-1", owner="demo (root 1)", passphrase=ask)
    (folder / "keys" / "root-2.pem").write_bytes(b"torn")
    api.init_repository(folder, now=NOW)
    before = served(folder)
    api.init_repository(folder, now=NOW + dt.timedelta(days=1))
    assert served(folder) == before
    assert check_folder(Folder(folder), now=NOW).problems == ()
