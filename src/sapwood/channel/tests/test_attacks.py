"""Hard cases 1 to 16 of the channel: what a liar, a thief or a broken network can do to a site."""

import datetime as dt
import json
import threading

import pytest
from tests.simulator import NOW, URL, SimulatedCommons, key

from sapwood.channel import api
from sapwood.channel.actions import subscribing
from sapwood.channel.client.bundle import write_bundle
from sapwood.channel.data import ChannelState
from sapwood.channel.errors import FingerprintError, PullBusyError, SubscriptionError, WebPageInsteadError
from sapwood.channel.layout import DocumentPath
from sapwood.channel.models import Refusal, Subscription, TrustedFile
from sapwood.channel.tests.support import announcement, uuid_of
from sapwood.core.clock import FixedClock
from sapwood.core.data import Actor
from sapwood.core.http import Response, TooLargeError, TooManyRedirectsError, TooSlowError
from sapwood.formats.canonical import sha256_hex

CHANNELS = ("security", "community")


class Site:
    """A subscribed site with a clock of its own."""

    def __init__(self, commons, *, name="openedx", mirrors=(), channels=CHANNELS):
        self.commons = commons
        self.clock = FixedClock(commons.now)
        self.row = api.subscribe(
            URL,
            root=commons.first_root,
            actor=Actor.command(),
            now=commons.now,
            name=name,
            mirrors=mirrors,
            channels=channels,
        )

    def pull(self, http=None, *, bundle=None):
        self.clock = FixedClock(max(self.commons.now, self.clock.now()))
        return api.pull(self.row, http=None if bundle else http or self.commons, clock=self.clock, bundle=bundle)

    def states(self):
        return {health.name: health.state for health in api.channel_health(self.clock.now())}

    def revisions(self):
        return [(row.channel, row.uuid, row.revision) for row in api.received() if row.withdrawn_at is None]


@pytest.fixture
def commons():
    return SimulatedCommons()


@pytest.fixture
def site(db, commons):
    return Site(commons)


def only_error(result):
    [error] = {entry["code"]: entry for entry in result.errors.values()}.values()
    return error


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


# --- 10 to 12: the network ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["metadata/2.root.json", "metadata/timestamp.json"])
def test_10_a_captive_portal_that_answers_200_is_named_as_what_it_is(commons, site, name):
    commons.page(name)
    error = only_error(site.pull())
    assert error["code"] == "channel.captive_portal"
    assert "web page" in error["message"]
    assert "captive portal" in error["message"]


def test_10_a_portal_that_redirects_is_named_too(commons, site):
    def redirect(request):
        # What the real client does when it may follow nothing.
        raise TooManyRedirectsError("commons.example.org sent the request on more than 0 times.")

    commons.answers["metadata/timestamp.json"] = redirect
    assert only_error(site.pull())["code"] == "channel.captive_portal"
    commons.answers["metadata/timestamp.json"] = lambda request: Response(302, {"location": "/x"}, b"", request.url)
    assert only_error(site.pull())["code"] == "channel.captive_portal"


def test_10_a_portal_in_place_of_one_document_refuses_that_document_and_heals(commons, site):
    [first, _] = commons.publish(announcement(1), announcement(2))
    [name] = [name for name in commons.files if name.endswith(first.partition("/")[2]) and name.startswith("targets")]
    commons.page(name)
    result = site.pull()
    assert (result.new, result.unverified) == (1, 1)
    assert site.states()["community"] is ChannelState.REJECTED
    del commons.answers[name]
    assert site.pull().new == 1
    assert site.states()["community"] is ChannelState.FRESH


@pytest.mark.parametrize("status", [403, 404])
def test_11_both_403_and_404_end_the_walk_along_the_roots(commons, site, status):
    commons.missing_status = status
    commons.publish(announcement(1))
    assert site.pull().new == 1


def test_11_a_500_for_the_next_root_is_a_failure_and_not_the_end_of_the_walk(commons, site):
    commons.answers["metadata/2.root.json"] = lambda request: Response(500, {}, b"", request.url)
    assert only_error(site.pull())["code"] == "channel.unreachable"


