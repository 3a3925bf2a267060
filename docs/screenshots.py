"""Takes the pictures of the documentation from the running program: `.venv/bin/python docs/screenshots.py`.

Starts a house of its own in a scratch folder, decides what the tutorial decides, and writes PNG files to docs/images.
Run it when a page changes its looks, look at the pictures, and commit them.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
SAPWOOD = [sys.executable, "-m", "sapwood.config.cli"]
CHROMIUM = "/usr/bin/chromium"
PORT = "8790"
# A page of documentation should load on a slow line.
MOST_BYTES = 150_000
WIDE = {"width": 1080, "height": 800}


@contextmanager
def house(var: Path) -> Iterator[dict[str, Any]]:
    """A commons and a site, started as a newcomer starts them; gives what `sapwood up --json` prints."""
    env = {**os.environ, "SAPWOOD_VAR": str(var)}
    command = [*SAPWOOD, "up", "--json", "--port", PORT]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def signed_in(browser: Browser, link: str) -> Page:
    """A page of whoever the one-time link belongs to."""
    page = browser.new_context(viewport=WIDE, color_scheme="light", locale="en").new_page()
    page.goto(link)
    with page.expect_navigation():
        page.locator("main button[type=submit]").click()
    return page


def take(page: Page, url: str, name: str, *, height: int) -> None:
    """One picture of the top of a page, without the reader's focus ring."""
    page.goto(url)
    page.set_viewport_size({"width": WIDE["width"], "height": height})
    page.mouse.move(0, 0)
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    size = path.stat().st_size
    assert size < MOST_BYTES, f"{path.name} has {size:,} bytes"
    sys.stdout.write(f"{path.name}: {size:,} bytes\n")


def main() -> None:
    """All pictures, in the order of the tutorial."""
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="sapwood-pictures-") as folder,
        house(Path(folder)) as report,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        picture(report, browser)
        browser.close()


def picture(report: dict[str, Any], browser: Browser) -> None:
    """Walk through both sides."""
    site, commons = report["site"], report["commons"]
    alice = signed_in(browser, report["sign_in"]["site"])
    take(alice, f"{site}/", "site-home", height=860)
    take(alice, f"{site}/inbox/?tab=all", "site-inbox", height=620)
    alice.goto(f"{site}/inbox/")
    review = alice.locator("main table a").first.get_attribute("href")
    take(alice, f"{site}{review}", "site-review", height=780)
    with alice.expect_navigation():
        alice.get_by_role("button", name="Approve exactly this").click()
    take(alice, f"{site}/announcements/", "site-announcements", height=480)
    bob = signed_in(browser, report["sign_in"]["commons"])
    take(bob, f"{commons}/", "commons-home", height=640)
    take(bob, f"{commons}/catalogue/", "catalogue", height=760)


if __name__ == "__main__":
    main()
