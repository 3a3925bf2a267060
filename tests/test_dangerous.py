"""Dangerous actions ask again who is there: every address that changes something is here, on one side or the other.

Dangerous is what gives or takes rights, hands out or destroys personal data, changes where things go or how far a
channel is trusted, and what leaves this house for people beyond its administrators. Taking back and closing are the
safe direction: they are one press. By the API a session needs the same fresh sign-in; a token needs that very scope.
"""

import datetime as dt
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse

from sapwood.accounts.api import PERMISSIONS, Role, create_person, create_token
from sapwood.accounts.data import ROLES_OF
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from tests.people import sign_in
from tests.test_permissions import ALL, SIDE

CLI = Actor.command()
NOBODY = "00000000-0000-4000-8000-000000000000"

DANGEROUS = {
    "accounts:invite": "makes accounts", "accounts:grant": "gives rights", "accounts:revoke": "takes rights",
    "accounts:mail_link": "lets somebody in", "accounts:switch": "locks somebody out",
    "accounts:reset_factor": "weakens an account", "accounts:erase": "destroys", "accounts:erase_me": "destroys",
    "accounts:person_data": "hands out personal data", "accounts:my_data": "hands out personal data",
    "accounts:claims": "gives rights", "accounts:remove_claim": "takes rights", "accounts:new_token": "makes a key",
    "account_set_password": "makes a way in", "account_email": "moves a way in",
    "socialaccount_connections": "a way in", "mfa_activate_totp": "a way in",
    "mfa_deactivate_totp": "weakens an account",
    "mfa_generate_recovery_codes": "makes ways in", "mfa_view_recovery_codes": "shows ways in",
    "mfa_download_recovery_codes": "shows ways in", "mfa_add_webauthn": "a way in",
    "mfa_remove_webauthn": "weakens an account", "mfa_edit_webauthn": "a way in",
    "channel:acknowledge": "quiets an alarm",
    # the site
    "inbox:second": "sends to learners", "inbox:open_channel": "widens trust", "inbox:two_people": "weakens the gate",
    "inbox:set_public": "opens to strangers", "inbox:set_brand": "changes whose name mails carry, and who gets replies",
    "inbox:add_webhook": "changes where things go", "inbox:change_webhook": "changes a secret",
    "inbox:add_rule": "can hide what arrives", "inbox:people_add": "confirms an address",
    "inbox:people_import": "confirms addresses", "inbox:people_export": "hands out personal data",
    "inbox:people_erase": "destroys", "inbox:people_refuse": "changes who is reached",
    "inbox:people_claims": "makes readers", "inbox:people_remove_claim": "unmakes readers",
    "upgrades:apply": "changes the platform itself", "upgrades:ask_override": "goes on without a rehearsal",
    "upgrades:confirm_override": "goes on without a rehearsal", "upgrades:resume": "changes the platform itself",
    "upgrades:rollback": "may lose what users wrote",
    "upgrades:allow_application": "changes the platform itself, by itself",
    "upgrades:remove_blackout": "lets something happen by itself",
    # the commons
    "announcements:sources": "a source may go straight to the signers",
    "announcements:act approve": "gives one's word", "announcements:act stage": "leads out of the house",
    "announcements:act retract": "changes what sites show", "announcements:act ask-consent": "hands a secret out",
    "releases:approve": "leads out of the house",
}  # fmt: skip
HARMLESS = {
    "set_language": "a reader's choice", "console:theme": "a reader's choice",
    "accounts:link": "a way in of its own", "accounts:confirm": "asks who is there", "accounts:me": "name and language",
    "accounts:end_session": "closes", "accounts:end_other_sessions": "closes", "accounts:end_token": "closes",
    "account_login": "signs in", "account_logout": "closes", "account_signup": "closed to everybody",
    "account_reauthenticate": "asks who is there", "mfa_reauthenticate": "asks who is there",
    "account_change_password": "asks for the old password itself",
    "account_reset_password": "mails the account's own address",
    "account_reset_password_from_key": "a link from a mail",
    "account_confirm_email": "a link from a mail", "account_confirm_login_code": "a step of signing in",
    "mfa_authenticate": "a step of signing in", "mfa_login_webauthn": "signs in",
    "openid_connect_login": "signs in", "openid_connect_callback": "signs in",
    "platform_login": "signs in", "platform_callback": "signs in", "socialaccount_signup": "a step of signing in",
    "socialaccount_login_cancelled": "says so", "socialaccount_login_error": "says so",
    "account_inactive": "says so", "account_email_verification_sent": "says so", "mfa_index": "shows",
    "mfa_list_webauthn": "shows", "account_reset_password_done": "says so",
    "account_reset_password_from_key_done": "says so",
    "channel:pull_now": "reads what is verified anyway",
    # the site
    "upgrades:look": "reads", "upgrades:begin": "works on a copy", "upgrades:pause": "waits, with the site open",
    "upgrades:dismiss": "a note", "upgrades:add_blackout": "holds back",
    "upgrades:allow_rehearsals": "works on a copy", "upgrades:rehearse_release": "works on a copy",
    "upgrades:stop_automation": "closes, in one press",
    "facts:look": "reads", "accounts:audit_verify": "reads",
    "inbox:approve": "for administrators only; wider is tested below",
    "inbox:reject": "closes", "inbox:archive": "closes", "inbox:snooze": "waits", "inbox:start": "a note",
    "inbox:withdraw": "takes back", "inbox:keep": "changes nothing that goes out", "inbox:text": "a draft",
    "inbox:answer": "stays here", "inbox:hand_over": "goes out with the next approval only",
    "inbox:mass_withdrawal": "takes back", "inbox:repeat": "to whom it was approved for", "inbox:give_up": "closes",
    "inbox:revoke_channel": "takes back, in one press", "inbox:remove_rule": "shows more",
    "inbox:subscribe_feed": "unsigned, behind the gate", "inbox:unsubscribe_feed": "closes",
    "inbox:people_invite": "an offer on a person's own page", "inbox:mine": "one's own choices",
    "inbox:subscribe": "only a mail confirms it", "inbox:confirm": "a link from a mail",
    "inbox:unsubscribe": "closes", "inbox:subscription": "one's own choices", "inbox:forget": "a link from a mail",
    # the commons
    "announcements:new": "a draft", "announcements:edit": "a draft", "announcements:translate": "a draft",
    "announcements:remove_source": "closes", "announcements:pause_source": "waits, or goes on as before",
    "announcements:read_source": "reads what an earlier decision named", "announcements:consent": "a link from a mail",
    "announcements:act submit": "asks for approval", "announcements:act discard": "a draft",
    "announcements:act take-theirs": "a draft", "announcements:act keep-ours": "a draft",
    "announcements:act test": "the test channel", "announcements:act send-back": "closes",
    "releases:propose": "asks for approval", "releases:refuse": "closes",
}  # fmt: skip
# Reads that are dangerous all the same; what else answers to GET alone changes nothing.
DANGEROUS_READS = {"accounts:my_data", "inbox:people_export", "mfa_view_recovery_codes", "mfa_download_recovery_codes"}

