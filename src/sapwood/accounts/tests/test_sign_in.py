"""Passwords, limits, headers, and the identity provider."""

import base64
import json
import os
import re
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import get_adapter as mfa_adapter
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import get_user
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from sapwood.accounts import adapters
from sapwood.accounts.actions.roles import add_claim_rule
from sapwood.accounts.api import user_has
from sapwood.accounts.models import CacheRow, User
from sapwood.accounts.tests.conftest import NOW
from sapwood.accounts.tests.test_pages import come_in
from sapwood.core import settings
from sapwood.core.data import Actor
from sapwood.core.models import AuditRow

CLI = Actor.command()
PASSWORD = "a long enough sentence"


@pytest.fixture
def bob(alice):
    alice.set_password(PASSWORD)
    alice.save()
    return alice


def try_password(client, password, email="alice@riverside.example"):
    return client.post(reverse("account_login"), {"login": email, "password": password})


def test_a_password_signs_in_whatever_the_case_of_the_address(client, bob):
    assert try_password(client, PASSWORD, "Alice@Riverside.Example").status_code == 302
    assert get_user(client) == bob


def test_five_wrong_passwords_close_the_door_for_every_process(client, bob):
    for _ in range(5):
        assert try_password(client, "wrong").status_code == 200
    response = try_password(Client(), PASSWORD)
    assert "Too many failed login attempts" in response.content.decode()
    assert not get_user(client).is_authenticated
    assert CacheRow.objects.exists()
    cache.clear()
    assert try_password(Client(), PASSWORD).status_code == 302


def test_a_password_reset_says_the_same_for_everybody_and_mails_only_who_is_here(client, bob, mailoutbox):
    known = client.post(reverse("account_reset_password"), {"email": bob.email}, follow=True)
    cache.clear()
    unknown = Client().post(reverse("account_reset_password"), {"email": "nobody@elsewhere.example"}, follow=True)
    assert known.redirect_chain == unknown.redirect_chain
    assert [message.to for message in mailoutbox if "password/reset/key" in message.body] == [[bob.email]]


def test_somebody_without_a_password_chooses_one_by_mail(client, alice, mailoutbox):
    client.post(reverse("account_reset_password"), {"email": alice.email})
    url = urlsplit(re.search(r"http\S+password/reset/key/\S+", mailoutbox[0].body)[0]).path
    where = client.get(url)["Location"]
    assert client.post(where, {"password1": PASSWORD, "password2": PASSWORD}).status_code == 302
    assert try_password(Client(), PASSWORD).status_code == 302
    assert AuditRow.objects.filter(action="accounts.password").exists()


def test_changing_the_password_ends_other_sessions_and_keeps_this_one(bob):
    here, there = come_in(bob), come_in(bob)
    data = {"oldpassword": PASSWORD, "password1": f"{PASSWORD} two", "password2": f"{PASSWORD} two"}
    here.post(reverse("account_change_password"), data)
    assert get_user(here).is_authenticated
    assert not get_user(there).is_authenticated


def test_nobody_signs_up_by_themselves(client, db):
    data = {"email": "eve@elsewhere.example", "password1": PASSWORD}
    for response in (client.get(reverse("account_signup")), client.post(reverse("account_signup"), data)):
        assert "No account here yet" in response.content.decode()
    assert not User.objects.exists()


def test_second_factors_lie_encrypted_and_a_lost_key_opens_nothing(settings):
    stored = mfa_adapter().encrypt("JBSWY3DPEHPK3PXP")
    assert "JBSWY3DPEHPK3PXP" not in stored
    assert mfa_adapter().decrypt(stored) == "JBSWY3DPEHPK3PXP"
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key"
    assert mfa_adapter().decrypt(stored) == "JBSWY3DPEHPK3PXP"
    settings.SECRET_KEY_FALLBACKS = []
    found = mfa_adapter().decrypt(stored)
    assert len(base64.b32decode(found)) == 20
    assert found != mfa_adapter().decrypt(stored)


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/", "/accounts/people", "/nothing", "/api/v1/schema"])
def test_every_answer_carries_the_headers(alice, path):
    client = come_in(alice)
    for response in (client.get(path), Client().get(path)):
        policy = response["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "script-src 'self'" in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Referrer-Policy"] == "same-origin"
        assert response["X-Frame-Options"] == "DENY"
        assert "Strict-Transport-Security" not in response


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/", "/accounts/2fa/", "/accounts/people"])
def test_no_page_holds_inline_script_or_style(alice, path):
    html = come_in(alice).get(path).content.decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", html)
    for tag in re.findall(r"<script[^>]*>", html):
        assert "src=" in tag or "application/json" in tag


