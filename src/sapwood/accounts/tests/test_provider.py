"""Signing in by an identity provider: a real OpenID Connect server, an LMS, and servers that lie, all on loopback."""

import logging
import socket
import time
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import get_user
from django.test import Client
from tests.providers import SECRET, Lms, as_json, come_back, leave, oidc_server, stage

from sapwood.accounts import claims, conf, provider_http
from sapwood.accounts.actions.roles import add_claim_rule
from sapwood.accounts.api import Follower, user_has
from sapwood.accounts.models import ClaimRule, User
from sapwood.accounts.provider_http import ProviderError, ProviderSession
from sapwood.accounts.tests.conftest import NOW
from sapwood.core import http
from sapwood.core.data import Actor
from sapwood.core.models import AuditRow

pytestmark = pytest.mark.slow

CLI = Actor.command()
CALLBACK = "http://testserver/accounts/oidc/sso/login/callback/"


@pytest.fixture(scope="module")
def server():
    with oidc_server() as running:
        yield running


@pytest.fixture
def sso(server, settings, monkeypatch, db):
    """The institution's single sign-on is set up; the client's secret and callback address are checked over there."""
    client_id, secret = server.register(CALLBACK)
    set_up(settings, monkeypatch, OIDC_ISSUER=server.issuer, OIDC_CLIENT_ID=client_id, OIDC_CLIENT_SECRET=secret)
    monkeypatch.setattr(claims, "_FOLLOWERS", {})
    server.says("77", email="carol@riverside.example", email_verified=True, name="Carol", groups=["auditors"])
    return server


def set_up(settings, monkeypatch, **values):
    for name, value in {"OIDC_NAME": "Riverside sign-on", **values}.items():
        monkeypatch.setenv(f"SAPWOOD_{name}", value)
    settings.SOCIALACCOUNT_PROVIDERS = conf.providers()


def sign_on(client, server, sub="77"):
    return come_back(client, server.agree(leave(client), sub))


def rule(value="auditors", claim="groups", role="auditor"):
    add_claim_rule(claim, value=value, role=role, actor=CLI, now=NOW)


def failures():
    return list(AuditRow.objects.filter(action="accounts.sign_in_failed").values_list("subject", "details"))


def test_the_sign_in_page_offers_the_provider(client, sso):
    assert "Riverside sign-on" in client.get("/accounts/login/").content.decode()


def test_looking_at_the_providers_address_does_not_start_a_sign_in(client, sso):
    page = client.get("/accounts/oidc/sso/login/")
    assert page.status_code == 200
    assert "http-equiv" not in page.content.decode()


def test_a_provider_that_nobody_set_up_is_not_found(client, db):
    assert client.post("/accounts/oidc/sso/login/").status_code == 404
    assert client.get("/accounts/platform/login/callback/").status_code == 404


def test_the_way_there_carries_state_and_a_code_challenge(client, sso):
    asked = parse_qs(urlsplit(leave(client)).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["state"][0]) >= 16


def test_a_stranger_whom_no_rule_admits_stays_outside(client, sso):
    assert "No account here yet" in sign_on(client, sso).content.decode()
    assert not User.objects.exists()


def test_a_mapped_claim_admits_and_gives_the_role_and_takes_it_again(client, sso):
    rule()
    sign_on(client, sso)
    carol = User.objects.get()
    assert (carol.email, carol.name, get_user(client)) == ("carol@riverside.example", "Carol", carol)
    assert user_has(carol, "audit.view")
    assert EmailAddress.objects.get().verified
    sso.says("77", email="carol@riverside.example", email_verified=True, groups=[])
    sign_on(Client(), sso)
    assert not user_has(User.objects.get(), "audit.view")
    actions = AuditRow.objects.order_by("seq").values_list("action", flat=True)
    assert [one for one in actions if one in {"accounts.grant", "accounts.revoke"}] == [
        "accounts.grant",
        "accounts.revoke",
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("groups", "auditors", {"groups": "auditors"}),
        ("realm_access.roles", "auditors", {"realm_access": {"roles": ["x", "auditors"]}}),
        ("https://id.example/groups", "7", {"https://id.example/groups": [7]}),
        ("staff", "true", {"staff": True}),
    ],
)
def test_a_claim_is_found_by_name_or_path_as_a_word_or_in_a_list(client, sso, name, value, said):
    rule(value, claim=name)
    sso.says("77", email="carol@riverside.example", **said)
    sign_on(client, sso)
    assert user_has(User.objects.get(), "audit.view")


