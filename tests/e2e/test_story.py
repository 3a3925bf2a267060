"""The whole story, in a real browser: written in the commons, signed, pulled, approved at the site, read."""

import contextlib
import re
import secrets

import pytest
from playwright.sync_api import Error

from sapwood.console.tests.browser import (
    assert_no_axe_violations,
    assert_no_horizontal_scroll,
    assert_whole_identifiers,
)

pytestmark = pytest.mark.e2e

TITLE = f"Grade book fix {secrets.token_hex(3)}"


@pytest.fixture(scope="module")
def sessions():
    """The cookies of whoever has come in, by role and address."""
    return {}


@pytest.fixture
def sign_in(house, browser, sessions):
    """Signs a person in by a one-time link, as an invitation would, or as who came back; gives their page."""
    contexts = []

    def enter(role: str, email: str, *, link: bool = False, **options):
        context = browser.new_context(storage_state=None if link else sessions.get((role, email)), **options)
        contexts.append(context)
        page = context.new_page()
        if link or (role, email) not in sessions:
            page.goto(house.run("accounts", "link", email, role=role)["link"])
            follow(page, page.locator("main button[type=submit]").click)
            sessions[role, email] = context.storage_state()
        return page

    yield enter
    for context in contexts:
        context.close()


def follow(page, act) -> None:
    """Do what leads to another page, and wait until that page is there: the old one counts as loaded already."""
    with page.expect_navigation(timeout=60_000):
        act()


def press(page, name: str) -> None:
    follow(page, page.locator("main button", has_text=re.compile(name)).first.click)


def until_listed(page, url: str) -> None:
    """The worker delivers within a second or two; a busy machine takes longer."""
    for _ in range(60):
        with contextlib.suppress(Error):  # a page that renews itself may go first
            page.goto(url)
        if TITLE in page.inner_text("main"):
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"{TITLE} did not reach {url}")


def write_and_publish(house, sign_in) -> None:
    commons = house.report["commons"]
    bob = sign_in("commons", "bob@commons.example")
    bob.goto(f"{commons}/write/new/")
    bob.fill("[name=title]", TITLE)
    bob.fill("[name=body]", "Please update {{site_name}} **today**.")
    bob.select_option("[name=kind]", "advisory")
    bob.select_option("[name=severity]", "high")
    press(bob, "Save the draft")
    press(bob, "Submit for approval")
    assert bob.locator("main button", has_text="Approve").count() == 0, "an author cannot approve in security"
    erin = sign_in("commons", "erin@commons.example")
    erin.goto(bob.url)
    press(erin, "Approve")
    bob.reload()
    press(bob, "Put before the signers")
    house.run("channel", "sign", role="commons")
    house.run("channel", "publish", role="commons")


def test_from_writing_to_reading(house, sign_in):
    write_and_publish(house, sign_in)
    house.run("channel", "pull", role="site")
    house.run("inbox", "import", role="site")
    site = house.report["site"]
    alice = sign_in("site", "alice@riverside.example")
    alice.goto(site)
    assert "teak.3" in alice.inner_text("main")
    assert TITLE in alice.inner_text("main")
    alice.goto(f"{site}/announcements/")
    assert TITLE not in alice.inner_text("main"), "nothing is shown before an administrator approves it"
    alice.goto(f"{site}/inbox/")
    follow(alice, alice.get_by_role("link", name=TITLE).click)
    assert "Riverside College" in alice.inner_text("main")
    follow(alice, lambda: alice.keyboard.press("a"))
    until_listed(alice, f"{site}/announcements/")
    follow(alice, alice.get_by_role("link", name=TITLE).first.click)
    text = alice.inner_text("main")
    assert "Please update Riverside College today." in text
    house.run("audit", "verify", role="site")


@pytest.mark.parametrize(("role", "email"), [("site", "alice@riverside.example"), ("commons", "bob@commons.example")])
@pytest.mark.parametrize("look", ["light-ltr", "dark-rtl"])
def test_every_page_of_the_rail_is_accessible_at_phone_width(house, sign_in, role, email, look):
    scheme, direction = look.split("-")
    page = sign_in(role, email, viewport={"width": 320, "height": 800}, color_scheme=scheme)
    base = house.report[role]
    page.goto(base)
    if direction == "rtl":
        page.context.add_cookies([{"name": f"sapwood_{role}_language", "value": "ar", "url": base}])
    page.goto(base)
    paths = page.eval_on_selector_all("nav a[href^='/']", "links => links.map(link => link.getAttribute('href'))")
    assert len(set(paths)) >= 3
    for path in dict.fromkeys(["/", *paths]):
        page.goto(base + path)
        assert page.get_attribute("html", "dir") == direction
        assert_no_axe_violations(page)
        assert_no_horizontal_scroll(page)
        assert_whole_identifiers(page)


@pytest.mark.parametrize("width", [768, 1080, 1440])
def test_lists_keep_their_words_whole_at_every_width(house, sign_in, width):
    page = sign_in("site", "alice@riverside.example", viewport={"width": width, "height": 800})
    for path in ("/inbox/?tab=all", "/accounts/audit"):
        page.goto(house.report["site"] + path)
        assert page.locator("main table .code").count() > 0
        assert_whole_identifiers(page)
        assert_no_horizontal_scroll(page)


def test_the_gate_works_without_javascript(house, sign_in):
    alice = sign_in("site", "alice@riverside.example", link=True, java_script_enabled=False)
    site = house.report["site"]
    alice.goto(f"{site}/inbox/?show=all")
    follow(alice, alice.locator("main table a").first.click)
    press(alice, "Snooze")
    assert alice.locator("main").inner_text()
