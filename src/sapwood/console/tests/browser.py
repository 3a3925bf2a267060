"""A real browser for tests: `browser_page` opens pages, the `assert_` functions judge what they show.

A module imports the fixtures `browser` and `browser_page` into its own test file and opens, as Alice on a phone:
`page = browser_page(f"{live_server.url}/inbox", user=alice, width=320, theme="dark", language="ar")`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, Request, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_RUNNING: list[Browser] = []


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the whole run; without one the test is skipped.

    To pytest, each module that imports this has a fixture of its own; Playwright runs only once in a process.
    """
    if _RUNNING:
        yield _RUNNING[0]
        return
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    # Playwright's own event loop runs in this thread, which Django would take for asynchronous code.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        _RUNNING.append(running)
        yield running
        _RUNNING.clear()
        running.close()


@pytest.fixture
def browser_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages: `browser_page(url, user=, width=, height=, theme=, language=, javascript=, cookies=)`.

    Each page belongs to a reader of its own, signed in as `user` if one is given. What it said to the console
    and what it asked of other hosts is on `page.complaints`, which must be empty at the end of the test.
    """
    opened: list[Any] = []

    def open_page(
        url: str,
        *,
        user: Any = None,
        width: int = 1280,
        height: int = 900,
        theme: str = "light",
        language: str = "en",
        javascript: bool = True,
        cookies: dict[str, str] | None = None,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            locale=language,
            java_script_enabled=javascript,
            reduced_motion="reduce",
        )
        context.set_default_timeout(10_000)
        known = {**(cookies or {}), **(_signed_in(user) if user is not None else {})}
        context.add_cookies([{"name": name, "value": value, "url": url} for name, value in known.items()])
        page = context.new_page()
        page.complaints = _listen(page, url)
        opened.append((context, page))
        page.goto(url)
        return page

    yield open_page
    complaints = [line for _, page in opened for line in page.complaints]
    for context, _ in opened:
        context.close()
    assert complaints == [], complaints


def _signed_in(user: Any) -> dict[str, str]:
    """The session cookie of somebody who has signed in."""
    client = Client()
    client.force_login(user)
    return {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}


def _listen(page: Page, url: str) -> list[str]:
    """Errors that the page wrote to its console (a broken content security policy is one) and foreign requests."""
    complaints: list[str] = []
    origin = "/".join(url.split("/")[:3])

    def on_request(request: Request) -> None:
        if not request.url.startswith((origin, "data:", "blob:")):
            complaints.append(f"asked {request.url}")

    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("request", on_request)
    page.on("console", lambda message: message.type == "error" and complaints.append(f"console: {message.text}"))
    return complaints


def assert_no_axe_violations(page: Page) -> None:
    """axe-core finds nothing to object to, best practices included; names each offender otherwise."""
    found = Axe().run(page).response["violations"]
    lines = []
    for violation in found:
        lines.append(f"{violation['id']} ({violation['impact']}): {violation['help']}")
        lines.extend(f"    {node['html'][:200]} :: {node.get('failureSummary')}" for node in violation["nodes"][:5])
    assert not lines, f"{page.url}\n" + "\n".join(lines)


def assert_no_horizontal_scroll(page: Page) -> None:
    """Nothing is wider than the window; names the widest offenders otherwise."""
    wide = page.evaluate(
        """() => {
            const root = document.documentElement;
            if (root.scrollWidth <= root.clientWidth) return [];
            return [...document.querySelectorAll("body *")]
                .filter((e) => {
                    const box = e.getBoundingClientRect();
                    return box.right > root.clientWidth + 1 || box.left < -1;
                })
                .slice(-5).map((e) => e.outerHTML.slice(0, 160));
        }"""
    )
    assert wide == [], f"{page.url} is wider than its window"


def assert_whole_identifiers(page: Page) -> None:
    """No identifier is broken inside a word that would fit on a line of its own; names the broken words otherwise."""
    broken = page.evaluate(
        r"""() => {
            const found = [];
            for (const code of document.querySelectorAll(".code")) {
                const room = code.parentElement.getBoundingClientRect().width;
                const walker = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
                while (walker.nextNode()) {
                    const node = walker.currentNode;
                    for (const match of node.data.matchAll(/[^\s\-\/.:_@=&?,]+/g)) {
                        const range = document.createRange();
                        range.setStart(node, match.index);
                        range.setEnd(node, match.index + match[0].length);
                        const lines = [...range.getClientRects()].filter((box) => box.width > 0);
                        const width = lines.reduce((sum, box) => sum + box.width, 0);
                        if (lines.length > 1 && width < 0.9 * room) found.push(match[0]);
                    }
                }
            }
            return found;
        }"""
    )
    assert broken == [], f"{page.url} breaks words"
