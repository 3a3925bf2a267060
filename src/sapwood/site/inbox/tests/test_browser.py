"""A learner in a real browser: single sign-on to the announcements, under our content security policy."""

import pytest
from tests.providers import oidc_server

from sapwood.accounts import conf
from sapwood.console.tests.browser import assert_no_axe_violations, assert_no_horizontal_scroll, browser, browser_page
from sapwood.core.data import Actor
from sapwood.site.inbox import api
from sapwood.site.inbox.data import Audience
from sapwood.site.inbox.models import Person
from sapwood.site.inbox.tests.given import NOW

__all__ = ["browser", "browser_page"]
pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def sso(settings, monkeypatch, live_server):
    with oidc_server() as server:
        client_id, secret = server.register(f"{live_server.url}/accounts/oidc/sso/login/callback/")
        given = {"ISSUER": server.issuer, "CLIENT_ID": client_id, "CLIENT_SECRET": secret, "NAME": "Riverside sign-on"}
        for name, value in given.items():
            monkeypatch.setenv(f"SAPWOOD_OIDC_{name}", value)
        settings.SOCIALACCOUNT_PROVIDERS = conf.providers()
        server.says("5", email="dave@riverside.example", email_verified=True, name="Dave", groups=["students"])
        yield server


@pytest.mark.parametrize("javascript", [True, False])
def test_a_learner_signs_on_reads_joins_and_is_forgotten(live_server, browser_page, sso, javascript):
    api.map_claim("groups", "students", Audience.LEARNERS, actor=Actor.command(), now=NOW)
    page = browser_page(f"{live_server.url}/accounts/login/", width=320, javascript=javascript)
    # The provider's page is not ours: it wants a style sheet from far away and has no icon.
    page.context.route("https://**", lambda route: route.fulfill(body="", content_type="text/css"))
    assert page.complaints == []
    page.get_by_role("button", name="Riverside sign-on").click()
    page.get_by_placeholder("sub").fill("5")
    page.get_by_role("button", name="Authorize").click()
    page.wait_for_url(f"{live_server.url}/")
    assert [line for line in page.complaints if "Content Security Policy" in line] == []
    page.complaints.clear()
    page.get_by_role("main").get_by_role("link", name="Read").click()
    page.get_by_role("link", name="By mail").click()
    page.get_by_role("button", name="Send me announcements").click()
    page.get_by_role("button", name="Save").wait_for()
    assert Person.objects.get().audience == "learners"
    page.goto(f"{live_server.url}/accounts/")
    page.get_by_role("link", name="Forget me").click()
    if javascript:
        assert_no_axe_violations(page)
    assert_no_horizontal_scroll(page)
    page.get_by_role("button", name="Erase for good").click()
    page.get_by_text("You are forgotten here").wait_for()
    assert not Person.objects.exists()
