"""Importing: items of feeds and blogs become drafts; those of one trusted feed go on to the signers by rule."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from django.db import transaction
from django.utils.text import slugify

from sapwood.commons.announcements.actions.approving import approve, stage
from sapwood.commons.announcements.actions.writing import save_draft, submit
from sapwood.commons.announcements.documents import read_document
from sapwood.commons.announcements.errors import TrustError
from sapwood.commons.announcements.files.fields import is_locale
from sapwood.commons.announcements.models import Channel, ImportedEntry, Revision, Source, State
from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError, SapwoodError
from sapwood.core.feeds import Feed, FeedEntry, KnownEntry, Sighting, recognise
from sapwood.core.markup import check_url, clean_text
from sapwood.formats.canonical import JSON, sha256_hex
from sapwood.formats.phrase import Phrase, recorded

TITLE_CHARS: Final = 200
SLUG_CHARS: Final = 60
SOURCE_SAYS: Final = frozenset({"title", "summary", "body"})


@transaction.atomic
def add_source(source: Source, *, actor: Actor, now: dt.datetime) -> Source:
    """Add a feed or blog to read. Only one may be trusted, and never for the security channel."""
    report = check_url(source.url)
    if not report.ok and not source.allow_private:
        raise ConflictError(
            Phrase("The address is not usable: %(why)s.", why=report.why), hint=Phrase("Give an https address.")
        )
    if source.trusted and source.channel == Channel.SECURITY:
        raise TrustError(
            Phrase("Nothing goes to the security channel by rule."), hint=Phrase("Leave out the trust, or the channel.")
        )
    if source.trusted and Source.objects.filter(trusted=True).exists():
        raise TrustError(Phrase("Another source is trusted already."), hint=Phrase("Remove it first: one is the most."))
    if Source.objects.filter(name=source.name).exists():
        raise ConflictError(
            Phrase("There is a source called %(name)s.", name=repr(source.name)), hint=Phrase("Choose another name.")
        )
    if source.channel not in Channel.values or not is_locale(source.locale):
        raise ConflictError(
            Phrase("The channel or the language is not known."), hint=Phrase("See 'sapwood announce sources --help'.")
        )
    source.save(force_insert=True)
    details: dict[str, JSON] = {"name": source.name, "channel": source.channel, "trusted": source.trusted}
    audit.record(actor=actor, action="announcements.add_source", subject=str(source.uuid), details=details, at=now)
    return source


@transaction.atomic
def remove_source(source: Source, *, actor: Actor, now: dt.datetime) -> None:
    """Stop reading a source; what was imported from it stays."""
    audit.record(
        actor=actor,
        action="announcements.remove_source",
        subject=str(source.uuid),
        details={"name": source.name},
        at=now,
    )
    source.delete()


@transaction.atomic
def pause_source(source: Source, *, paused: bool, actor: Actor, now: dt.datetime) -> Source:
    """Leave a source unread for a while, or read it again."""
    source.paused = paused
    source.save(update_fields=["paused"])
    details: dict[str, JSON] = {"name": source.name, "paused": paused}
    audit.record(actor=actor, action="announcements.pause_source", subject=str(source.uuid), details=details, at=now)
    return source


def take_in(
    source: Source, feed: Feed, *, actor: Actor, now: dt.datetime, straight: int = 0
) -> tuple[dict[str, int], dict[str, list[JSON]]]:
    """Turn what is new or edited into drafts, each on its own: a bad one costs only itself.

    At most `straight` of them go to the signers by rule. Gives what became of how many, and what is wrong.
    """
    counts = dict.fromkeys([*(sighting.value for sighting in Sighting), "staged", "conflicts"], 0)
    refused: list[JSON] = [{"title": item.title, "why": item.why} for item in feed.refused]
    for entry in feed.entries:
        try:
            # In one transaction with its way to the signers: the next poll would take a draft left here for known.
            with transaction.atomic():
                row, sighting = _take_entry(source, entry, actor=actor, now=now)
                counts[sighting.value] += 1
                counts["conflicts"] += row.conflict
                if counts["staged"] < straight and sighting is not Sighting.SAME:
                    counts["staged"] += _go_straight(source, row, now=now)
        except SapwoodError as error:
            refused.append({"title": entry.title, "why": error.message})
    return counts, {"refused": refused, "problems": list(feed.problems)}


def _take_entry(source: Source, entry: FeedEntry, *, actor: Actor, now: dt.datetime) -> tuple[ImportedEntry, Sighting]:
    sighting, known = recognise(entry, _candidates(source, entry))
    row = _row_of(source, known) if known is not None else None
    if sighting is Sighting.REUSED:
        note = Phrase("Its identifier was used before for something else; this one was given its own.")
        entry = replace(entry, guid=f"{entry.guid[:500]}#{entry.fingerprint[:16]}", problems=(*entry.problems, note))
        row = _row_of(source, entry)  # on the next poll it is the same again
        if row is not None:
            sighting = Sighting.SAME if row.fingerprint == entry.fingerprint else Sighting.EDITED
    if row is not None and sighting is Sighting.SAME:
        row.seen_at = now
        row.save(update_fields=["seen_at"])
        return row, sighting
    if row is not None and sighting is Sighting.MOVED:
        note = Phrase("It moved: it was known as %(guid)s.", guid=row.guid[:200])
        row.guid, row.guid_sha256 = entry.guid, sha256_hex(entry.guid.encode())
        row.url, row.seen_at, row.problems = entry.url, now, [*row.problems, recorded(note)][-20:]
        row.save()
        return row, sighting
    row = row or ImportedEntry(source=source, guid=entry.guid, guid_sha256=sha256_hex(entry.guid.encode()))
    _write(source, row, entry, actor=actor, now=now)
    return row, sighting


def _write(source: Source, row: ImportedEntry, entry: FeedEntry, *, actor: Actor, now: dt.datetime) -> None:
    row.url, row.title, row.fingerprint = entry.url, entry.title[:300], entry.fingerprint
    row.published_at, row.seen_at, row.problems = entry.published_at, now, recorded(entry.problems)
    row.locale, text = entry.language if is_locale(entry.language) else source.locale, words_of(entry)
    newest = newest_of(row)
    if newest is not None and newest.sha256 != row.written_sha256:
        # Somebody here has been at work. What is as the importer wrote it last leaves nothing to decide.
        row.conflict = text != row.base
        row.theirs = text if row.conflict else {}
        row.save()
        return
    document = _document(source, row, entry, newest)
    slug = row.announcement.slug if row.announcement else _slug(source, entry)
    revision = save_draft(document, slug=slug, actor=actor, now=now)
    row.announcement, row.written_sha256 = revision.announcement, revision.sha256
    row.base, row.theirs, row.conflict = text, {}, False
    row.save()
    audit.record(
        actor=actor,
        action="announcements.import",
        subject=str(revision.announcement.uuid),
        details={"source": source.name, "guid": row.guid[:300], "revision": revision.number},
        at=now,
    )


def _document(source: Source, row: ImportedEntry, entry: FeedEntry, newest: Revision | None) -> dict[str, JSON]:
    """A draft from an entry; on an edit only the words change, the rest stays as it is."""
    text = words_of(entry)
    if newest is not None:
        return with_words(read_document(newest.raw), row.locale, text)
    document = {
        "type": "announcement",
        "version": 1,
        "uuid": str(row.announcement.uuid if row.announcement else uuid.uuid5(source.uuid, row.guid)),
        "channel": source.channel,
        "kind": "news",
        "severity": "none",
        "audience": source.audience,
        "texts": {row.locale: text},
    }
    if entry.url:
        document["links"] = [{"kind": "original", "url": entry.url, "title": text["title"]}]
    return document


def words_of(entry: FeedEntry) -> dict[str, JSON]:
    """The words of an entry as a document carries them."""
    text: dict[str, JSON] = {"title": clean_text(entry.title, TITLE_CHARS), "body": entry.body_markdown}
    return text | ({"summary": entry.summary} if entry.summary else {})


def with_words(document: dict[str, JSON], locale: str, text: dict[str, JSON]) -> dict[str, JSON]:
    """The document with the source's words in one language; what a source cannot say stays."""
    texts: dict[str, dict[str, JSON]] = document["texts"]
    kept = {name: value for name, value in texts.get(locale, {}).items() if name not in SOURCE_SAYS}
    return {**document, "texts": {**texts, locale: {**kept, **text}}}


