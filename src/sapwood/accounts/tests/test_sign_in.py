"""Passwords, limits, headers, and the identity provider."""

import base64
import json
import os
import re
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from allauth.mfa.adapter import get_adapter as mfa_adapter
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth import get_user
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from sapwood.accounts.models import CacheRow, SessionNote, User
from sapwood.accounts.tests.test_pages import come_in
from sapwood.core import settings
from sapwood.core.models import AuditName, AuditRow

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


# --- what the audit log says about it ---


def noted(action):
    return list(AuditRow.objects.filter(action=action).order_by("seq").values_list("subject", "details"))


def test_a_wrong_password_is_noted_against_the_account_and_never_what_was_typed(client, bob):
    try_password(client, "hunter2-hunter2")
    try_password(client, "hunter2-hunter2", email="nobody-here@elsewhere.example")
    assert noted("accounts.sign_in_failed") == [
        (f"person:{bob.uuid}", {"reason": "password"}),
        ("person:unknown", {"reason": "password"}),
    ]
    everything = str(list(AuditRow.objects.values())) + str(list(AuditName.objects.values()))
    assert "hunter2" not in everything
    assert "nobody-here" not in everything


def test_running_into_the_limit_is_noted(client, bob):
    for _ in range(7):
        try_password(client, "wrong")
    reasons = [details["reason"] for _subject, details in noted("accounts.sign_in_failed")]
    assert reasons == ["password"] * 5 + ["too_many_attempts"] * 2


def test_a_flood_of_sign_ins_is_one_line_and_noted(client, db, settings):
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "login": "1/m/ip"}
    seen = [client.post("/accounts/login/", {"login": f"{n}@x.example", "password": "x"}) for n in range(2)]
    assert seen[-1].status_code == 429
    assert "accounts.too_many_attempts" in seen[-1].content.decode().replace("<wbr>", "")
    reasons = [details["reason"] for _subject, details in noted("accounts.sign_in_failed")]
    assert reasons == ["password", "too_many_attempts"]


def totp(user):
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    return secret


def test_a_wrong_second_factor_is_noted_at_the_sign_in_and_when_confirming(client, bob):
    totp(bob)
    try_password(client, PASSWORD)
    for _ in range(6):
        client.post(reverse("mfa_authenticate"), {"code": "no-code-7"})
    reasons = [details["reason"] for _subject, details in noted("accounts.sign_in_failed")]
    assert reasons == ["second_factor"] * 5 + ["too_many_attempts"]
    assert {subject for subject, _details in noted("accounts.sign_in_failed")} == {f"person:{bob.uuid}"}
    assert not get_user(client).is_authenticated
    cache.clear()
    inside = Client()
    inside.force_login(bob)
    inside.post(reverse("mfa_reauthenticate"), {"code": "123456"})
    inside.post(reverse("account_reauthenticate"), {"password": "wrong"})
    reasons = [details["reason"] for _subject, details in noted("accounts.sign_in_failed")][-2:]
    assert reasons == ["second_factor", "password"]
    assert "no-code-7" not in str(list(AuditRow.objects.values()))


def test_a_passkey_that_does_not_fit_is_noted(client, bob):
    answer = {"id": "x", "rawId": "eA", "type": "public-key", "response": {}}
    client.get(reverse("mfa_login_webauthn"), headers={"x-requested-with": "XMLHttpRequest"})
    client.post(reverse("mfa_login_webauthn"), {"credential": json.dumps(answer)})
    assert noted("accounts.sign_in_failed") == [("person:unknown", {"reason": "second_factor"})]


def test_signing_out_is_noted_by_every_way(bob):
    here, there, third = come_in(bob), come_in(bob), come_in(bob)
    here.post(reverse("account_logout"))
    rows = SessionNote.objects.filter(user=bob).order_by("pk")
    there.post(reverse("accounts:end_session", kwargs={"pk": rows.last().pk}))
    assert not get_user(third).is_authenticated
    come_in(bob)
    there.post(reverse("accounts:end_other_sessions"))
    assert noted("accounts.sign_out") == [(f"person:{bob.uuid}", {"sessions": 1})] * 3
    there.post(reverse("account_logout"))
    there.post(reverse("account_logout"))
    assert len(noted("accounts.sign_out")) == 4
