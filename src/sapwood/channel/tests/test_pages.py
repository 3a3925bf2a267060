"""The channel's page, panel and needs, as people meet them."""

import datetime as dt

import pytest
from django.urls import reverse
from tests.fakes import FakeHttp
from tests.people import sign_in

from sapwood.accounts import api as accounts
from sapwood.channel import api
from sapwood.channel.models import SubscribedChannel
from sapwood.channel.tests.support import NOW, announcement
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.core.models import Job
from sapwood.core.worker import run_worker


@pytest.fixture
def person(db):
    def make(role):
        return accounts.create_person(
            email=f"{role}@example.org", name=role, roles=[role], actor=Actor.command(), now=system_clock().now()
        )

    return make


@pytest.fixture
def alice(client, person):
    sign_in(client, person("site_administrator"))
    return client


def test_nobody_sees_the_channel_without_signing_in(client, db):
    assert client.get(reverse("channel:health")).status_code == 302


def test_an_empty_page_says_what_to_do(alice):
    page = alice.get(reverse("channel:health")).content.decode()
    assert "sapwood channel subscribe" in page


def test_the_page_shows_state_signers_refusals_and_pulls(alice, commons, site):
    commons.publish(announcement(1))
    api.pull(site, http=commons.http, clock=commons.clock)
    page = alice.get(reverse("channel:health")).content.decode()
    assert "demo (community 1)" in page
    assert "Last pulls" in page
    home = alice.get(reverse("console:home")).content.decode()
    assert "All about the channel" in home


def test_a_stale_channel_stands_first_on_the_front_page(alice, commons, site):
    api.pull(site, http=commons.http, clock=commons.clock)
    SubscribedChannel.objects.update(expires_at=system_clock().now() - dt.timedelta(days=1))
    home = alice.get(reverse("console:home")).content.decode()
    assert "is stale. The last good content stays." in home


def test_pulling_by_hand_queues_one_job_however_often_it_is_pressed(alice, site):
    pressed = {alice.post(reverse("channel:pull_now"))["Location"] for _ in range(2)}
    assert Job.objects.filter(name="channel.pull").count() == len(pressed) == 1
    assert "Pulling" in alice.get(*pressed).text


def test_who_pulls_sees_how_far_it_is_and_finds_the_way_back(alice, commons, site, monkeypatch):
    monkeypatch.setattr("sapwood.channel.tasks.default_client", lambda: commons.http)
    commons.publish(announcement(1))
    begun = alice.post(reverse("channel:pull_now"))["Location"]
    assert begun in alice.get(reverse("channel:health")).text
    run_worker(clock=system_clock(), once=True)
    page = alice.get(begun).text
    assert "finished" in page
    assert reverse("channel:health") in page
    assert begun not in alice.get(reverse("channel:health")).text


def test_who_pulls_from_a_dead_channel_is_told_why(alice, site, monkeypatch):
    monkeypatch.setattr("sapwood.channel.tasks.default_client", FakeHttp)
    begun = alice.post(reverse("channel:pull_now"))["Location"]
    run_worker(clock=system_clock(), once=True)
    page = alice.get(begun).text
    assert "stopped" in page
    assert "has no answer" in page


def test_a_reviewer_may_look_but_not_pull(client, person, site):
    sign_in(client, person("reviewer"))
    assert client.get(reverse("channel:health")).status_code == 200
    assert client.post(reverse("channel:pull_now")).status_code == 403


def test_a_mass_withdrawal_waits_for_somebody_who_has_seen_it(alice, site):
    row = site.channels.get(name="community")
    SubscribedChannel.objects.filter(pk=row.pk).update(withdrawal_at=NOW, withdrawal_count=7)
    page = alice.get(reverse("channel:health")).content.decode()
    assert "no longer lists 7 publications" in page
    alice.post(reverse("channel:acknowledge", args=[row.pk]))
    assert "no longer lists" not in alice.get(reverse("channel:health")).content.decode()


def test_on_the_commons_the_page_says_who_has_to_sign_what(alice, commons, monkeypatch):
    monkeypatch.setenv("SAPWOOD_ROLE", "commons")
    monkeypatch.setenv("SAPWOOD_CHANNEL_FOLDER", str(commons.path))
    api.stage(announcement(1, channel="security"), channel="security", repo=commons.path, now=NOW)
    page = alice.get(reverse("channel:health")).content.decode()
    assert "2 signatures are missing" in page
    assert "demo (security 1), demo (security 2), demo (security 3)" in page
    assert api.repository_status(commons.path).root_sha256 in page.replace("<wbr>", "")


def test_the_commons_front_page_names_what_is_due(commons, monkeypatch, rf, person):
    from sapwood.channel import panels

    monkeypatch.setenv("SAPWOOD_CHANNEL_FOLDER", str(commons.path))
    request = rf.get("/")
    request.user = person("site_administrator")
    api.stage(announcement(1, channel="security"), channel="security", repo=commons.path, now=NOW)
    texts = [str(need.text) for need in panels._commons_needs(request)]
    assert any("security" in text and "demo (security 2)" in text for text in texts)
    assert panels._commons_panel(request)["repository"].staged
