"""Settings of this module."""

from pathlib import Path

from sapwood.core import settings

TUTOR_ROOT = settings.text(
    "SAPWOOD_TUTOR_ROOT", "", "The Tutor root of the platform that this site runs; empty means none."
)
TUTOR_PLUGINS_ROOT = settings.text("SAPWOOD_TUTOR_PLUGINS_ROOT", "", "The folder of Tutor's local plugins.")
TUTOR_PYTHON = settings.text(
    "SAPWOOD_TUTOR_PYTHON", "", "The interpreter that runs Tutor; it is asked which versions are installed."
)
FACTS_FILE = settings.text("SAPWOOD_FACTS", "", "A facts document to read instead, for any other installation.")


def folder(setting: settings.Setting[str]) -> Path | None:
    """A setting as a path, or None when it is empty."""
    value = setting.get()
    return Path(value) if value else None