def test_cookies_carry_the_roles_name_and_are_out_of_reach_of_scripts(client, alice):
    cookies = come_in(alice).cookies
    name = f"sapwood_{settings.ROLE.get()}_session"
    assert cookies[name]["httponly"]
    assert cookies[name]["samesite"] == "Lax"
    csrf = client.get("/accounts/login/").cookies[f"sapwood_{settings.ROLE.get()}_csrf"]
    assert csrf["httponly"]


@pytest.mark.slow
def test_over_tls_cookies_are_secure_and_the_browser_is_told_to_stay(tmp_path):
    code = """
import django, json
django.setup()
from django.conf import settings as s
print(json.dumps([s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.LANGUAGE_COOKIE_SECURE, s.SECURE_HSTS_SECONDS,
                  s.SECURE_SSL_REDIRECT, s.MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN, s.ACCOUNT_DEFAULT_HTTP_PROTOCOL]))
"""
    found = {}
    for base in ("https://news.riverside.example", "http://localhost:8001"):
        env = {**os.environ, "SAPWOOD_BASE_URL": base, "SAPWOOD_VAR": str(tmp_path)}
        done = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
        found[base[:5]] = json.loads(done.stdout)
    assert found["https"] == [True, True, True, 31_536_000, True, False, "https"]
    assert found["http:"] == [False, False, False, 0, False, True, "http"]


# --- the identity provider, faked at the edge: allauth's HTTP session answers from a table ---

ISSUER = "https://id.riverside.example"


class Answer:
    def __init__(self, data, status_code=200):
        self.data, self.status_code, self.headers = data, status_code, {"content-type": "application/json"}
        self.text = json.dumps(data)

    def json(self):
        return self.data

    def raise_for_status(self):
        assert self.status_code < 400


class Provider:
    """An OpenID Connect provider that says what the test tells it."""

    def __init__(self):
        self.claims = {"sub": "77", "email": "carol@riverside.example", "email_verified": True, "name": "Carol"}
        self.calls = []
        self.nonce = ""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None

    def request(self, method, url, **kwargs):
        self.calls.append((method, url, kwargs))
        path = urlsplit(url).path
        if path.endswith("/.well-known/openid-configuration"):
            return Answer(
                {
                    "issuer": ISSUER,
                    "authorization_endpoint": f"{ISSUER}/authorize",
                    "token_endpoint": f"{ISSUER}/token",
                    "userinfo_endpoint": f"{ISSUER}/userinfo",
                    "jwks_uri": f"{ISSUER}/keys",
                    "token_endpoint_auth_methods_supported": ["client_secret_post"],
                }
            )
        if path == "/token":
            return Answer({"access_token": "a", "token_type": "Bearer", "expires_in": 300})
        return Answer(self.claims)

    def get(self, url, **kwargs):
        return self.request("GET", url, **kwargs)

    def post(self, url, **kwargs):
        return self.request("POST", url, **kwargs)


@pytest.fixture
def provider(settings, monkeypatch, db):
    app = {
        "provider_id": "sso",
        "name": "Riverside sign-on",
        "client_id": "sapwood",
        "secret": "s",
        "settings": {"server_url": ISSUER, "oauth_pkce_enabled": True},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app], "OAUTH_PKCE_ENABLED": True}}
    fake = Provider()
    monkeypatch.setattr(adapters.ProviderAdapter, "get_requests_session", lambda self: fake)
    monkeypatch.setattr(adapters, "_NEWCOMERS", [])
    return fake


