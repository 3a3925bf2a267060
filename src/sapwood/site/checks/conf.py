"""Settings of this module."""

from pathlib import Path

from sapwood.core import settings
from sapwood.core.paths import role_dir

PACKS = settings.text(
    "SAPWOOD_PACKS",
    "",
    "The virtual environment in which packs of checks are installed; else `packs` in the folder of the site's state.",
)


def environment() -> Path:
    """The environment of the packs."""
    given = PACKS.get()
    return Path(given).absolute() if given else role_dir() / "packs"
