"""Translations as gettext files, for the tools that translators use: out with every block in its context, and back.

A block's context is `<uuid>:<revision>:<block>`. A block whose original changed since it was translated goes out as
fuzzy. What comes back is a stranger's file: it must fit the original block by block and add no link of its own.
"""

import re
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import polib

from sapwood.commons.announcements.documents import read_document
from sapwood.commons.announcements.errors import TranslationFileError
from sapwood.commons.announcements.files.fields import is_locale
from sapwood.commons.announcements.models import Revision
from sapwood.formats.canonical import JSON
from sapwood.formats.phrase import Figure, Phrase

MAX_BYTES: Final = 2_000_000
MAX_ENTRIES: Final = 2_000
LINES: Final = ("title", "summary", "question", "seeks")
_BLANK: Final = re.compile(r"\n[ \t]*\n+")
_ADDRESS: Final = re.compile(
    r"(?:https?|mailto|javascript|data|ftp|file):[^\s)>\]\"']+|\]\(\s*<?([^)\s>]+)", re.IGNORECASE
)
_PLACEHOLDER: Final = re.compile(r"\{\{[^{}]*\}\}")
_CONTEXT: Final = re.compile(r"([0-9a-f-]{36}):([0-9]{1,9}):([a-z]+(?:\.[0-9]{1,4})?)", re.ASCII)

Blocks = dict[str, str]


def source_blocks(document: Mapping[str, JSON]) -> Blocks:
    """What there is to translate, block by block: the lines, then the paragraphs of the body."""
    texts: Mapping[str, Mapping[str, str]] = document["texts"]
    own = {locale: text for locale, text in texts.items() if text.get("origin", "author") == "author"}
    text = own.get("en") or next(iter(own.values()))
    feedback: Mapping[str, str] = document.get("feedback") or {}
    return _blocks({**{name: feedback.get(name, "") for name in ("question", "seeks")}, **text})


def export_po(revision: Revision, locale: str) -> str:
    """The gettext file of one language: what is translated already, what is fuzzy, what is missing."""
    if not is_locale(locale):
        raise TranslationFileError(
            Phrase("%(locale)s is not a language tag.", locale=repr(locale)), hint=Phrase("Write one such as es-419.")
        )
    document = read_document(revision.raw)
    done: Mapping[str, JSON] = document["texts"].get(locale, {})
    source, translated = source_blocks(document), _blocks(done)
    older = _older_source(revision, done.get("of_revision")) if done else source
    po = polib.POFile()
    po.metadata = {
        "Project-Id-Version": f"{revision.announcement.slug} {revision.number}",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Language": locale.replace("-", "_"),
        "X-Sapwood-Announcement": str(revision.announcement.uuid),
        "X-Sapwood-Locale": locale,
    }
    for block, original in source.items():
        entry = polib.POEntry(
            msgctxt=f"{revision.announcement.uuid}:{revision.number}:{block}",
            msgid=original,
            msgstr=translated.get(block, ""),
        )
        if entry.msgstr and older.get(block) != original:
            entry.flags.append("fuzzy")
            entry.previous_msgid = older.get(block) or ""
        po.append(entry)
    return str(po)


def read_po(raw: bytes, revision: Revision) -> tuple[str, dict[str, JSON]]:
    """The language and text that a translator's file holds; raises TranslationFileError for one that does not fit."""
    po = _parse(raw)
    locale = str(po.metadata.get("X-Sapwood-Locale") or po.metadata.get("Language", "")).replace("_", "-")
    if not is_locale(locale):
        raise TranslationFileError(
            Phrase("The file does not say its language."), hint=Phrase("Keep its header as it was exported.")
        )
    source = source_blocks(read_document(revision.raw))
    found, made_from = _translations(po, revision, source)
    missing = [block for block in source if block not in found]
    if missing:
        names = ", ".join(missing[:5])
        raise TranslationFileError(
            Phrase(
                "%(missing)s of %(source)s blocks are open or of another original: %(names)s.",
                missing=len(missing),
                source=len(source),
                names=names,
            ),
            hint=Phrase("Export the file again and translate what is open."),
        )
    text: dict[str, JSON] = {name: found[name] for name in LINES if name in found}
    body = [found[block] for block in source if block.startswith("body.")]
    if body:
        text["body"] = "\n\n".join(body)
    # Every block fits the present original, so it is a translation of this revision, whenever it was made.
    text |= {"origin": "community", "of_revision": max(made_from, revision.number)}
    if translator := " ".join(str(po.metadata.get("Last-Translator", "")).split("<")[0].split())[:200]:
        text["translator"] = translator
    return locale, text


