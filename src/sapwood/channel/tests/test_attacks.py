"""Hard cases 1 to 9 of the channel: what a liar or a thief can do to a site."""

import datetime as dt
import json

import pytest
from tests.simulator import NOW, SimulatedCommons, key

from sapwood.channel import api
from sapwood.channel.data import ChannelState
from sapwood.channel.layout import DocumentPath
from sapwood.channel.models import Refusal, TrustedFile
from sapwood.channel.tests.sites import CHANNELS, Site, only_error
from sapwood.channel.tests.support import announcement, uuid_of
from sapwood.core.clock import FixedClock
from sapwood.formats.canonical import sha256_hex


@pytest.fixture
def commons():
    return SimulatedCommons()


@pytest.fixture
def site(db, commons):
    return Site(commons)


# --- 1 to 4: old, mixed and frozen data -----------------------------------------------------------------------------


def test_01_a_replayed_older_state_is_refused_and_what_was_received_stays(commons, site):
    commons.publish(announcement(1))
    old = commons.copy()
    commons.publish(announcement(2))
    site.pull()
    result = site.pull(old)
    assert only_error(result)["code"] == "channel.rollback"
    assert set(site.states().values()) == {ChannelState.REJECTED}
    assert len(site.revisions()) == 2


def test_02_a_replay_against_a_lost_disk_meets_the_state_in_the_database(commons, site, tmp_path, monkeypatch):
    commons.publish(announcement(1))
    old = commons.copy()
    commons.publish(announcement(2))
    site.pull()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # a new, empty disk
    assert only_error(site.pull(old))["code"] == "channel.rollback"


def test_03_a_frozen_channel_is_called_stale_since_its_expiry_and_keeps_its_content(commons, site):
    commons.publish(announcement(1))
    site.pull()
    commons.sleep(dt.timedelta(days=8))
    result = site.pull()
    assert only_error(result)["code"] == "channel.stale"
    [community] = [health for health in api.channel_health(site.clock.now()) if health.name == "community"]
    assert community.state is ChannelState.STALE
    assert community.stale_since == NOW + dt.timedelta(days=7)
    assert "stale since 2026-11-29" in community.in_words
    assert len(site.revisions()) == 1


def test_03_a_channel_goes_stale_without_any_pull(commons, site):
    site.pull()
    later = commons.now + dt.timedelta(days=7, seconds=1)
    assert {health.state for health in api.channel_health(later)} == {ChannelState.STALE}
    assert api.report_health(now=later) == len(CHANNELS)
    assert api.report_health(now=later) == 0
    assert {change.after for change in api.health_changes()} >= {ChannelState.STALE}


def test_04_an_old_role_under_a_new_snapshot_is_refused(commons, site):
    commons.publish(announcement(1))
    site.pull()
    old = commons.files["metadata/2.community.json"]
    commons.publish(announcement(2))
    commons.files["metadata/3.community.json"] = old
    result = site.pull()
    assert result.errors["community"]["code"] == "channel.tampered"
    assert "security" not in result.errors
    assert site.states() == {"security": ChannelState.FRESH, "community": ChannelState.REJECTED}


def test_04_an_old_snapshot_under_a_new_timestamp_is_refused(commons, site):
    commons.publish(announcement(1))
    old = commons.files[f"metadata/{commons.snapshot.version}.snapshot.json"]
    commons.publish(announcement(2))
    commons.files[f"metadata/{commons.snapshot.version}.snapshot.json"] = old
    assert only_error(site.pull())["code"] == "channel.tampered"
    assert site.revisions() == []


# --- 5: clocks ------------------------------------------------------------------------------------------------------


def test_05_a_clock_two_years_slow_is_an_error_that_names_both_instants(commons, site):
    commons.publish(announcement(1))
    site.pull()
    site.row.refresh_from_db()
    slow = FixedClock(commons.now - dt.timedelta(days=730))
    before = len(commons.asked)
    error = only_error(api.pull(site.row, http=commons, clock=slow))
    assert error["code"] == "channel.clock"
    assert "2024-11-22 10:00:00" in error["message"]
    assert "2026-11-22 10:00:00" in error["message"]
    assert len(commons.asked) == before


