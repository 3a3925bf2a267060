"""Subscribing, and what one bad document, mirror or root may not spoil."""

import datetime as dt
import json

import pytest
from tests.simulator import NOW, URL, SimulatedCommons

from sapwood.channel import api
from sapwood.channel.actions import subscribing
from sapwood.channel.data import ChannelState
from sapwood.channel.errors import FingerprintError, SubscriptionError, WebPageInsteadError
from sapwood.channel.layout import DocumentPath
from sapwood.channel.models import Refusal, Subscription
from sapwood.channel.tests.sites import CHANNELS, Site, only_error
from sapwood.channel.tests.support import announcement, uuid_of
from sapwood.core.data import Actor
from sapwood.core.http import Response
from sapwood.formats.canonical import sha256_hex


@pytest.fixture
def commons():
    return SimulatedCommons()


@pytest.fixture
def site(db, commons):
    return Site(commons)


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