ASK_THEMSELVES = {"mfa_reauthenticate_webauthn"}  # without a passkey it leads on to the other ways

DANGEROUS_API = {
    "api_inbox_approve": "inbox.approve",
    "api_inbox_second": "inbox.approve",
    "api-announcement-approve": None,  # beyond every token
    "api-announcement-stage": "announcements.stage",
    "api-announcement-retract": "announcements.retract",
}
HARMLESS_API = {
    "api-announcements": "a draft", "api-announcement": "a draft", "api-announcement-submit": "asks for approval",
    "api_inbox_reject": "closes", "api_inbox_withdraw": "takes back", "api_inbox_snooze": "waits",
    "api_delivery_repeat": "to whom it was approved for",
}  # fmt: skip


def verbs() -> list[str]:
    """What the commons' one address for announcements can do."""
    from sapwood.commons.announcements.views.authoring import _VERBS

    return list(_VERBS)


def cases() -> list[tuple[str, str]]:
    """(name, path) of every page; the one address of many verbs once per verb."""
    found = []
    for one in (address for address in ALL if not address.is_api):
        if one.name == "announcements:act":
            paths = {verb: reverse(one.name, args=[NOBODY, verb]) for verb in verbs()}
            found += [(f"{one.name} {verb}", path) for verb, path in paths.items()]
        else:
            found.append((one.name, one.path))
    return found