def sign_on(client):
    leaving = client.post("/accounts/oidc/sso/login/")
    assert leaving.status_code == 302, leaving.content.decode()[:500]
    asked = parse_qs(urlsplit(leaving["Location"]).query)
    assert leaving["Location"].startswith(f"{ISSUER}/authorize")
    assert asked["code_challenge_method"] == ["S256"]
    back = f"/accounts/oidc/sso/login/callback/?code=c&state={asked['state'][0]}"
    return client.get(back)


def test_the_sign_in_page_offers_the_provider(client, provider):
    assert "Riverside sign-on" in client.get("/accounts/login/").content.decode()


def test_looking_at_the_providers_address_does_not_start_a_sign_in(client, provider):
    assert client.get("/accounts/oidc/sso/login/").status_code == 200


def test_a_stranger_whom_no_rule_admits_stays_outside(client, provider):
    response = sign_on(client)
    assert "No account here yet" in response.content.decode()
    assert not User.objects.exists()


def test_a_mapped_claim_admits_and_gives_the_role(client, provider):
    add_claim_rule("groups", value="auditors", role="auditor", actor=CLI, now=NOW)
    provider.claims["groups"] = ["auditors"]
    sign_on(client)
    carol = User.objects.get()
    assert (carol.email, carol.name, get_user(client)) == ("carol@riverside.example", "Carol", carol)
    assert user_has(carol, "audit.view")
    assert EmailAddress.objects.get().verified
    provider.claims["groups"] = []
    sign_on(Client())
    assert not user_has(User.objects.get(), "audit.view")


def test_an_unmapped_claim_gives_nothing(client, provider):
    add_claim_rule("groups", value="auditors", role="auditor", actor=CLI, now=NOW)
    provider.claims["groups"] = "auditors-of-another-house"
    sign_on(client)
    assert not User.objects.exists()


def test_a_module_may_admit_newcomers_without_a_role(client, provider):
    adapters.admit_newcomers(lambda claims: claims.get("instructor") is True)
    provider.claims["instructor"] = True
    sign_on(client)
    assert get_user(client).email == "carol@riverside.example"
    assert not User.objects.get().grants.exists()


def test_the_same_address_at_the_provider_does_not_open_an_account_unless_trusted(client, provider, alice, settings):
    provider.claims["email"] = alice.email
    sign_on(client)
    assert not get_user(client).is_authenticated
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
    provider.claims["email_verified"] = False
    sign_on(client)
    assert not get_user(client).is_authenticated
    provider.claims["email_verified"] = True
    sign_on(client)
    assert get_user(client) == alice
    assert SocialAccount.objects.get().user == alice


def test_a_forged_state_is_refused(client, provider):
    add_claim_rule("sub", value="77", role="auditor", actor=CLI, now=NOW)
    client.post("/accounts/oidc/sso/login/")
    client.get("/accounts/oidc/sso/login/callback/?code=c&state=forged")
    assert not get_user(client).is_authenticated
    assert not User.objects.exists()


def test_a_switched_off_person_stays_outside(client, provider):
    add_claim_rule("sub", value="77", role="auditor", actor=CLI, now=NOW)
    sign_on(Client())
    User.objects.update(is_active=False)
    sign_on(client)
    assert not get_user(client).is_authenticated


def test_the_providers_answers_have_a_time_limit_and_only_our_proxy(monkeypatch):
    monkeypatch.setenv("SAPWOOD_HTTP_PROXY", "http://proxy.riverside.example:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://elsewhere.example")
    session = adapters.ProviderAdapter().get_requests_session()
    seen = {}
    monkeypatch.setattr(session, "send", lambda request, **kwargs: seen.update(kwargs) or Answer({}))
    monkeypatch.setattr(session, "merge_environment_settings", lambda *args: {})
    assert session.trust_env is False
    assert session.proxies == dict.fromkeys(("http", "https"), "http://proxy.riverside.example:3128")
    session.get(f"{ISSUER}/x")
    assert seen["timeout"] == adapters.TIMEOUT_S
