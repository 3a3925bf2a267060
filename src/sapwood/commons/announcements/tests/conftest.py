"""People, a clock and a folder of announcements, for the tests of this module."""

import datetime as dt
from pathlib import Path

import pytest

from sapwood.core.data import Actor, ActorKind

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
BOB = Actor(ActorKind.PERSON, "6f0f7f4e-0000-4000-8000-000000000b0b", "Bob")
ALICE = Actor(ActorKind.PERSON, "6f0f7f4e-0000-4000-8000-0000000a11ce", "Alice")
UUID_ONE = "7d6c0a52-51b5-4b1e-9a51-000000000001"
UUID_TWO = "7d6c0a52-51b5-4b1e-9a51-000000000002"

PLAIN = f"""---
uuid: {UUID_ONE}
title: Verawood is out
summary: The July release is here.
kind: release_notes
---
Verawood brings a new catalogue page.

Read the [notes](https://docs.openedx.org/).
"""

SPANISH = """---
title: Salió Verawood
summary: La versión de julio ya está aquí.
---
Verawood trae una nueva página de catálogo.
"""

ADVISORY = f"""---
uuid: {UUID_TWO}
title: Update the PDF reader
kind: advisory
severity: high
---
A textbook can run code in a reader's browser.
"""


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def bob():
    return BOB


@pytest.fixture
def alice():
    return ALICE


class Folder:
    """Announcement files as an author keeps them under git."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        return file


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "announcements"
    path.mkdir()
    return Folder(path)
