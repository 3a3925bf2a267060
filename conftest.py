"""Shared by all tests: the role of this run, and the tests that belong to it."""

import os
from pathlib import Path

ROLE = os.environ.setdefault("SAPWOOD_ROLE", "site")
HERE = Path(__file__).parent
collect_ignore = [str(HERE / "src" / "sapwood" / ("site" if ROLE == "commons" else "commons"))]