def _parse(raw: bytes) -> polib.POFile:
    if len(raw) > MAX_BYTES:
        raise TranslationFileError(
            Phrase(
                "The file has %(size)s bytes; at most %(most)s are read.", size=Figure(len(raw)), most=Figure(MAX_BYTES)
            )
        )
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise TranslationFileError(Phrase("The file is not UTF-8."), hint=Phrase("Save it as UTF-8.")) from error
    # polib opens a file when it is given a path instead of content: never give it anything that could be one.
    if "\nmsgstr" not in text or "\0" in text:
        raise TranslationFileError(
            Phrase("This is not a gettext file."), hint=Phrase("Give the .po file that was exported.")
        )
    try:
        po = polib.pofile(text)
    except (OSError, ValueError, IndexError, AttributeError, UnicodeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise TranslationFileError(
            Phrase("The gettext file cannot be read: %(reason)s.", reason=reason), hint=Phrase("Export it again.")
        ) from error
    if len(po) > MAX_ENTRIES:
        raise TranslationFileError(Phrase("The file holds more than %(n)s entries.", n=Figure(MAX_ENTRIES)))
    return po


def _translations(po: polib.POFile, revision: Revision, source: Blocks) -> tuple[Blocks, int]:
    found: Blocks = {}
    made_from = 0
    by_text = {original: block for block, original in source.items()}
    for entry in po:
        match = _CONTEXT.fullmatch(entry.msgctxt or "")
        if match is None or UUID(match[1]) != revision.announcement.uuid:
            raise TranslationFileError(
                Phrase("An entry belongs to something else: %(context)s.", context=repr(str(entry.msgctxt)[:80])),
                hint=Phrase("Translate the exported file."),
            )
        number, block = int(match[2]), match[3]
        if number > revision.number:
            raise TranslationFileError(
                Phrase("There is no revision %(number)s.", number=number), hint=Phrase("Export the file again.")
            )
        # A paragraph may have moved: what counts is that the original is, word for word, one of today's.
        here = block if source.get(block) == entry.msgid else by_text.get(entry.msgid)
        if here is None or entry.fuzzy or not entry.msgstr.strip() or entry.obsolete:
            continue
        if found.get(here, entry.msgstr) != entry.msgstr:
            raise TranslationFileError(
                Phrase("The block %(block)s is translated twice, differently.", block=here), hint=Phrase("Keep one.")
            )
        _fits(here, entry.msgid, entry.msgstr)
        found[here] = entry.msgstr.strip()
        made_from = max(made_from, number)
    return found, made_from


def _fits(block: str, original: str, translation: str) -> None:
    """A translation says the same: no other link, no other placeholder, no new paragraphs."""
    if extra := _addresses(translation) - _addresses(original):
        raise TranslationFileError(
            Phrase(
                "The translation of %(block)s links to %(address)s, which the original does not.",
                block=block,
                address=repr(min(extra)[:80]),
            ),
            hint=Phrase("Keep the original's links."),
        )
    if set(_PLACEHOLDER.findall(translation)) != set(_PLACEHOLDER.findall(original)):
        raise TranslationFileError(
            Phrase("The placeholders of %(block)s changed.", block=block), hint=Phrase("Keep {{site_name}} as it is.")
        )
    if block in LINES and "\n" in translation.strip():
        raise TranslationFileError(
            Phrase("The translation of %(block)s has more than one line.", block=block), hint=Phrase("Write it in one.")
        )


def _addresses(text: str) -> set[str]:
    return {(match[1] or match[0]).rstrip(".,;:!?") for match in _ADDRESS.finditer(text)}


def _blocks(text: Mapping[str, JSON]) -> Blocks:
    found = {name: str(text[name]) for name in LINES if text.get(name)}
    parts = [part for part in _BLANK.split(str(text.get("body") or "")) if part.strip()]
    return found | {f"body.{number}": part.strip("\n") for number, part in enumerate(parts, start=1)}


def _older_source(revision: Revision, made_from: JSON) -> Blocks:
    if not isinstance(made_from, int):
        return {}
    older = Revision.objects.filter(announcement=revision.announcement_id, number=made_from).first()
    return source_blocks(read_document(older.raw)) if older else {}
