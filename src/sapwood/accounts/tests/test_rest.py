"""Tokens and sessions at the HTTP API."""

import datetime as dt

import pytest
from django.test import Client
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView

from sapwood.accounts.actions.tokens import authenticate_token
from sapwood.accounts.api import (
    TokenError,
    actor_for,
    actor_of,
    create_token,
    grant_role,
    require,
    revoke_role,
    revoke_token,
    set_active,
    user_has,
)
from sapwood.accounts.models import ApiToken
from sapwood.accounts.rest import Needs
from sapwood.accounts.tests.conftest import ADMINISTRATOR, NOW
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor, ActorKind
from sapwood.core.errors import ForbiddenError

CLI = Actor.command()
DAY = dt.timedelta(days=1)
pytestmark = pytest.mark.urls(__name__)


class Thing:
    def __init__(self, channel):
        self.channel = channel

    def permission_scopes(self):
        return {("channel", self.channel)}


class AuditView(APIView):
    permission_classes = [Needs("audit.view")]

    def get(self, request):
        return Response({"actor": actor_of(request).kind})

    post = get


class PeopleView(APIView):
    permission_classes = [Needs("accounts.view")]

    def get(self, request, channel):
        self.check_object_permissions(request, Thing(channel))
        return Response({})


urlpatterns = [path("api/audit", AuditView.as_view()), path("api/people/<channel>", PeopleView.as_view())]


def made(user, *scopes, ttl=DAY, now=None):
    now = now or system_clock().now()
    return create_token(user, name="t", scopes=scopes or ["audit.view"], actor=actor_for(user), now=now, ttl=ttl)


def ask(secret, where="/api/audit", method="get"):
    return getattr(Client(enforce_csrf_checks=True), method)(where, headers={"authorization": f"Bearer {secret}"})


def test_a_token_acts_in_its_owners_name(alice):
    response = ask(made(alice).secret)
    assert (response.status_code, response.json()) == (200, {"actor": ActorKind.TOKEN})


def test_a_token_needs_no_csrf_token(alice):
    assert ask(made(alice).secret, method="post").status_code == 200


def test_a_token_cannot_do_what_it_was_not_made_for(alice):
    assert ask(made(alice, "audit.view").secret, "/api/people/x").status_code == 403


def test_a_token_loses_what_its_owner_loses(alice, erin):
    secret = made(erin).secret
    revoke_role(erin, role="auditor", actor=actor_for(alice), now=system_clock().now())
    assert ask(secret).status_code == 403


@pytest.mark.parametrize("secret", ["", "sapw_", "sapw_nonsense", "sapw_\u00e9", "a b"])
def test_what_is_no_token_is_refused_with_401(db, secret):
    response = ask(secret)
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert set(response.json()) >= {"code", "message", "hint"}


def test_a_token_ends_by_date_by_revocation_and_with_its_owner(alice, erin):
    old = made(erin, ttl=dt.timedelta(seconds=1), now=system_clock().now() - DAY)
    assert ask(old.secret).status_code == 401
    revoked = made(erin)
    revoke_token(revoked.row, actor=actor_for(erin), now=NOW)
    assert ask(revoked.secret).status_code == 401
    live = made(erin)
    set_active(erin, active=False, actor=actor_for(alice), now=NOW)
    assert ask(live.secret).status_code == 401


def test_the_last_use_is_noted_but_not_at_every_request(alice, django_assert_num_queries):
    secret = made(alice).secret
    now = system_clock().now()
    authenticate_token(secret, now=now)
    with django_assert_num_queries(1):
        authenticate_token(secret, now=now + dt.timedelta(seconds=30))
    authenticate_token(secret, now=now + dt.timedelta(minutes=2))
    assert ApiToken.objects.get().last_used_at == now + dt.timedelta(minutes=2)


def test_only_a_hash_is_kept(alice):
    token = made(alice)
    assert token.secret.startswith("sapw_")
    assert token.secret[5:] not in str(ApiToken.objects.values().get())


@pytest.mark.parametrize("scopes", [["accounts.manage"], ["no.such"], []])
def test_a_token_cannot_carry_more_than_its_owner_may_hand_out(alice, scopes):
    with pytest.raises(TokenError):
        create_token(alice, name="t", scopes=scopes, actor=CLI, now=NOW, ttl=DAY)


def test_an_auditors_token_cannot_carry_what_the_auditor_lacks(dave):
    with pytest.raises(TokenError):
        made(dave)


def test_a_token_cannot_make_tokens(alice):
    token = made(alice).row
    with pytest.raises(ForbiddenError):
        create_token(alice, name="t", scopes=["audit.view"], actor=token_actor(token), now=NOW, ttl=DAY)


def test_one_person_cannot_make_anothers_token(alice, erin):
    with pytest.raises(ForbiddenError):
        create_token(alice, name="t", scopes=["audit.view"], actor=actor_for(erin), now=NOW, ttl=DAY)


def token_actor(token):
    return Actor(ActorKind.TOKEN, str(token.uuid), token.name)


def test_an_action_holds_a_tokens_actor_to_the_token(alice):
    actor = token_actor(made(alice, "audit.view").row)
    require(actor, "audit.view")
    for code in ("accounts.view", "accounts.manage"):
        with pytest.raises(ForbiddenError):
            require(actor, code)
    assert user_has(alice, "accounts.manage")


def test_an_expired_or_revoked_tokens_actor_is_refused(alice):
    expired = made(alice, now=system_clock().now() - 2 * DAY).row
    revoked = made(alice).row
    revoke_token(revoked, actor=actor_for(alice), now=NOW)
    for row in (expired, revoked):
        with pytest.raises(ForbiddenError):
            require(token_actor(row), "audit.view")


def test_a_session_needs_the_csrf_token(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.get("/api/audit").status_code == 200
    assert client.post("/api/audit").status_code == 403


def test_a_stranger_gets_401(db):
    assert Client().get("/api/audit").status_code == 401


def test_a_narrowed_grant_opens_no_endpoint_that_did_not_promise_to_look(dave):
    grant_role(dave, role="auditor", scope=("channel", "x"), actor=CLI, now=NOW)
    client = Client()
    client.force_login(dave)
    assert client.get("/api/people/x").status_code == 403
    grant_role(dave, role=ADMINISTRATOR, actor=CLI, now=NOW)
    client.force_login(dave)
    assert client.get("/api/people/x").status_code == 200
