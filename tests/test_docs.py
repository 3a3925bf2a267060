"""The documentation tells the truth about the code: everything is there, and every link leads somewhere."""

import re
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
sys.path.insert(0, str(DOCS / "_ext"))

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


def test_every_setting_read_from_the_environment_is_declared():
    from sapwood.core.settings import REGISTRY

    source = DOCS.parent / "src" / "sapwood"
    used = {
        name
        for path in source.rglob("*.py")
        if "/tests/" not in str(path)
        for name in re.findall(r"[\"'](SAPWOOD_[A-Z_]+)[\"']", path.read_text(encoding="utf-8"))
    }
    assert used - set(REGISTRY) - {"SAPWOOD_TRACEBACK"} == set()


def test_every_setting_command_and_error_says_what_it_is(reference):
    from sapwood.core.settings import REGISTRY

    assert all(item.help for item in REGISTRY.values())
    assert [name for name, command in reference.every_command() if not command.help] == []
    assert [kind.__name__ for kind in reference.every_error() if not kind.__doc__] == []


def test_every_command_prints_json(reference):
    import click

    silent = [
        name
        for name, command in reference.every_command()
        if not isinstance(command, click.Group) and not any("--json" in option.opts for option in command.params)
    ]
    assert silent == ["sapwood serve"]


def test_one_code_means_one_thing(reference):
    codes: dict[str, str] = {}
    for kind in reference.every_error():
        assert codes.setdefault(kind.code, kind.__name__) == kind.__name__, f"{kind.code} stands for two errors"


@pytest.fixture(scope="module")
def reference():
    """The page writer, run in a process of its own role is not needed: it only imports."""
    import sapwood_reference

    return sapwood_reference