def test_05_a_slow_clock_shows_on_the_very_first_pull(commons, site):
    commons.publish(announcement(1))
    slow = FixedClock(commons.now - dt.timedelta(hours=3))
    assert only_error(api.pull(site.row, http=commons, clock=slow))["code"] == "channel.clock"
    assert site.revisions() == []
    site.row.refresh_from_db()
    assert site.row.time_floor is None


def test_05_the_daily_signature_alone_shows_a_slow_clock(commons, site):
    slow = FixedClock(commons.now - dt.timedelta(hours=3))
    assert only_error(api.pull(site.row, http=commons, clock=slow))["code"] == "channel.clock"
    site.pull()
    commons.sleep(dt.timedelta(days=1))
    commons.renew()
    site.pull()
    yesterday = FixedClock(commons.now - dt.timedelta(hours=3))
    site.row.refresh_from_db()
    assert only_error(api.pull(site.row, http=commons, clock=yesterday))["code"] == "channel.clock"


def test_05_an_index_from_the_future_cannot_raise_the_floor_for_good(commons, site):
    commons.publish(announcement(1))
    commons.reindex("community", published_at=commons.now + dt.timedelta(days=300))
    commons.commit("community")
    assert only_error(site.pull())["code"] == "channel.clock"
    commons.reindex("community")
    commons.commit("community")
    assert site.pull().good


def test_05_a_clock_forty_days_fast_says_stale_and_heals_with_the_clock(commons, site):
    commons.publish(announcement(1))
    site.pull()
    fast = FixedClock(commons.now + dt.timedelta(days=40))
    assert only_error(api.pull(site.row, http=commons, clock=fast))["code"] == "channel.stale"
    commons.publish(announcement(2))
    site.clock = FixedClock(commons.now)
    assert site.pull().good
    assert len(site.revisions()) == 2


# --- 6 to 9: keys ---------------------------------------------------------------------------------------------------


def test_06_a_client_asleep_for_three_years_follows_five_rotations_of_the_root(commons, site):
    site.pull()
    for year in range(1, 6):
        commons.sleep(dt.timedelta(days=200))
        commons.rotate("root", f"root-{year}")
        commons.rotate("timestamp", f"timestamp-{year}")
        commons.root.expires = commons.now + dt.timedelta(days=365)
        commons.publish_root()
    for role in commons.roles:
        commons.lifetime(role, dt.timedelta(days=365))
    commons.add([announcement(1)], channel="community", commit=False)
    commons.commit(*commons.roles)
    result = site.pull()
    assert result.good, result.errors
    assert len(site.revisions()) == 1
    assert json.loads(bytes(TrustedFile.objects.get(name="root").raw))["signed"]["version"] == 6


def test_06_a_root_that_the_old_keys_did_not_sign_is_refused(commons, site):
    site.pull()
    commons.rotate("root", "thief")
    commons.publish_root(signers=[key("thief-0")])
    assert only_error(site.pull())["code"] == "channel.signature"


def test_07_after_a_key_is_revoked_roles_that_it_signed_are_refused_even_from_the_cache(commons, site):
    commons.publish(announcement(1))
    site.pull()
    commons.rotate("community", "community-new")
    commons.delegate("targets", "community", ["community/*"], commons.signers["community"])
    commons.commit("targets")
    result = site.pull()
    assert result.errors["community"]["code"] == "channel.signature"
    assert len(site.revisions()) == 1


def test_07_signed_anew_with_the_new_key_the_same_items_stand_under_it(commons, site):
    commons.publish(announcement(1))
    site.pull()
    [before] = api.received()
    commons.rotate("community", "community-new")
    for parent, role, paths in (
        ("targets", "community", ["community/*"]),
        ("community", "community-2026-0000", ["community/2026-0000??-*"]),
    ):
        commons.signers[role] = commons.signers["community"]
        commons.delegate(parent, role, paths, commons.signers["community"])
    commons.commit("targets", "community", "community-2026-0000")
    assert site.pull().good
    [after] = api.received()
    assert after.id == before.id
    assert after.verified_by == (key("community-new-0").public_key.keyid,)
    assert after.verified_by != before.verified_by


def test_a_thief_of_the_online_keys_publishes_nothing(commons, site):
    commons.publish(announcement(1))
    site.pull()
    stolen = [*commons.signers["snapshot"], *commons.signers["timestamp"]]
    for role in ("targets", "community", *commons.segments("community")):
        commons.signers[role] = stolen
    commons.publish(announcement(2))
    assert only_error(site.pull())["code"] == "channel.signature"
    assert len(site.revisions()) == 1