@pytest.mark.parametrize("said", ["auditors-of-another-house", ["Auditors"], {"auditors": True}, None, True])
def test_an_unmapped_claim_gives_nothing(client, sso, said):
    rule()
    sso.says("77", email="carol@riverside.example", groups=said)
    sign_on(client, sso)
    assert not User.objects.exists()


def test_of_what_the_provider_says_only_what_is_needed_is_kept(client, sso):
    rule()
    sso.says("77", email="carol@riverside.example", groups=["auditors"], phone_number="+1 555", birthdate="1980-01-01")
    sign_on(client, sso)
    kept = SocialAccount.objects.get().extra_data
    assert set(kept) == {"iss", "sub", "email", "email_verified", "groups"}


def test_a_module_may_admit_newcomers_without_a_role(client, sso):
    heard = []
    claims.register_claim_follower(
        "test",
        Follower(
            names=lambda: {"instructor"},
            admits=lambda found: found.get("instructor") is True,
            follow=lambda user, found, now: heard.append((user.email, found[0]["instructor"])),
        ),
    )
    sso.says("77", email="carol@riverside.example", instructor=True)
    sign_on(client, sso)
    assert get_user(client).email == "carol@riverside.example"
    assert not User.objects.get().grants.exists()
    sign_on(Client(), sso)
    assert heard == [("carol@riverside.example", True)] * 2


def test_the_same_address_at_the_provider_does_not_open_an_account_unless_trusted(
    client, sso, alice, settings, monkeypatch
):
    for said in (True, "false"):
        sso.says("77", email=alice.email, email_verified=said)
        sign_on(client, sso)
        assert not get_user(client).is_authenticated
    set_up(settings, monkeypatch, OIDC_TRUST_EMAIL="true")
    sso.says("77", email=alice.email, email_verified="false")
    sign_on(client, sso)
    assert not get_user(client).is_authenticated
    sso.says("77", email=alice.email, email_verified=True)
    sign_on(client, sso)
    assert get_user(client) == alice
    assert SocialAccount.objects.get().user == alice


def test_a_switched_off_person_stays_outside(client, sso):
    rule()
    sign_on(Client(), sso)
    User.objects.update(is_active=False)
    sign_on(client, sso)
    assert not get_user(client).is_authenticated


def test_two_providers_of_one_person_are_heard_together(client, sso, settings, monkeypatch):
    rule()
    sign_on(client, sso)
    carol = User.objects.get()
    SocialAccount.objects.create(user=carol, provider="elsewhere", uid="1", extra_data={"groups": ["auditors"]})
    sso.says("77", email="carol@riverside.example", groups=[])
    sign_on(Client(), sso)
    assert user_has(User.objects.get(), "audit.view")


# --- what goes wrong ---


