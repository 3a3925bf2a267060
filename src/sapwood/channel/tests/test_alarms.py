"""A channel that goes wrong is loud: administrators get mail, once, in their language; and again when it is well."""

import datetime as dt

import pytest

from sapwood.accounts.api import create_person
from sapwood.channel import api
from sapwood.channel.data import ChannelState
from sapwood.channel.models import HealthLog, Subscription
from sapwood.core.data import Actor

NOW = dt.datetime(2026, 11, 22, 10, 0, tzinfo=dt.UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return create_person(
        "alice@riverside.example", roles=["site_administrator"], actor=Actor.command(), now=NOW, name="Alice"
    )


def change(before: ChannelState, after: ChannelState) -> None:
    subscription, _ = Subscription.objects.get_or_create(
        name="project", defaults={"url": "https://updates.example/", "created_at": NOW}
    )
    HealthLog.objects.create(
        subscription=subscription, channel="security", before=before, after=after, at=NOW, message="stale since noon"
    )


def test_a_change_for_the_worse_and_the_recovery_are_mailed_once_each(alice, mailoutbox):
    change(ChannelState.FRESH, ChannelState.STALE)
    assert api.mail_changes(now=NOW) == 1
    assert api.mail_changes(now=NOW) == 0
    change(ChannelState.STALE, ChannelState.FRESH)
    assert api.mail_changes(now=NOW) == 1
    first, second = mailoutbox
    assert first.to == ["alice@riverside.example"]
    assert first.subject == "Riverside College: A channel needs you"
    assert "project/security: stale since noon" in first.body
    assert second.subject == "Riverside College: The channel is well again"


def test_the_first_good_pull_is_no_news(alice, mailoutbox):
    change(ChannelState.WAITING, ChannelState.FRESH)
    assert api.mail_changes(now=NOW) == 0
    assert mailoutbox == []


def test_nobody_who_may_not_act_is_mailed(alice, mailoutbox):
    create_person("dora@riverside.example", roles=["translator"], actor=Actor.command(), now=NOW)
    change(ChannelState.FRESH, ChannelState.DEAD)
    api.mail_changes(now=NOW)
    assert [mail.to for mail in mailoutbox] == [["alice@riverside.example"]]


def test_a_mail_server_that_refuses_is_asked_again(alice, mailoutbox, monkeypatch):
    change(ChannelState.FRESH, ChannelState.REJECTED)
    monkeypatch.setattr("django.core.mail.EmailMessage.send", _refuse)
    assert api.mail_changes(now=NOW) == 0
    monkeypatch.undo()
    assert api.mail_changes(now=NOW) == 1
    assert len(mailoutbox) == 1


def _refuse(*_arguments, **_named):
    raise OSError("no route")
