"""The first hour as its page tells it: every marked command is run, in order, and must print what the page shows.

In the page, `<!-- run -->` stands before a fenced `sh` block whose lines are to be run, `<!-- run: exit 3 -->` before
one that ends otherwise. A fenced `text` block right after it holds lines that must appear in this order, where
`…` stands for anything. `<!-- file: NAME -->` before a block writes it to that file, beside the house's folder.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

TITLE = "Open hour for course authors"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "first-hour.md"
BLOCK = re.compile(
    r"^<!-- (?P<mark>run|file)(?:: (?P<what>[^>]+?))? -->\n(?P<fence>`{3,})\w*\n(?P<body>.*?)\n(?P=fence)\n"
    r"(?:\n*```text\n(?P<shown>.*?)\n```\n)?",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Step:
    """One marked block of the page."""

    mark: str
    what: str
    body: str
    shown: tuple[str, ...]
    line: int


def steps(page: str) -> list[Step]:
    return [
        Step(
            found["mark"],
            found["what"] or "",
            found["body"],
            tuple((found["shown"] or "").splitlines()),
            page.count("\n", 0, found.start()) + 1,
        )
        for found in BLOCK.finditer(page)
    ]


def missing_lines(shown, printed):
    """Those lines of the page that the program did not print, or not in this order."""
    rest = iter(" ".join(line.split()) for line in printed.splitlines())
    patterns = [
        re.compile(".*".join(re.escape(part) for part in " ".join(line.split()).split("…")))
        for line in shown
        if line.strip()
    ]
    return [pattern.pattern for pattern in patterns if not any(pattern.fullmatch(line) for line in rest)]


def run(step, folder, env):
    """One block as a reader's shell would run it, in the clone's folder."""
    script = step.body.replace(".venv/bin/sapwood", f"{sys.executable} -m sapwood.config.cli")
    return subprocess.run(
        ["bash", "-c", script], check=False, cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )


def test_every_step_of_the_first_hour_does_what_the_page_says(house, tmp_path):
    env = house.env(None)
    (tmp_path / "var").symlink_to(house.var)
    found = steps(PAGE.read_text(encoding="utf-8"))
    assert {step.mark for step in found} == {"run", "file"}
    for step in found:
        if step.mark == "file":
            path = tmp_path / step.what
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.body + "\n", encoding="utf-8")
            continue
        done = run(step, tmp_path, env)
        place = f"{PAGE.name}:{step.line}"
        expected = int(step.what.removeprefix("exit ") or 0)
        assert done.returncode == expected, (place, step.body, done.stdout[-2000:], done.stderr[-2000:])
        missing = missing_lines(step.shown, done.stdout)
        assert missing == [], (place, step.body, done.stdout)
        if "inbox list" in step.body:
            env["ITEM"] = next(line for line in done.stdout.splitlines() if line.endswith(TITLE)).split()[0]


def test_what_the_page_shows_is_looked_for_in_order():
    printed = "one 1\ntwo   2\nthree 3\n"
    assert missing_lines(["one …", "three 3"], printed) == []
    assert missing_lines(["three 3", "one 1"], printed) == ["one 1".replace(" ", r"\ ")]
    assert missing_lines(["four"], printed) == ["four"]


def test_no_shell_block_of_the_page_is_left_out_by_mistake():
    page = PAGE.read_text(encoding="utf-8")
    blocks = len(re.findall(r"^```sh$", page, flags=re.MULTILINE))
    marked = sum(step.mark == "run" for step in steps(page))
    by_hand = len(re.findall(r"^<!-- by hand: .+ -->\n```sh$", page, flags=re.MULTILINE))
    assert marked + by_hand == blocks