def one_line(response, caplog, *, status, code):
    """The visitor reads a sentence, a code and a hint; the log has one line about it and no traceback."""
    html = response.content.decode().replace("<wbr>", "")
    assert (response.status_code, code in html) == (status, True), html[:2000]
    assert "Traceback" not in html
    assert not [record for record in caplog.records if record.exc_info]
    assert all("\n" not in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("state", ["forged", "", None])
def test_a_forged_state_is_refused_and_noted(client, sso, caplog, state):
    rule()
    back = sso.agree(leave(client), "77")
    query = parse_qs(urlsplit(back).query)
    wrong = f"?code={query['code'][0]}" + ("" if state is None else f"&state={state}")
    response = client.get(urlsplit(back).path + wrong)
    one_line(response, caplog, status=401, code="accounts.provider_refused")
    assert not get_user(client).is_authenticated
    assert not User.objects.exists()
    assert failures() == [("person:unknown", {"reason": "provider"})]


def test_the_state_of_one_browser_opens_no_other_and_none_twice(client, sso):
    rule()
    back = sso.agree(leave(client), "77")
    assert come_back(Client(), back).status_code == 401
    assert come_back(client, back).status_code == 302
    assert come_back(client, back).status_code == 401


def test_a_made_up_code_is_refused(client, sso, caplog):
    state = parse_qs(urlsplit(leave(client)).query)["state"][0]
    response = client.get(f"/accounts/oidc/sso/login/callback/?code=made-up&state={state}")
    one_line(response, caplog, status=401, code="accounts.provider_refused")


def test_a_wrong_secret_of_ours_is_refused(client, sso, settings, monkeypatch, caplog):
    set_up(settings, monkeypatch, OIDC_CLIENT_SECRET="wrong")
    one_line(sign_on(client, sso), caplog, status=401, code="accounts.provider_refused")


def test_an_expired_token_is_refused(client, settings, monkeypatch, db, caplog):
    rule()
    with oidc_server("--token-max-age", "-60") as server:
        client_id, secret = server.register(CALLBACK)
        set_up(settings, monkeypatch, OIDC_ISSUER=server.issuer, OIDC_CLIENT_ID=client_id, OIDC_CLIENT_SECRET=secret)
        server.says("77", email="carol@riverside.example", groups=["auditors"])
        one_line(sign_on(client, server), caplog, status=401, code="accounts.provider_refused")
    assert not User.objects.exists()
    assert failures() == [("person:unknown", {"reason": "provider"})]


def test_who_says_no_over_there_reads_that_nothing_happened(client, sso):
    state = parse_qs(urlsplit(leave(client)).query)["state"][0]
    response = client.get(f"/accounts/oidc/sso/login/callback/?error=access_denied&state={state}")
    assert response["Location"] == "/accounts/3rdparty/login/cancelled/"
    assert failures() == []


def test_failures_from_one_place_cannot_fill_the_log(client, sso):
    for _ in range(15):
        assert client.get("/accounts/oidc/sso/login/callback/?code=x&state=y").status_code == 401
    assert len(failures()) == 10


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_provider_that_is_down_is_one_line_on_the_way_there_and_back(client, settings, monkeypatch, db, caplog):
    set_up(settings, monkeypatch, OIDC_ISSUER=closed_port(), OIDC_CLIENT_ID="x")
    one_line(client.post("/accounts/oidc/sso/login/"), caplog, status=502, code="accounts.provider")
    with oidc_server() as server:
        client_id, secret = server.register(CALLBACK)
        set_up(settings, monkeypatch, OIDC_ISSUER=server.issuer, OIDC_CLIENT_ID=client_id, OIDC_CLIENT_SECRET=secret)
        back = server.agree(leave(client), "77")
    one_line(come_back(client, back), caplog, status=502, code="accounts.provider")
    assert "127.0.0.1" not in client.post("/accounts/oidc/sso/login/").content.decode()
    assert "127.0.0.1" in caplog.text


WELL_KNOWN = "/.well-known/openid-configuration"


def lying(**pages):
    """A provider whose documents are true except for what the test writes; its token is for client `sapwood`."""

    def issuer(asked):
        return f"http://{asked.headers['Host']}"

    def described(asked):
        here = issuer(asked)
        return as_json(
            {
                "issuer": here,
                "authorization_endpoint": f"{here}/authorize",
                "token_endpoint": f"{here}/token",
                "userinfo_endpoint": f"{here}/userinfo",
                "jwks_uri": f"{here}/keys",
                **pages.get("description", {}),
            }
        )

    def token(asked):
        now = int(time.time())
        said = {"iss": issuer(asked), "aud": "sapwood", "sub": "77", "iat": now, "exp": now + 60}
        said = {name: value for name, value in {**said, **pages.get("id_token", {})}.items() if value is not None}
        body = {"access_token": "a", "token_type": "Bearer", "id_token": jwt.encode(said, SECRET, algorithm="HS256")}
        return as_json({**body, **pages.get("token", {})})

    def userinfo(asked):
        return as_json({"sub": "77", "email": "carol@riverside.example", "groups": "auditors", **pages.get("info", {})})

    found = {WELL_KNOWN: described, "/token": token, "/userinfo": userinfo}
    return stage({**found, **pages.get("instead", {})})


def html(asked):
    return 200, {"Content-Type": "text/html"}, b"<html>Sign in to the campus network</html>"


def huge(asked):
    return 200, {"Content-Type": "application/json"}, b'{"issuer": "' + b"x" * provider_http.MAX_BYTES + b'"}'


@pytest.fixture
def try_liar(client, settings, monkeypatch, db):
    def attempt(**pages):
        rule()
        with lying(**pages) as running:
            set_up(settings, monkeypatch, OIDC_ISSUER=running.url, OIDC_CLIENT_ID="sapwood", OIDC_CLIENT_SECRET="s")
            response = client.post("/accounts/oidc/sso/login/")
            if response.status_code == 200:
                state = parse_qs(urlsplit(leave(client)).query)["state"][0]
                response = client.get(f"/accounts/oidc/sso/login/callback/?code=c&state={state}")
        return response

    return attempt


def test_the_honest_liar_signs_in(try_liar, client):
    assert try_liar().status_code == 302
    assert get_user(client).email == "carol@riverside.example"


@pytest.mark.parametrize(
    ("pages", "logged"),
    [
        ({"instead": {WELL_KNOWN: html}}, "no JSON object"),
        ({"instead": {WELL_KNOWN: huge}}, "more than the"),
        ({"instead": {WELL_KNOWN: lambda asked: (200, {}, b"[1]")}}, "no JSON object"),
        ({"instead": {WELL_KNOWN: lambda asked: (404, {}, b"{}")}}, "answers 404"),
        ({"instead": {WELL_KNOWN: lambda asked: (200, {}, b"[" * 100_000)}}, "no JSON object"),
        ({"description": {"issuer": "https://elsewhere.example"}}, "it calls itself 'https://elsewhere.example'"),
        ({"description": {"token_endpoint": None}}, "no token_endpoint"),
        ({"description": {"authorization_endpoint": 7}}, "no authorization_endpoint"),
        ({"description": {"token_endpoint": "http://169.254.169.254/latest"}}, "not an https address"),
        ({"description": {"token_endpoint": "https://10.0.0.1/token"}}, "in a private network"),
        ({"description": {"token_endpoint": "file:///etc/passwd"}}, "not an https address"),
        ({"description": {"token_endpoint": "http://[::1"}}, "not an https address"),
        ({"instead": {"/userinfo": html}}, "no JSON object"),
        ({"instead": {"/userinfo": lambda asked: (401, {}, b"{}")}}, "answers 401"),
        ({"token": {"expires_in": "soon"}}, "cannot be read"),
    ],
)
def test_a_provider_that_does_not_keep_to_the_standard_is_one_line(try_liar, caplog, pages, logged):
    one_line(try_liar(**pages), caplog, status=502, code="accounts.provider")
    assert logged in caplog.text
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "pages",
    [
        {"id_token": {"iss": "https://elsewhere.example"}},
        {"id_token": {"aud": "another-client"}},
        {"id_token": {"exp": 1}},
        {"id_token": {"exp": None}},
        {"id_token": {"sub": None}},
        {"id_token": {"sub": "x" * 500}},
        {"token": {"id_token": None}},
        {"token": {"id_token": "x.y.z"}},
        {"info": {"sub": "78"}},
        {"token": {"access_token": None, "id_token": None}},
        {"instead": {"/token": lambda asked: as_json({"error": "server_error"}, 500)}},
    ],
)
def test_a_token_that_does_not_vouch_for_this_person_is_refused(try_liar, caplog, pages):
    one_line(try_liar(**pages), caplog, status=401, code="accounts.provider_refused")
    assert not User.objects.exists()