PAGES = cases()
API = [one for one in ALL if one.is_api]


@pytest.fixture
def admin(db) -> Any:
    """Whoever may do everything on this side, with every way to sign in that there is."""
    now = system_clock().now()
    roles = [ROLES_OF[SIDE][0], *([Role.SECOND_SIGNER] if SIDE == "commons" else [])]
    user = create_person("alice@riverside.example", actor=CLI, now=now, roles=roles)
    user.set_password("a long enough sentence")
    user.save()
    TOTP.activate(user, generate_totp_secret())
    RecoveryCodes.activate(user)
    SocialAccount.objects.create(user=user, provider="sso", uid="1")
    return user


def signed_in(user: Any, *, minutes_ago: int) -> Client:
    return sign_in(Client(raise_request_exception=False), user, minutes_ago=minutes_ago)


def asks_again(response: Any) -> bool:
    return response.status_code == 302 and response["Location"].split("?")[0] in {
        reverse("accounts:confirm"), reverse("account_reauthenticate"), reverse("mfa_reauthenticate"),
    }  # fmt: skip


def filled(name: str) -> dict[str, Any]:
    """These look at the form first, and ask only when it would do something."""
    if name == "account_email":
        Authenticator.objects.all().delete()  # an account with a second factor keeps its address
    return {
        "account_email": {"action_add": "", "email": "new@riverside.example"},
        "socialaccount_connections": {"account": getattr(SocialAccount.objects.first(), "pk", "")},
    }.get(name, {})


@pytest.mark.parametrize(("name", "path"), PAGES, ids=[name or path for name, path in PAGES])
def test_a_page_asks_again_exactly_when_it_is_dangerous(admin, name, path):
    client = signed_in(admin, minutes_ago=60)
    response = client.get(path) if name in DANGEROUS_READS else client.post(path, filled(name))
    if response.status_code == 405:
        assert name not in DANGEROUS, f"{name} takes no POST; is it still dangerous?"
        return
    if name in ASK_THEMSELVES:
        return
    assert name in DANGEROUS or name in HARMLESS, f"{name} takes a POST: say in this file whether it is dangerous"
    assert asks_again(response) == (name in DANGEROUS), (response.status_code, response.get("Location"))


def test_the_tables_name_nothing_that_is_gone():
    both = {name for name, _path in PAGES}
    mine = {"site": ("inbox", "facts", "upgrades"), "commons": ("announcements", "releases")}[SIDE]
    here = {"accounts", "channel", "console", *mine}
    known = {name for name in DANGEROUS | HARMLESS if ":" not in name or name.split(":")[0] in here}
    assert known - both == set()


@pytest.mark.parametrize("address", API, ids=str)
def test_the_api_asks_again_or_wants_that_very_scope(admin, address):
    response = signed_in(admin, minutes_ago=60).post(address.path, {}, content_type="application/json")
    if response.status_code == 405:
        assert address.name not in DANGEROUS_API
        return
    assert address.name in {**DANGEROUS_API, **HARMLESS_API}, f"say in this file whether {address.name} is dangerous"
    is_stale = response.status_code == 403 and response.json()["code"] == "accounts.stale_sign_in"
    assert is_stale == (address.name in DANGEROUS_API), response.content
    if address.name not in DANGEROUS_API:
        return
    fresh = signed_in(admin, minutes_ago=1).post(address.path, {}, content_type="application/json")
    assert fresh.status_code != 403, fresh.content
    scope = DANGEROUS_API[address.name]
    mine = {code for code, item in PERMISSIONS.items() if item.by_token and ROLES_OF[SIDE][0] in item.roles}
    assert by_token(admin, address.path, sorted(mine - {scope})) == 403
    assert scope is None or by_token(admin, address.path, [scope]) != 403


def by_token(user: Any, path: str, scopes: list[str]) -> int:
    made = create_token(user, name="t", scopes=scopes, actor=CLI, now=system_clock().now(), ttl=dt.timedelta(days=1))
    client = Client(headers={"authorization": f"Bearer {made.secret}"}, raise_request_exception=False)
    return client.post(path, {}, content_type="application/json").status_code
