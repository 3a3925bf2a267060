"""Every address of the role, by introspection: who gets in, who does not. An address without a declared guard fails."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from sapwood.accounts.api import (
    ANYWHERE,
    PERMISSIONS,
    Role,
    create_person,
    create_token,
    grant_role,
    one_time_link,
    user_has,
)
from sapwood.accounts.data import ROLES_OF
from sapwood.accounts.guards import PUBLIC, access_of
from sapwood.core import settings
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor

SIDE = settings.ROLE.get()
CLI = Actor.command()

# What strangers may see, and why. A line here is a decision: nothing else is public.
PUBLIC_NAMES = {
    "set_language": "a reader's choice",
    "console:theme": "a reader's choice",
    "console:patterns": "samples of components, no data",
    "accounts:link": "signs in; only a button uses it up",
    "account_login": "signs in",
    "account_logout": "shows a button; nothing to see",
    "account_inactive": "says that an account is switched off",
    "account_signup": "says that nobody can sign up",
    "account_reset_password": "mails a link to the account's own address",
    "account_reset_password_done": "says that a mail is on its way",
    "account_reset_password_from_key": "the link in that mail",
    "account_reset_password_from_key_done": "says that the password is changed",
    "account_email_verification_sent": "says that a mail is on its way",
    "account_confirm_email": "the link in a mail that confirms an address",
    "account_confirm_login_code": "a step of signing in",
    "mfa_authenticate": "a step of signing in",
    "mfa_login_webauthn": "signs in by passkey",
    "openid_connect_login": "leads to the identity provider",
    "openid_connect_callback": "leads back from the identity provider",
    "platform_login": "leads to the platform",
    "platform_callback": "leads back from the platform",
    "socialaccount_login_cancelled": "says that signing in was cancelled",
    "socialaccount_login_error": "says that signing in failed",
    "socialaccount_signup": "a step of signing in; closed to whom no rule admits",
    "announcements:public": "the project's public announcements",
    "announcements:permalink": "the project's public announcements",
    "announcements:atom": "the project's public announcements",
    "announcements:json_feed": "the project's public announcements",
    "releases:overview": "the project's public catalogue of releases",
    "releases:document": "the same, as the document that sites receive",
    "releases:line": "the same, one line",
    "releases:edge": "the same, one way up",
    "releases:report": "the same, what the migrations of a release cost",
    "releases:report_document": "the same, as the document that sites receive",
    "api-catalogue": "the same, for programs",
    "api-catalogue-line": "the same, for programs",
    "api-catalogue-path": "the same, for programs",
    "api-catalogue-reports": "the same, for programs",
    "api-catalogue-report": "the same, for programs",
    "announcements:consent": "an organisation reads and approves its case study by a secret address",
    "inbox:announcements": "the institution's announcements page; shows each reader only what is open to them",
    "inbox:announcement": "the same, one announcement",
    "inbox:atom": "the institution's feed of announcements that it made public",
    "inbox:brand_css": "the institution's colours",
    "inbox:subscription": "a subscriber's own choices, by a signed address from a mail",
    "inbox:unsubscribe": "one click, signed address (RFC 8058)",
    "inbox:confirm": "confirms a subscriber's address",
    "inbox:forget": "a subscriber is forgotten, by a signed address from a mail",
    "inbox:subscribe": "people subscribe themselves to public streams",
}
# What everybody who signed in has. allauth's views carry no mark of ours; the anonymous walk proves them closed.
SIGNED_IN_NAMES = {
    "accounts:me", "accounts:confirm", "accounts:end_session", "accounts:end_other_sessions", "accounts:new_token",
    "accounts:end_token", "accounts:my_data", "accounts:erase_me", "inbox:mine",
    "account_reauthenticate", "account_email", "account_change_password", "account_set_password",
    "mfa_index", "mfa_reauthenticate", "mfa_activate_totp", "mfa_deactivate_totp", "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes", "mfa_download_recovery_codes", "mfa_list_webauthn", "mfa_add_webauthn",
    "mfa_reauthenticate_webauthn", "mfa_remove_webauthn", "mfa_edit_webauthn", "socialaccount_connections",
    "console:home", "console:work", "schema",
}  # fmt: skip
NOBODY = "00000000-0000-4000-8000-000000000000"
SAMPLES = {"int": "999999", "uuid": NOBODY, "slug": "nothing", "str": "nothing", "path": "nothing"}


@dataclass(frozen=True)
class Address:
    """One URL pattern: its path with sample values, its name, and the guard that was declared for it."""

    name: str
    path: str
    guard: str | None
    is_api: bool
    is_open: bool
    has_sample: bool

    def __str__(self) -> str:
        return self.name or self.path


def addresses() -> list[Address]:
    found: dict[str, Address] = {}
    for one in _walk(get_resolver(), "/", ""):
        found.setdefault(one.path, one)  # Django, too, takes the first pattern that fits
    return sorted(found.values(), key=lambda one: one.path)


def _walk(resolver: URLResolver, prefix: str, namespace: str) -> Iterator[Address]:
    for item in resolver.url_patterns:
        text = prefix + str(item.pattern)
        if isinstance(item, URLResolver):
            inner = f"{namespace}{item.namespace}:" if item.namespace else namespace
            yield from _walk(item, text, inner)
        else:
            name = f"{namespace}{item.name}" if item.name else ""
            path = _filled(text)
            is_api, is_open = path.startswith("/api/"), not getattr(item.callback, "login_required", True)
            yield Address(name, path, _guard(item), is_api, is_open, has_sample=path != text)


def _filled(pattern: str) -> str:
    plain = pattern.replace("^", "").replace("$", "")
    path = re.sub(r"<(?:(\w+):)?\w+>", lambda found: SAMPLES[found[1] or "str"], plain)
    path = re.sub(r"\(\?P(<\w+>|nothing)[^)]*\)", "nothing", path)
    return path.replace("\\", "")


def _guard(item: URLPattern) -> str | None:
    view = item.callback
    declared = access_of(view)
    if declared is not None:
        return declared
    kind = getattr(view, "cls", None)
    codes = [getattr(one, "sapwood_permission", None) for one in getattr(kind, "permission_classes", [])]
    return next((code for code in codes if code is not None), None)


ALL = addresses()
GUARDED = [one for one in ALL if one.guard not in (None, "", PUBLIC)]


def holds(client: Client, address: Address):
    """GET, and POST where GET is not offered: the guard comes before the method."""
    response = client.get(address.path)
    return client.post(address.path) if response.status_code == 405 else response


def to_sign_in(response) -> bool:
    return response.status_code == 302 and response["Location"].startswith(reverse("account_login"))


def come_in(user) -> Client:
    client = Client(raise_request_exception=False)
    now = system_clock().now()
    assert client.post(one_time_link(user, base_url="http://testserver", now=now, actor=CLI)).status_code == 302
    return client


@pytest.fixture
def person(db):
    def make(*roles: Role):
        now = system_clock().now()
        return create_person(f"{'-'.join(roles) or 'nobody'}@riverside.example", actor=CLI, now=now, roles=roles)

    return make


def test_the_walk_finds_the_addresses():
    names = {one.name for one in ALL}
    assert {"console:home", "accounts:people", "accounts:audit", "account_login", "mfa_index"} <= names
    assert not [one.path for one in ALL if "<" in one.path or "(" in one.path]


@pytest.mark.parametrize("address", ALL, ids=str)
def test_every_address_declares_its_guard(address):
    if address.guard == PUBLIC or address.name in PUBLIC_NAMES:
        assert address.name in PUBLIC_NAMES, f"{address} is marked public; say why in PUBLIC_NAMES"
        return
    if not address.guard:
        assert address.name in SIGNED_IN_NAMES, f"{address.path} declares no permission"
        return
    assert address.guard in PERMISSIONS


@pytest.mark.django_db
@pytest.mark.parametrize("address", [one for one in ALL if one.name not in PUBLIC_NAMES], ids=str)
def test_strangers_are_sent_to_sign_in(address):
    for method in ("get", "post", "put", "delete"):
        response = getattr(Client(raise_request_exception=False), method)(address.path)
        if address.is_api:
            assert response.status_code == 401, (method, response.status_code)
        else:
            assert to_sign_in(response), (method, response.status_code, response.get("Location"))


@pytest.mark.django_db
@pytest.mark.parametrize("address", [one for one in ALL if one.name in PUBLIC_NAMES], ids=str)
def test_public_addresses_need_no_sign_in_and_do_not_break(address):
    response = holds(Client(), address)
    assert response.status_code < 500
    assert address.is_open, f"{address} lacks the mark: accounts.api.public"


@pytest.mark.slow
@pytest.mark.parametrize("role", [None, *ROLES_OF[SIDE]], ids=lambda role: role or "no-role")
def test_each_role_gets_in_exactly_where_its_permissions_say(person, role):
    user = person(*([role] if role else []))
    client = come_in(user)
    wrong = []
    for address in GUARDED:
        response = holds(client, address)
        allowed = role is not None and role in PERMISSIONS[address.guard].roles
        fine = _let_in(response, address) if allowed else response.status_code == 403
        if not fine:
            wrong.append((str(address), "should pass" if allowed else "should not pass", response.status_code))
        if get_signed_out(client):
            client = come_in(user)
    assert wrong == []


def get_signed_out(client: Client) -> bool:
    return "_auth_user_id" not in client.session


def _let_in(response, address: Address) -> bool:
    if to_sign_in(response) or response.status_code in (401, 403, 405) or response.status_code >= 500:
        return False
    # An empty form names nothing, and an empty database holds nothing: that is said inside the door.
    unfilled = address.is_api or response.request["REQUEST_METHOD"] == "POST"
    empty = unfilled and response.status_code in (404, 409, 422)
    return address.has_sample or empty or response.status_code in (200, 302, 400)


@pytest.mark.django_db
@pytest.mark.parametrize("address", [one for one in ALL if one.guard == "" and not one.has_sample], ids=str)
def test_pages_of_ones_own_account_open_to_everybody_who_signed_in(address, person):
    response = holds(come_in(person()), address)
    assert response.status_code in (200, 302)
    assert not to_sign_in(response)


@pytest.mark.parametrize("role", ROLES_OF[SIDE])
def test_a_narrowed_role_opens_only_what_promises_to_look_at_the_object(person, role):
    from sapwood.accounts.data import ADMINISTERING

    if role in ADMINISTERING:
        return
    user = person()
    grant_role(user, role=role, scope=("channel", "nowhere"), actor=CLI, now=system_clock().now())
    for code, item in PERMISSIONS.items():
        assert not user_has(user, code)
        assert user_has(user, code, ANYWHERE) == (role in item.scoped)


@pytest.mark.parametrize("address", [one for one in GUARDED if one.is_api], ids=str)
def test_a_token_opens_an_endpoint_only_with_its_permission(address, person):
    import datetime as dt

    role = next(role for role in ROLES_OF[SIDE] if role in PERMISSIONS[address.guard].roles)
    user, now = person(role), system_clock().now()
    others = [c for c, p in PERMISSIONS.items() if p.by_token and role in p.roles and c != address.guard]
    for scopes, allowed in (([address.guard], True), (others[:1], False)):
        if not scopes or not PERMISSIONS[scopes[0]].by_token:
            continue
        made = create_token(user, name="t", scopes=scopes, actor=CLI, now=now, ttl=dt.timedelta(days=1))
        client = Client(headers={"authorization": f"Bearer {made.secret}"}, raise_request_exception=False)
        response = holds(client, address)
        assert (response.status_code != 403) == allowed, response.status_code
        assert response.status_code != 401
