"""The documentation tells the truth about the code: everything is there, and every link leads somewhere."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sapwood.site.upgrades.hooks import TOLD_TO_HOOKS

DOCS = Path(__file__).resolve().parent.parent / "docs"
SOURCE = DOCS.parent / "src" / "sapwood"
WRITER = DOCS / "_ext" / "sapwood_reference.py"

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(line.lstrip("#")) for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("#")}


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS)))
def test_every_link_leads_somewhere(page):
    if "generated" in page.parts or "_build" in page.parts:
        return
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith(("http", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{target} does not exist"
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), f"{target}: no such heading"


def test_the_minutes_are_answered_point_by_point():
    text = (DOCS / "explanation" / "minutes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| .+ \| (.+) \|$", text, flags=re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 58))
    for number, answer in rows:
        assert "not yet" in answer or LINK.search(answer), f"point {number} has neither a link nor 'not yet'"


@pytest.fixture(scope="module")
def inventory():
    """What the code declares; in a process of its own, because it loads the apps of both roles."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}
    done = subprocess.run([sys.executable, WRITER], capture_output=True, text=True, check=True, env=env)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_every_setting_read_from_the_environment_is_declared(inventory):
    used = {
        name
        for path in SOURCE.rglob("*.py")
        if "/tests/" not in str(path)
        for name in re.findall(r"[\"'](SAPWOOD_[A-Z_]+)[\"']", path.read_text(encoding="utf-8"))
    }
    assert used - set(inventory["settings"]) - {"SAPWOOD_TRACEBACK", *TOLD_TO_HOOKS} == set()


@pytest.mark.slow
def test_every_setting_command_and_error_says_what_it_is(inventory):
    assert all(inventory["settings"].values())
    assert [name for name, text, _, _ in inventory["commands"] if not text] == []
    assert [name for _, name, text in inventory["errors"] if not text] == []


@pytest.mark.slow
def test_every_command_prints_json(inventory):
    silent = [name for name, _, group, options in inventory["commands"] if not group and "--json" not in options]
    assert silent == ["sapwood serve"]


@pytest.mark.slow
def test_one_code_means_one_thing(inventory):
    codes: dict[str, str] = {}
    for code, name, _ in inventory["errors"]:
        assert codes.setdefault(code, name) == name, f"{code} stands for two errors"
