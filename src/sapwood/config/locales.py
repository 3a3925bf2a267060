"""Compiles the translations that are kept as text (`.po`) into what gettext reads (`.mo`)."""

from pathlib import Path

import polib

from sapwood.core.files import write_atomically

LOCALE = Path(__file__).resolve().parent.parent / "locale"


def compile_locales(folder: Path = LOCALE) -> int:
    """Write every `.mo` that is missing or older than its `.po`; the number written."""
    written = 0
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        write_atomically(target, polib.pofile(str(source)).to_binary(), mode=0o644)
        written += 1
    return written