@pytest.mark.parametrize("failure", [TooSlowError("a byte a minute"), TooLargeError("a gigabyte of zeros")])
def test_12_a_slow_or_endless_answer_ends_at_the_clients_caps(commons, site, failure):
    def answer(request):
        raise failure

    commons.answers["metadata/timestamp.json"] = answer
    assert only_error(site.pull())["code"] in {"channel.unreachable", "channel.tampered"}


def test_12_no_request_is_made_without_a_cap_on_size_and_time(commons, site):
    seen = []
    fetch = commons.fetch
    commons.fetch = lambda request: seen.append(request) or fetch(request)
    commons.publish(announcement(1))
    site.pull()
    assert seen
    assert all(0 < request.max_bytes <= 10_000_000 and 0 < request.timeout_s <= 60 for request in seen)
    assert all(request.follow_redirects == 0 for request in seen)
    [body] = [request for request in seen if str(uuid_of(1)) in request.url]
    assert body.max_bytes == len(announcement(1))


def test_12_a_body_that_is_shorter_or_longer_than_signed_is_refused(commons, site):
    [path] = commons.publish(announcement(1))
    [name] = [name for name in commons.files if name.endswith(path.partition("/")[2])]
    whole = commons.files[name]
    for wrong in (whole[:-1], whole + b" "):
        commons.files[name] = wrong
        assert site.pull().unverified == 1
    commons.files[name] = whole
    assert site.pull().new == 1


# --- 13 and 14: several pullers, crashes ----------------------------------------------------------------------------


def test_13_a_second_puller_is_told_to_wait(commons, site):
    commons.publish(announcement(1))
    seen = []

    def meanwhile(request):
        with pytest.raises(PullBusyError):
            site.pull()
        seen.append(True)
        return Response(200, {}, commons.files["metadata/timestamp.json"], request.url)

    commons.answers["metadata/timestamp.json"] = meanwhile
    assert site.pull().new == 1
    assert seen
    assert len(site.revisions()) == 1


def test_13_a_dead_pullers_claim_is_taken_over_and_the_dead_one_cannot_write(commons, site):
    commons.publish(announcement(1))

    def much_later(request):
        del commons.answers["metadata/timestamp.json"]
        commons.sleep(dt.timedelta(minutes=10))
        assert site.pull().new == 1
        return Response(200, {}, commons.files["metadata/timestamp.json"], request.url)

    commons.answers["metadata/timestamp.json"] = much_later
    with pytest.raises(PullBusyError):
        site.pull()
    assert len(site.revisions()) == 1


@pytest.mark.django_db(transaction=True)
def test_13_two_threads_pulling_at_once_store_each_document_once(commons):
    site = Site(commons)
    commons.publish(*(announcement(number) for number in range(5)))
    outcomes = []

    def run():
        from django.db import connection

        try:
            outcomes.append(api.pull(site.row, http=commons, clock=FixedClock(commons.now)).new)
        except PullBusyError:
            outcomes.append("busy")
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 5 in outcomes
    assert len(site.revisions()) == 5


