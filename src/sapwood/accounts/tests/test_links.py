"""One-time sign-in links."""

import datetime as dt
import re

import pytest
from django.contrib.auth import get_user
from django.core import mail
from django.test import Client

from sapwood.accounts.actions import set_active
from sapwood.accounts.api import BadLinkError, actor_for, invite, one_time_link, redeem_link
from sapwood.accounts.models import SignInLink
from sapwood.accounts.tests.conftest import NOW
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.core.errors import UsageError
from sapwood.core.models import AuditRow

CLI = Actor.command()
BASE = "http://testserver"


def made(user, **more):
    return one_time_link(user, base_url=BASE, now=more.pop("now", NOW), actor=CLI, **more)


def secret_of(url):
    return url.rsplit("/", 1)[1]


def test_a_link_signs_in_once(alice):
    secret = secret_of(made(alice))
    assert redeem_link(secret, now=NOW) == alice
    with pytest.raises(BadLinkError):
        redeem_link(secret, now=NOW)


def test_a_link_expires(alice):
    url = made(alice, ttl=dt.timedelta(minutes=5))
    with pytest.raises(BadLinkError):
        redeem_link(secret_of(url), now=NOW + dt.timedelta(minutes=5))


def test_only_a_hash_of_the_secret_is_kept(alice):
    secret = secret_of(made(alice))
    row = SignInLink.objects.get()
    assert secret not in (row.digest, str(row.uuid))
    assert secret not in str(list(AuditRow.objects.values_list("subject", "details")))


def test_a_guess_is_refused(alice):
    with pytest.raises(BadLinkError):
        redeem_link("x" * 43, now=NOW)


def test_a_link_of_a_switched_off_person_is_void(alice, dave):
    secret = secret_of(made(dave))
    set_active(dave, active=False, actor=actor_for(alice), now=NOW)
    with pytest.raises(BadLinkError):
        redeem_link(secret, now=NOW)


def test_a_link_cannot_last_for_ever(alice):
    with pytest.raises(UsageError):
        made(alice, ttl=dt.timedelta(days=365))


def test_making_and_using_a_link_are_audited(alice):
    redeem_link(secret_of(made(alice)), now=NOW)
    actions = list(AuditRow.objects.order_by("seq").values_list("action", flat=True))
    assert actions[-2:] == ["accounts.link.make", "accounts.link.use"]


def test_looking_at_the_page_does_not_use_the_link_up(client, alice):
    url = made(alice, now=system_clock().now())
    for _ in range(3):
        assert client.get(url).status_code == 200
        assert client.head(url).status_code == 200
    assert SignInLink.objects.get().used_at is None
    assert not get_user(client).is_authenticated


def test_pressing_the_button_signs_in_and_leads_home(client, alice):
    response = client.post(made(alice, now=system_clock().now()))
    assert (response.status_code, response["Location"]) == (302, "/")
    assert get_user(client) == alice
    assert AuditRow.objects.filter(action="accounts.sign_in", subject=f"person:{alice.uuid}").exists()


def test_the_button_needs_the_page_it_stands_on(alice):
    strict = Client(enforce_csrf_checks=True)
    url = made(alice, now=system_clock().now())
    assert strict.post(url).status_code == 403
    page = strict.get(url).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    assert strict.post(url, {"csrfmiddlewaretoken": token}).status_code == 302


def test_somebody_elses_session_ends_when_a_link_is_used(client, alice, dave):
    client.force_login(dave)
    client.post(made(alice, now=system_clock().now()))
    assert get_user(client) == alice


def test_a_used_link_says_so_and_what_to_do(client, alice):
    url = made(alice, now=system_clock().now())
    client.post(url)
    response = Client().get(url)
    assert response.status_code == 410
    assert "Ask whoever sent it for a new one" in response.content.decode()


def test_an_invitation_mails_a_link_that_works(alice):
    now = system_clock().now()
    made = invite("Carol@Riverside.example", role="auditor", actor=actor_for(alice), now=now)
    assert made.mailed
    message = mail.outbox[0]
    assert message.to == ["carol@riverside.example"]
    url = re.search(r"http\S+/accounts/link/\S+", message.body)[0]
    assert redeem_link(secret_of(url), now=now) == made.user