def _go_straight(source: Source, row: ImportedEntry, *, now: dt.datetime) -> bool:
    """By the rule of the trusted source: submit, approve and stage, unless anything is doubtful."""
    newest = newest_of(row)
    if newest is None or row.problems or row.conflict or newest.state != State.DRAFT:
        return False
    if newest.channel == Channel.SECURITY or newest.kind != "news":
        return False
    rule = Actor.system(f"rule: trust {source.name}"[:200])
    key, sha256 = newest.announcement.uuid, newest.sha256
    try:
        with transaction.atomic():
            submit(key, sha256=sha256, actor=rule, now=now)
            approve(key, sha256=sha256, actor=rule, now=now)
            stage(key, sha256=sha256, actor=rule, now=now)
    except SapwoodError as error:
        row.problems = [*row.problems, recorded(error.message)]
        row.save(update_fields=["problems"])
        return False
    return True


def newest_of(row: ImportedEntry) -> Revision | None:
    """The newest text of what an entry became."""
    rows = Revision.objects.select_related("announcement").filter(announcement=row.announcement_id)
    return rows.order_by("-number").first() if row.announcement_id else None


def _slug(source: Source, entry: FeedEntry) -> str:
    words = slugify(entry.title)[:SLUG_CHARS].strip("-_").replace("_", "-")
    tail = sha256_hex(f"{source.uuid}\n{entry.guid}".encode())[:8]
    return f"{words}-{tail}" if words else f"import-{tail}"


def _candidates(source: Source, entry: FeedEntry) -> list[KnownEntry]:
    """What an entry could be: known ones of this source with its identifier or with its words."""
    rows: Sequence[ImportedEntry] = [
        *source.entries.filter(guid_sha256=sha256_hex(entry.guid.encode())),
        *source.entries.filter(fingerprint=entry.fingerprint)[:50],
    ]
    return [KnownEntry(r.guid, r.url, r.title, r.fingerprint, r.published_at, r.seen_at) for r in rows]


def _row_of(source: Source, known: KnownEntry | FeedEntry) -> ImportedEntry | None:
    return source.entries.filter(guid_sha256=sha256_hex(known.guid.encode())).first()
