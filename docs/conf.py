"""Sphinx: Markdown sources, a reference that is written from the code at each build."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "Sapwood"
author = "The Sapwood maintainers"
extensions = ["myst_parser", "sapwood_reference"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_ext", "reference/generated"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Sapwood"
html_static_path: list[str] = []
nitpicky = True
suppress_warnings: list[str] = []