def test_14_a_crash_before_the_transaction_ends_leaves_everything_as_it_was(commons, site, monkeypatch):
    commons.publish(announcement(1))

    def crash(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sapwood.channel.actions.receiving._log", crash)
        with pytest.raises(KeyboardInterrupt):
            site.pull()
    assert site.revisions() == []
    assert list(TrustedFile.objects.values_list("name", flat=True)) == ["root"]
    assert site.pull().new == 1


# --- 15 and 16: bundles, mass withdrawal ----------------------------------------------------------------------------


def bundle(commons, path):
    write_bundle(path, list(commons.files.items()))
    return path


def test_15_a_bundle_is_verified_like_the_network(commons, site, tmp_path):
    commons.publish(announcement(1))
    result = site.pull(bundle=bundle(commons, tmp_path / "b.zip"))
    assert result.good
    assert (result.new, result.requests) == (1, 0)


def test_15_a_bundle_older_than_the_current_state_is_refused_as_rollback(commons, site, tmp_path):
    commons.publish(announcement(1))
    old = bundle(commons, tmp_path / "b.zip")
    commons.publish(announcement(2))
    site.pull()
    assert only_error(site.pull(bundle=old))["code"] == "channel.rollback"
    assert len(site.revisions()) == 2


def test_15_a_bundle_of_another_publisher_is_refused(commons, site, tmp_path):
    other = SimulatedCommons()
    for role in ("root", "targets", "snapshot", "timestamp"):
        other.rotate(role, f"other-{role}")
    other.signers["root-before"] = other.signers["root"]
    other.root.version = 0
    other.publish_root()
    other.commit(*other.roles)
    assert only_error(site.pull(bundle=bundle(other, tmp_path / "b.zip")))["code"] == "channel.signature"


def test_15_a_file_that_is_no_bundle_is_an_error_of_one_line(commons, site, tmp_path):
    path = tmp_path / "b.zip"
    path.write_bytes(b"<html>not a zip</html>")
    with pytest.raises(Exception, match="is not a bundle"):
        site.pull(bundle=path)


def test_16_when_the_publisher_takes_everything_away_nothing_is_deleted_and_somebody_is_asked(commons, site):
    commons.publish(*(announcement(number) for number in range(4)))
    site.pull()
    commons.roles["community-2026-0000"].targets = {}
    commons.reindex("community")
    commons.commit("community", "community-2026-0000")
    result = site.pull()
    assert result.withdrawn == 4
    assert len(api.received()) == 4
    assert len(api.withdrawn()) == 4
    [asking] = api.unacknowledged_withdrawals()
    assert (asking.name, asking.withdrawal_count) == ("community", 4)
    api.acknowledge_withdrawal(asking, actor=Actor.command(), now=commons.now)
    assert not api.unacknowledged_withdrawals()
    assert len(api.received()) == 4


def test_16_what_is_listed_again_is_no_longer_withdrawn(commons, site):
    commons.publish(announcement(1), announcement(2))
    site.pull()
    segment = commons.roles["community-2026-0000"]
    kept = dict(segment.targets)
    segment.targets = {}
    commons.reindex("community")
    commons.commit("community", "community-2026-0000")
    site.pull()
    segment.targets = kept
    commons.reindex("community")
    commons.commit("community", "community-2026-0000")
    site.pull()
    assert api.withdrawn() == []


# --- one bad document, one bad mirror, one bad root -----------------------------------------------------------------


def test_a_document_that_cannot_be_read_is_refused_on_its_own_and_read_once_it_can_be(commons, site, monkeypatch):
    future = json.dumps({"type": "announcement", "version": 9, "uuid": str(uuid_of(9)), "revision": 1}).encode()
    commons.publish(announcement(1), future, announcement(2))
    result = site.pull()
    assert (result.new, result.refused, result.unverified) == (2, 1, 0)
    assert result.good
    refusal = Refusal.objects.get()
    assert refusal.code == "format.unsupported_version"
    assert site.states()["community"] is ChannelState.FRESH
    asked = len(commons.asked)
    assert site.pull().refused == 1
    assert not [url for url in commons.asked[asked:] if str(uuid_of(9)) in url]
    known = announcement(9)
    monkeypatch.setattr(
        "sapwood.channel.client.walk.read_envelope",
        lambda raw: __import__("sapwood.channel.envelope", fromlist=["x"]).read_envelope(known),
    )
    assert site.pull().new == 1
    refusal.refresh_from_db()
    assert refusal.resolved_at is not None


def test_a_channel_that_the_publisher_does_not_have_leaves_the_others_alone(commons, db):
    site = Site(commons, channels=["community", "surveys"])
    commons.roles["targets"].delegations.roles.pop("surveys")
    commons.commit("targets")
    commons.publish(announcement(1))
    result = site.pull()
    assert result.new == 1
    assert result.errors["surveys"]["code"] == "channel.no_such_channel"


def test_a_published_revision_never_changes(commons, site):
    [path] = commons.publish(announcement(1))
    site.pull()
    commons.place(DocumentPath.parse(path), announcement(1, title="Other news"))
    commons.reindex("community")
    commons.commit("community", "community-2026-0000")
    result = site.pull()
    assert (result.new, result.refused) == (0, 1)
    assert Refusal.objects.get().code == "channel.revision_changed"
    assert api.received()[0].raw == announcement(1)


def test_a_lying_mirror_is_passed_over_for_an_honest_one(commons, db):
    mirror = commons.copy()
    mirror.url = "https://mirror.example.net/channel"
    site = Site(commons, mirrors=[mirror.url])
    commons.publish(announcement(1))
    mirror.files = dict(commons.files)
    commons.files["metadata/timestamp.json"] = b"{}"

    class Both:
        def fetch(self, request):
            return (mirror if request.url.startswith(mirror.url) else commons).fetch(request)

    result = site.pull(Both())
    assert result.good
    assert (result.new, result.source) == (1, mirror.url)


def test_a_document_missing_at_one_address_comes_from_another(commons, db):
    mirror = commons.copy()
    mirror.url = "https://mirror.example.net/channel"
    site = Site(commons, mirrors=[mirror.url])
    [path] = commons.publish(announcement(1))
    mirror.files = dict(commons.files)
    [name] = [name for name in commons.files if name.endswith(path.partition("/")[2])]
    commons.files[name] = b"torn"

    class Both:
        def fetch(self, request):
            return (mirror if request.url.startswith(mirror.url) else commons).fetch(request)

    assert site.pull(Both()).new == 1


def test_there_is_no_trust_on_first_use(commons, db):
    with pytest.raises(SubscriptionError, match="proves nothing"):
        api.subscribe(URL, actor=Actor.command(), now=NOW, http=commons)


def test_a_fingerprint_must_be_that_of_the_first_root(commons, db):
    good = sha256_hex(commons.first_root)
    with pytest.raises(FingerprintError):
        api.subscribe(URL, fingerprint="0" * 64, actor=Actor.command(), now=NOW, http=commons)
    spaced = " ".join(good[start : start + 8].upper() for start in range(0, 64, 8))
    assert api.subscribe(URL, fingerprint=spaced, actor=Actor.command(), now=NOW, http=commons).root_sha256 == good


def test_a_captive_portal_in_place_of_the_first_root_says_so(commons, db):
    commons.page("metadata/1.root.json")
    with pytest.raises(WebPageInsteadError):
        api.subscribe(URL, fingerprint="0" * 64, actor=Actor.command(), now=NOW, http=commons)


def test_failures_wait_longer_each_time_and_success_resets_them(commons, site):
    commons.page("metadata/timestamp.json")
    waits = []
    for _ in range(4):
        site.pull()
        row = Subscription.objects.get()
        waits.append(row.next_pull_at - site.clock.now())
    assert all(later > sooner for sooner, later in zip(waits, waits[2:], strict=False))
    assert set(site.states().values()) == {ChannelState.DEAD}
    del commons.answers["metadata/timestamp.json"]
    site.pull()
    assert Subscription.objects.get().failures == 0


def test_a_busy_server_that_asks_for_patience_gets_it(commons, site):
    commons.answers["metadata/timestamp.json"] = lambda request: Response(
        503, {"retry-after": "20000"}, b"", request.url
    )
    site.pull()
    assert Subscription.objects.get().next_pull_at >= commons.now + dt.timedelta(seconds=20_000)


def test_administrators_are_told_of_a_dead_channel_once_it_lasts(commons, site):
    site.pull()
    commons.page("metadata/timestamp.json")
    told = []
    for _ in range(4):
        site.pull()
        told.append(sum(change.after is ChannelState.DEAD for change in api.health_changes()))
    assert told == [0, 0, len(CHANNELS), len(CHANNELS)]


def test_a_subscription_that_ended_goes_on_with_what_it_had_verified(commons, site):
    commons.publish(announcement(1))
    old = commons.copy()
    commons.publish(announcement(2))
    site.pull()
    with pytest.raises(SubscriptionError, match="already"):
        Site(commons, name="twice")
    api.unsubscribe(site.row, actor=Actor.command(), now=NOW)
    assert api.subscriptions() == []
    again = Site(commons, name="")
    assert again.row.pk == site.row.pk
    assert only_error(again.pull(old))["code"] == "channel.rollback"
    assert again.pull().good
    assert len(again.revisions()) == 2


def test_only_addresses_of_the_web_can_be_subscribed_to():
    for url in ("ftp://x/y", "https://", "javascript:alert(1)", "https://user@host/", "https://host/?q", "file:///etc"):
        with pytest.raises(SubscriptionError):
            subscribing._checked_url(url)
