"""The lists of hard cases: each names tests, and the tests are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "explanation" / "hard-cases.md"


@pytest.mark.parametrize(("upgrades", "numbers"), [(False, [*range(1, 39), *range(48, 52)]), (True, [*range(1, 29)])])
def test_each_hard_case_names_tests_that_are_there(upgrades, numbers):
    text = PAGE.read_text(encoding="utf-8").partition("## Upgrades")[2 if upgrades else 0]
    rows = re.findall(r"^\| (\d+|[A-Z][^|]+) \| (?:.+ \| )?(.+) \|$", text, flags=re.MULTILINE)
    assert [int(number) for number, _ in rows if number.isdigit()] == numbers
    for number, held in rows:
        named = re.findall(r"`([^`:]+)::(\w+)`", held)
        assert named or "not yet: " in held, f"case {number} names no test"
        for path, name in named:
            file = next((found for found in (ROOT / "src" / "sapwood" / path, ROOT / path) if found.is_file()), None)
            assert file is not None, f"case {number}: there is no {path}"
            assert f"def {name}(" in file.read_text(encoding="utf-8"), f"case {number}: {path} has no {name}"