def test_odd_kinds_of_claims_break_nothing(try_liar, client):
    assert try_liar(info={"email": ["x"], "name": {"a": 1}, "email_verified": {"x": 1}}).status_code == 302
    assert not EmailAddress.objects.filter(verified=True).exists()


def test_a_provider_that_never_answers_is_given_up(try_liar, caplog, monkeypatch):
    monkeypatch.setattr(provider_http, "TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pages = {"description": {"token_endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}/token"}}
        one_line(try_liar(**pages), caplog, status=502, code="accounts.provider")
    assert "longer than" in caplog.text or "too slow" in caplog.text


def test_what_is_written_with_https_is_never_asked_without(db):
    session = ProviderSession(("https://id.riverside.example/realms/staff",))
    with pytest.raises(ProviderError) as refused:
        session.get("http://id.riverside.example/token")
    assert refused.value.__cause__ is None, "nobody was asked"


def test_every_request_goes_through_our_proxy_and_no_other(client, settings, monkeypatch, db):
    """A forward proxy on loopback; the provider's name leads nowhere without it."""
    name = "http://id.riverside.example"
    rule()
    with lying() as running, stage({"*": lambda asked: running.pages[urlsplit(asked.target).path](asked)}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", closed_port())
        monkeypatch.setenv("SAPWOOD_HTTP_PROXY", proxy.url)
        http.default_client.cache_clear()
        try:
            set_up(settings, monkeypatch, OIDC_ISSUER=name, OIDC_CLIENT_ID="sapwood", OIDC_CLIENT_SECRET="s")
            state = parse_qs(urlsplit(leave(client)).query)["state"][0]
            assert client.get(f"/accounts/oidc/sso/login/callback/?code=c&state={state}").status_code == 302
        finally:
            http.default_client.cache_clear()
        assert running.asked == []
        assert {asked.path for asked in proxy.asked} == {WELL_KNOWN, "/token", "/userinfo"}
        assert all(asked.target.startswith(name) for asked in proxy.asked)


# --- the platform ---


@pytest.fixture
def lms(settings, monkeypatch, db):
    monkeypatch.setattr(claims, "_FOLLOWERS", {})
    running = Lms()
    client = {"PLATFORM_CLIENT_ID": "sapwood", "PLATFORM_CLIENT_SECRET": "s"}
    set_up(settings, monkeypatch, PLATFORM_URL=running.url, PLATFORM_NAME="Riverside Learn", **client)
    yield running
    running.stage.stop()


def learn_on(client, lms):
    return come_back(client, lms.agree(leave(client, "/accounts/platform/login/")))


def test_the_platform_signs_in_whom_a_claim_admits(client, lms):
    assert "Riverside Learn" in client.get("/accounts/login/").content.decode()
    assert "No account here yet" in learn_on(client, lms).content.decode()
    rule(f"{lms.url}/oauth2", claim="iss")
    assert learn_on(client, lms).status_code == 302
    dave = User.objects.get()
    assert (dave.email, dave.name, get_user(client)) == ("dave@riverside.example", "Dave", dave)
    assert SocialAccount.objects.get().uid == "f00d"
    assert learn_on(Client(), lms).status_code == 302
    assert User.objects.count() == 1


def test_the_platform_is_asked_for_course_roles_only_when_a_rule_names_them(client, lms):
    rule("true", claim="administrator")
    lms.claims["administrator"] = True
    learn_on(client, lms)
    assert [asked.path for asked in lms.stage.asked] == ["/oauth2/access_token"]
    ClaimRule.objects.all().delete()
    rule("instructor", claim="course_roles")
    lms.roles = [{"org": "R", "course_id": "course-v1:R+1+1", "role": "instructor"}, {"role": "staff"}, {}]
    learn_on(Client(), lms)
    assert user_has(User.objects.get(), "audit.view")
    assert SocialAccount.objects.get().extra_data["course_roles"] == ["instructor", "staff"]
    lms.roles = []
    learn_on(Client(), lms)
    assert not user_has(User.objects.get(), "audit.view")


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [(401, b"", 200), (403, b"", 200), (404, b"", 200), (500, b"{}", 502), (200, b"no JSON", 502)],
)
def test_an_lms_that_does_not_tell_roles_gives_none_and_one_that_is_broken_stops_the_sign_in(
    client, lms, status, body, code
):
    rule("instructor", claim="course_roles")
    lms.stage.pages["/api/enrollment/v1/roles/"] = lambda asked: (status, {}, body)
    assert learn_on(client, lms).status_code == code
    assert not User.objects.exists()


@pytest.mark.parametrize("wrong", [{"sub": None}, {"sub": "x" * 500}, {"exp": None}, {"exp": 1}])
def test_a_platform_token_that_says_too_little_is_refused(client, lms, caplog, wrong):
    rule(f"{lms.url}/oauth2", claim="iss")
    lms.claims.update(wrong)
    one_line(learn_on(client, lms), caplog, status=401, code="accounts.provider_refused")


def test_a_platform_that_gives_opaque_tokens_is_refused(client, lms, caplog):
    lms.stage.pages["/oauth2/access_token"] = lambda asked: as_json({"access_token": "opaque", "expires_in": 1})
    one_line(learn_on(client, lms), caplog, status=401, code="accounts.provider_refused")


def test_a_platform_that_is_down_is_one_line(client, lms, settings, monkeypatch, caplog):
    back = lms.agree(leave(client, "/accounts/platform/login/"))
    set_up(settings, monkeypatch, PLATFORM_URL=closed_port())
    caplog.set_level(logging.INFO)
    one_line(come_back(client, back), caplog, status=502, code="accounts.provider")