def test_a_thief_of_one_root_key_below_the_threshold_changes_no_key(db):
    commons = SimulatedCommons(thresholds={"root": 2})
    site = Site(commons)
    site.pull()
    commons.rotate("timestamp", "thief")
    commons.publish_root(signers=commons.signers["root"][:1])
    commons.renew()
    assert only_error(site.pull())["code"] == "channel.signature"
    assert set(site.states().values()) == {ChannelState.REJECTED}


def test_08_a_community_key_cannot_put_anything_into_security(commons, site):
    evil = announcement(66, channel="security")
    path = DocumentPath("security", 2026, 0, str(uuid_of(66)), 1)
    commons.roles["community"].targets[str(path)] = commons.serve(str(path), evil)
    commons.publish(announcement(1))
    site.pull()
    assert [row[0] for row in site.revisions()] == ["community"]


def test_08_a_community_key_cannot_list_security_paths_in_its_segments(commons, site):
    commons.publish(announcement(1))
    path = DocumentPath("security", 2026, 0, str(uuid_of(66)), 1)
    segment = commons.roles["community-2026-0000"]
    segment.targets[str(path)] = commons.serve(str(path), announcement(66, channel="security"))
    commons.reindex("community")
    commons.commit("community", "community-2026-0000")
    assert site.pull().errors["community"]["code"] == "channel.rejected"
    assert site.revisions() == []


def test_08_a_document_that_claims_another_channel_is_refused_on_its_own(commons, site):
    commons.publish(announcement(66, channel="security"), announcement(1), channel="community")
    result = site.pull()
    assert (result.new, result.refused) == (1, 1)
    assert Refusal.objects.get().code == "channel.wrong_place"


def test_08_the_security_key_alone_is_not_enough_when_two_must_sign(db):
    commons = SimulatedCommons(thresholds={"security": 2})
    site = Site(commons)
    commons.publish(announcement(1, channel="security"), channel="security")
    assert site.pull().good
    commons.signers["security"] = commons.signers["security"][:1]
    commons.signers["security-2026-0000"] = commons.signers["security"]
    commons.publish(announcement(2, channel="security"), channel="security")
    assert site.pull().errors["security"]["code"] == "channel.signature"


def test_09_one_key_signing_twice_does_not_meet_a_threshold_of_two(db):
    commons = SimulatedCommons(thresholds={"security": 2})
    site = Site(commons)
    commons.publish(announcement(1, channel="security"), channel="security")
    name = f"metadata/{commons.roles['security'].version}.security.json"
    forged = json.loads(commons.files[name])
    forged["signatures"][1] = forged["signatures"][0]
    raw = commons.files[name] = json.dumps(forged).encode()
    commons.snapshot.meta["security.json"].length = len(raw)
    commons.snapshot.meta["security.json"].hashes = {"sha256": sha256_hex(raw)}
    commons.renew()
    assert site.pull().errors["security"]["code"] in {"channel.signature", "channel.rejected"}


def test_09_one_key_under_two_names_does_not_meet_a_threshold_of_two(commons, site):
    alias = json.loads(commons.write("x", commons.roles["targets"], []))["signed"]["delegations"]
    key_id = commons.signers["security"][0].public_key.keyid
    targets = commons.roles["targets"]
    twin = type(commons.signers["security"][0].public_key).from_dict("f" * 64, dict(alias["keys"][key_id]))
    targets.delegations.keys["f" * 64] = twin
    targets.delegations.roles["security"].keyids.append("f" * 64)
    targets.delegations.roles["security"].threshold = 2
    commons.commit("targets", "security")
    name = f"metadata/{commons.roles['security'].version}.security.json"
    forged = json.loads(commons.files[name])
    forged["signatures"].append({"keyid": "f" * 64, "sig": forged["signatures"][0]["sig"]})
    raw = commons.files[name] = json.dumps(forged).encode()
    commons.snapshot.meta["security.json"].length = len(raw)
    commons.snapshot.meta["security.json"].hashes = {"sha256": sha256_hex(raw)}
    commons.renew()
    error = only_error(site.pull())
    assert error["code"] == "channel.signature"
    assert "one person could sign for two" in error["message"]
