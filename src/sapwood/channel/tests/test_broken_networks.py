"""Hard cases 10 to 16 of the channel: broken networks, several pullers, bundles, mass withdrawal."""

import datetime as dt
import threading

import pytest
from tests.simulator import SimulatedCommons

from sapwood.channel import api
from sapwood.channel.client.bundle import write_bundle
from sapwood.channel.data import ChannelState
from sapwood.channel.errors import PullBusyError
from sapwood.channel.models import TrustedFile
from sapwood.channel.tests.sites import Site, only_error
from sapwood.channel.tests.support import announcement, uuid_of
from sapwood.core.clock import FixedClock
from sapwood.core.data import Actor
from sapwood.core.http import Response, TooLargeError, TooManyRedirectsError, TooSlowError


@pytest.fixture
def commons():
    return SimulatedCommons()


@pytest.fixture
def site(db, commons):
    return Site(commons)


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
