"""Files that the documentation tells people to write: a block of code under `<!-- file: NAME -->`."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"


def snippet(page: str, name: str) -> str:
    """What stands under that name on a page of the documentation."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.search(rf"<!-- file: {re.escape(name)} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert found is not None, f"{page} has no file {name}"
    return found[1]
