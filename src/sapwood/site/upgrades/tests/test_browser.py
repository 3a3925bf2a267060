"""An administrator in a real browser: wizard, rehearsal with live progress, report, button, way back."""

import os
import threading
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from tests.people import sign_in

from sapwood.console.tests.browser import (
    assert_no_axe_violations,
    assert_no_horizontal_scroll,
    assert_whole_identifiers,
    browser,
    browser_page,
)
from sapwood.site.upgrades.drivers import django_sites
from sapwood.site.upgrades.tests.test_pages import people, site, work

__all__ = ["browser", "browser_page", "people", "site"]
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def cookies(user):
    """Somebody who has just signed in: the button asks again otherwise."""
    name = settings.SESSION_COOKIE_NAME
    return {name: sign_in(Client(), user).cookies[name].value}


@contextmanager
def worker():
    """`sapwood worker` beside the browser, until nothing is left to do."""

    def run():
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()


def looked_at(page, name):
    """Nothing to object to; and a picture for whoever wants to see it."""
    if folder := os.environ.get("SAPWOOD_TEST_PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
    assert_no_axe_violations(page)
    assert_no_horizontal_scroll(page)
    assert_whole_identifiers(page)


def test_from_the_wizard_to_the_button_and_back(live_server, browser_page, site, people, monkeypatch):
    page = browser_page(f"{live_server.url}/upgrade/", cookies=cookies(people["alice"]))
    looked_at(page, "home")
    plans(page)
    rehearses(page, monkeypatch)
    page.get_by_role("main").get_by_role("link", name="Next step").click()
    looked_at(page, "certificate")
    page.get_by_role("link", name="Next step").click()
    looked_at(page, "press")
    upgrades(page, site)
    page.get_by_label("I accept that this is lost").check()
    page.get_by_role("button", name="Take the upgrade back").click()
    with worker():
        page.get_by_text("taken back, the data are what they were").wait_for(timeout=60_000)
    looked_at(page, "taken-back")
    assert (site.folder / "running").read_text().strip() == "current"
    assert not (site.folder / "closed").exists()
    for name, address in every_page(page).items():
        for theme, language in (("dark", "en"), ("light", "ar")):
            small = browser_page(address, cookies=cookies(people["alice"]), width=320, theme=theme, language=language)
            looked_at(small, f"{name}-320-{theme}-{language}")
            small.close()
    plain = browser_page(
        f"{live_server.url}/upgrade/{site.key}/press", cookies=cookies(people["alice"]), width=320, javascript=False
    )
    plain.get_by_role("button", name="Upgrade now").wait_for()


def plans(page):
    page.get_by_role("link", name="Plan upgrade").click()
    page.get_by_role("button", name="Look at both releases").click()
    page.get_by_text("No worker is running").wait_for()
    with worker():
        page.get_by_role("heading", name="2 migrations would run").wait_for(timeout=60_000)
    looked_at(page, "plan")
    page.get_by_role("link", name="Next step").click()
    looked_at(page, "preflight")
    page.get_by_role("link", name="Next step").click()


def rehearses(page, monkeypatch):
    seen, real = threading.Event(), django_sites.rehearse

    def rehearse(*given, say, **more):
        say("copying the database")
        assert seen.wait(60)
        return real(*given, say=say, **more)

    monkeypatch.setattr(django_sites, "rehearse", rehearse)
    page.get_by_role("button", name="Rehearse now").click()
    with worker():
        page.get_by_text("Copying the database").wait_for(timeout=30_000)
        looked_at(page, "rehearsing")
        seen.set()
        page.get_by_role("heading", name="Slowest migrations").wait_for(timeout=120_000)
    looked_at(page, "rehearsal")
    page.get_by_role("link", name="Report for printing").click()
    page.get_by_role("heading", name="Not tested").wait_for()
    assert_no_horizontal_scroll(page)
    page.go_back()


def upgrades(page, site):
    (site.folder / "hang-migration").touch()
    page.get_by_role("button", name="Upgrade now").click()
    with worker():
        page.get_by_text("running Migrate").wait_for(timeout=60_000)
        looked_at(page, "upgrading")
        (site.folder / "hang-migration").unlink()
        page.get_by_text("upgraded").wait_for(timeout=60_000)
    looked_at(page, "upgraded")


def every_page(page):
    """From the page of a run, which it is on, to all others."""
    found = {"run": page.url}
    page.get_by_role("main").get_by_role("link", name="campus").click()
    page.get_by_role("link", name="Upgrades so far").wait_for()
    looked_at(page, "subject")
    steps = ("plan", "preflight", "rehearse", "certificate", "press", "history")
    found |= {"subject": page.url, **{name: page.url + name for name in steps}}
    above = page.url.rstrip("/").rpartition("/")[0]
    found |= {"automation": f"{page.url}automation", "news": f"{above}/news/", "calendar": f"{above}/calendar/"}
    page.locator("#rehearsals a").first.click()
    page.get_by_role("heading", name="Slowest migrations").wait_for()
    return found | {"rehearsal": page.url}
