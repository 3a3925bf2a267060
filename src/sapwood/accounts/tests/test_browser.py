"""Signing in with a real browser: passkeys and authenticator apps work under our content security policy."""

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time

from sapwood.accounts.actions import one_time_link
from sapwood.console.tests.browser import (
    assert_no_axe_violations,
    assert_no_horizontal_scroll,
    browser,
    browser_page,
)
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor

__all__ = ["browser", "browser_page"]
pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def link_of(user, live_server):
    return one_time_link(user, base_url=live_server.url, now=system_clock().now(), actor=Actor.command())


def come_in(page, user, live_server):
    page.goto(link_of(user, live_server))
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{live_server.url}/")


def with_authenticator(page):
    """A fingerprint reader that always says yes, as the browser's own test interface offers."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    return session, session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]


def add_passkey(page, live_server):
    page.goto(f"{live_server.url}/accounts/2fa/webauthn/add/")
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add").click()
    page.wait_for_url(re.compile("recovery-codes"))


def test_a_passkey_is_added_and_signs_in_by_itself(live_server, browser_page, alice):
    page = browser_page(f"{live_server.url}/accounts/login/")
    with_authenticator(page)
    come_in(page, alice, live_server)
    add_passkey(page, live_server)
    assert Authenticator.objects.filter(user=alice, type="webauthn").count() == 1
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"{live_server.url}/")
    assert page.get_by_text("Alice").first.is_visible()


def test_a_device_that_refuses_is_said_in_words(live_server, browser_page, alice):
    page = browser_page(f"{live_server.url}/accounts/login/")
    session, device = with_authenticator(page)
    come_in(page, alice, live_server)
    add_passkey(page, live_server)
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/accounts/login/")
    session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_role("alert").filter(has_text="was not accepted").wait_for()


def test_a_link_still_asks_for_the_passkey(live_server, browser_page, alice):
    page = browser_page(f"{live_server.url}/accounts/login/")
    with_authenticator(page)
    come_in(page, alice, live_server)
    add_passkey(page, live_server)
    page.context.clear_cookies()
    page.goto(link_of(alice, live_server))
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Use a passkey or security key").click()
    page.wait_for_url(f"{live_server.url}/")


def code_for(secret):
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def test_an_authenticator_app_is_set_up_from_the_picture(live_server, browser_page, alice):
    page = browser_page(f"{live_server.url}/accounts/login/")
    come_in(page, alice, live_server)
    page.goto(f"{live_server.url}/accounts/2fa/totp/activate/")
    picture = page.get_by_role("img", name="The secret as a QR code")
    assert picture.evaluate("image => image.naturalWidth") > 0
    secret = page.locator("main .code").inner_text()
    for _ in range(2):  # the six digits may change between reading and pressing
        page.get_by_label("code").fill(code_for(secret))
        page.get_by_role("button", name="Turn on").click()
        page.wait_for_load_state()
        if "recovery-codes" in page.url:
            break
    assert "recovery-codes" in page.url
    stored = Authenticator.objects.get(user=alice, type="totp").data["secret"]
    assert secret not in stored


PAGES = [
    "login/", "password/reset/", "", "2fa/", "2fa/totp/activate/", "2fa/webauthn/add/", "2fa/webauthn/",
    "password/set/", "email/", "logout/", "people", "people/invite", "people/claims", "audit", "audit/verify",
    "me/tokens/new",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("theme", "language"), [("light", "en"), ("dark", "ar")])
def test_every_page_of_accounts_is_accessible_and_narrow(live_server, browser_page, alice, dave, theme, language):
    page = browser_page(f"{live_server.url}/accounts/login/", width=320, theme=theme, language=language)
    assert_no_axe_violations(page)
    assert_no_horizontal_scroll(page)
    page.goto(link_of(alice, live_server))
    assert_no_axe_violations(page)
    page.locator("main form button").click()
    page.wait_for_url(f"{live_server.url}/")
    for path in [*PAGES, f"people/{dave.uuid}", f"people/{dave.uuid}/erase"]:
        page.goto(f"{live_server.url}/accounts/{path}")
        assert_no_axe_violations(page)
        assert_no_horizontal_scroll(page)
