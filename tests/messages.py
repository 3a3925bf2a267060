"""Brings the translations in step with the sources: `.venv/bin/python -m tests.messages`.

Needs gettext (`apt-get install gettext`). Reads every translatable string of `src/sapwood` (code and templates of
both roles, not tests; in code what `gettext` and its sisters are given, and each `Phrase`), and rewrites
`src/sapwood/locale/*/LC_MESSAGES/django.po`: what is translated stays, what is new comes without a translation, what is
gone goes. Nothing is guessed (no fuzzy entries), and nothing changes that no string changed: no line numbers, no
creation dates. A string that changed is a new string, so that its old text is not mistaken for a translation;
`git diff` shows the old one beside it.

`--missing` also prints the strings that wait for a translation, and ends with 1 when there are any.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import polib
from django.core.management.commands import makemessages

SOURCE = Path(__file__).resolve().parent.parent / "src" / "sapwood"
LOCALE = SOURCE / "locale"
PROGRAMS = ("xgettext", "msguniq", "msgmerge", "msgattrib")
SUFFIXES = (".py", ".html", ".txt")
LEFT_OUT = ("tests", "locale", "migrations", "static", "__pycache__")
WIDTH = 110

Key = tuple[str, str, str]


class Extraction(makemessages.Command):
    """Django's command, which also reads the phrases of code that knows no Django."""

    xgettext_options = [*makemessages.Command.xgettext_options, "--keyword=Phrase"]


def missing_programs() -> list[str]:
    """What gettext lacks on this machine."""
    return [name for name in PROGRAMS if not shutil.which(name)]


def catalogues() -> list[Path]:
    """The files that translators edit."""
    return sorted(LOCALE.glob("*/LC_MESSAGES/django.po"))


def load(path: Path) -> polib.POFile:
    """A catalogue as it is on disk."""
    return polib.pofile(str(path), encoding="utf-8", wrapwidth=WIDTH)


def key(entry: polib.POEntry) -> Key:
    """What makes two entries the same string."""
    return entry.msgctxt or "", entry.msgid, entry.msgid_plural or ""


def extract() -> polib.POFile:
    """Every translatable string, as gettext reads it.

    Django's command writes helper files beside the templates, so it works on a copy.
    """
    with tempfile.TemporaryDirectory(prefix="sapwood-messages-") as scratch:
        work = Path(scratch)
        for path in SOURCE.rglob("*"):
            inside = path.relative_to(SOURCE)
            if path.suffix in SUFFIXES and not set(LEFT_OUT) & set(inside.parts):
                (work / inside).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, work / inside)
        (work / "locale").mkdir()
        options = ["makemessages", "--locale=en", "--keep-pot", "--add-location=file"]
        code = f"from tests.messages import Extraction; Extraction().run_from_argv(['', *{options}])"
        command = [sys.executable, "-c", code]
        env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        env["PYTHONPATH"] = str(SOURCE.parent.parent)
        done = subprocess.run(command, cwd=work, env=env, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        return load(work / "locale" / "django.pot")


def merge(old: polib.POFile, fresh: polib.POFile) -> polib.POFile:
    """The fresh strings in a stable order, with the translations that are there."""
    known = {key(entry): entry for entry in old}
    merged = polib.POFile(wrapwidth=WIDTH)
    merged.header = old.header
    merged.metadata = {name: value for name, value in old.metadata.items() if "Date" not in name}
    for entry in sorted(fresh, key=lambda entry: (sorted(entry.occurrences), key(entry))):
        before = known.get(key(entry))
        entry.occurrences = sorted({(file, "") for file, _line in entry.occurrences})
        if before is not None:
            entry.msgstr, entry.msgstr_plural = before.msgstr, before.msgstr_plural
            entry.tcomment = before.tcomment
        elif entry.msgid_plural:
            count = int(merged.metadata["Plural-Forms"].split("nplurals=")[1].split(";")[0])
            entry.msgstr_plural = dict.fromkeys(range(count), "")
        merged.append(entry)
    return merged


def main(arguments: list[str]) -> int:
    """Rewrite both files and say what is left to do."""
    if missing := missing_programs():
        print(f"gettext is not complete: {', '.join(missing)} not found. Next: apt-get install gettext")
        return 1
    strings, waiting = extract(), 0
    for path in catalogues():
        merged = merge(load(path), polib.pofile(str(strings), wrapwidth=WIDTH))
        text = f"{merged}\n" if not str(merged).endswith("\n") else str(merged)
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
        left = merged.untranslated_entries()
        waiting += len(left)
        print(f"{path.relative_to(LOCALE)}: {len(merged)} strings, {len(left)} wait for a translation")
        if "--missing" in arguments:
            for entry in left:
                print(f"  {entry.occurrences[0][0]}: {entry.msgid!r}")
    return 1 if waiting and "--missing" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
