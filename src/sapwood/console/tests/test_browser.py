"""The front page and the patterns page in a real browser: axe, narrow, no script, keyboard."""

import re

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model

from sapwood.console import patterns, registry
from sapwood.console.registry import AccountLink, MenuEntry, Need, Panel
from sapwood.console.tests.browser import (  # noqa: F401 - fixtures
    assert_no_axe_violations,
    assert_no_horizontal_scroll,
    assert_whole_identifiers,
    browser,
    browser_page,
)
from sapwood.core.errors import UnavailableError

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
PAGES = ["/", "/console/patterns"]
READERS = [(theme, language) for theme in ("light", "dark") for language in ("en", "ar")]


def away(_request):
    raise UnavailableError("The warehouse does not answer.", hint="Look at the worker's log.")


@pytest.fixture(autouse=True)
def furnished():
    """A console with a menu, needs, panels whole and broken."""
    with registry.isolated():
        for place, name in enumerate(("Home", "Patterns", "Audit")):
            url = "console:patterns" if place else "console:home"
            registry.register_menu(MenuEntry(name, name, url, place, badge=lambda _request: 3))
        registry.register_account_link(AccountLink("out", "Sign out", "console:home", 1, post=True))
        registry.register_need(
            lambda _request: [Need("high", f"Need {n}", "/console/patterns", "See", patterns.NOW) for n in range(3)]
        )
        registry.register_panel(Panel("broken", "Broken", 1, "nowhere.html", away))
        fresh = {"level": "good", "title": "fresh"}
        registry.register_panel(Panel("c", "Channel", 2, "console/components/callout.html", lambda _r: fresh))
        yield


@pytest.fixture
def look(live_server, browser_page):  # noqa: F811 - the imported fixture
    """Opens a page of the running console as Alice, who is signed in."""
    alice = get_user_model().objects.create_user("alice@riverside.example", name="Alice")

    def look_at(path="/", **reader):
        return browser_page(live_server.url + path, user=alice, **reader)

    return look_at


@pytest.mark.parametrize(("theme", "language"), READERS)
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(look, path, theme, language):
    page = look(path, theme=theme, language=language)
    assert page.evaluate("document.documentElement.dir") == ("rtl" if language == "ar" else "ltr")
    page.evaluate("document.querySelectorAll('main details').forEach((d) => { d.open = true; })")
    assert_no_axe_violations(page)


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("path", PAGES)
def test_320_pixels_are_enough(look, path, language):
    page = look(path, width=320, language=language)
    assert_no_horizontal_scroll(page)
    assert_no_axe_violations(page)


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("width", [320, 768, 1080, 1440])
def test_identifiers_are_not_broken_inside_a_word(look, width, language):
    page = look("/console/patterns", width=width, language=language)
    assert page.locator("#tables .code").count() >= 6
    assert_whole_identifiers(page)
    assert_no_horizontal_scroll(page)


def test_the_error_page_is_accessible_and_narrow_too(look):
    page = look("/nowhere-at-all", width=320, theme="dark")
    assert page.complaints.pop().startswith("console: Failed to load resource")
    assert_no_horizontal_scroll(page)
    assert_no_axe_violations(page)


def test_everything_is_within_reach_without_javascript(look):
    page = look("/", width=390, javascript=False)
    menu = page.locator("details.menu")
    assert not menu.locator("a", has_text="Patterns").is_visible()
    menu.locator("summary").click()
    menu.locator("a", has_text="Patterns").click()
    assert page.url.endswith("/console/patterns")
    page.locator(".tools summary").first.click()
    page.get_by_role("button", name="Dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.url.endswith("/console/patterns")
    page.locator(".tools summary").first.click()
    page.get_by_role("button", name="العربية").click()
    assert page.locator("html").get_attribute("dir") == "rtl"
    assert not page.get_by_role("button", name=re.compile("Keys")).is_visible()


def test_a_chosen_theme_beats_the_device(look):
    page = look("/", theme="light", cookies={"sapwood_theme": "dark"})
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(22, 20, 18)"


def test_the_first_tab_stop_skips_to_the_content(look):
    page = look()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def active_row(page):
    return page.evaluate(
        "[...document.querySelectorAll('[data-row]')].findIndex((row) => row.contains(document.activeElement))"
    )


def test_j_and_k_walk_through_the_rows(live_server, browser_page, client):  # noqa: F811 - fixture
    session = {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}
    page = browser_page(live_server.url, cookies=session)
    walked = []
    for key in "jjjjk":
        page.keyboard.press(key)
        walked.append(active_row(page))
    assert walked == [0, 1, 2, 2, 1]


def test_a_key_presses_its_element_but_not_while_somebody_writes(look):
    page = look("/console/patterns")
    dialog = page.locator("#sample-dialog")
    page.locator("#id_plain-name").focus()
    page.keyboard.press("d")
    assert not dialog.is_visible()
    page.locator("#id_plain-name").blur()
    page.keyboard.press("Control+d")
    assert not dialog.is_visible()
    page.keyboard.press("d")
    assert dialog.is_visible()
    assert_no_axe_violations(page)
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_a_question_mark_lists_the_keys_of_the_page(look):
    page = look("/console/patterns")
    page.keyboard.press("?")
    words = page.locator("#shortcuts").inner_text()
    assert "Plan upgrade" in words
    assert "Next item" in words
    assert_no_axe_violations(page)
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Keys").click()
    assert page.locator("#shortcuts dt").all_inner_texts() == ["p", "d", "j", "k", "?"]


def test_a_form_with_a_question_is_sent_only_after_yes(look):
    page = look("/console/patterns")
    page.get_by_role("button", name="Reject with a question").click()
    page.get_by_role("button", name="Keep it").click()
    assert "rejected" not in page.url
    page.get_by_role("button", name="Reject with a question").click()
    page.locator("#sample-dialog").get_by_role("button", name="Reject").click()
    page.wait_for_url("**/console/patterns?rejected=17")


def test_a_form_that_changes_something_is_sent_once_and_shows_it(look):
    page = look("/console/patterns")
    page.locator(".tools summary").first.click()
    sent = """button => {
        let sent = 0;
        document.addEventListener("submit", (event) => { sent += event.defaultPrevented ? 0 : 1; });
        button.click();
        button.click();
        return [sent, button.getAttribute("aria-busy"), document.querySelector("[role=status][data-busy]").textContent];
    }"""
    assert page.get_by_role("button", name="Dark").evaluate(sent) == [1, "true", "Sent. One moment."]
    page.wait_for_selector("html[data-theme=dark]", state="attached")
    page.wait_for_load_state("networkidle")
    assert page.locator("[aria-busy]").count() == 0


def test_a_form_is_free_again_when_its_page_comes_back(look):
    page = look("/console/patterns")
    page.evaluate("document.querySelector('form[method=post]').dataset.sent = 'yes'")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    assert page.locator("form[data-sent]").count() == 0


def test_a_menu_closes_on_escape_and_gives_the_focus_back(look):
    page = look()
    page.locator(".tools summary").first.click()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    assert not page.get_by_role("button", name="Dark").is_visible()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_the_link_in_an_error_summary_leads_to_its_field(look):
    page = look("/console/patterns")
    page.locator("#failed-errors a", has_text="Name").click()
    assert page.evaluate("location.hash") == "#id_failed-name"


def test_high_contrast_and_paper_keep_the_words(look):
    page = look("/console/patterns")
    page.emulate_media(forced_colors="active")
    assert page.locator(".status").first.is_visible()
    page.emulate_media(media="print", forced_colors="none")
    assert not page.locator(".rail").is_visible()
    assert page.locator(".chart svg").first.is_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
