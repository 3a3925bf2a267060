"""Writing: drafts, their edits, and handing them over for approval."""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping

from django.db import transaction

from sapwood.commons.announcements.checks import check_document
from sapwood.commons.announcements.data import Problem
from sapwood.commons.announcements.documents import (
    document_bytes,
    only_translations_changed,
    read_announcement,
    read_document,
)
from sapwood.commons.announcements.errors import (
    AnnouncementInvalidError,
    AnnouncementNotFoundError,
    ChangedError,
    WrongStateError,
)
from sapwood.commons.announcements.files.folder import MAX_SLUG_CHARS, SLUG
from sapwood.commons.announcements.models import OPEN_STATES, Announcement, Reference, Relation, Revision, State
from sapwood.commons.announcements.people import identity
from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError, UsageError
from sapwood.formats.canonical import JSON, sha256_hex
from sapwood.formats.phrase import Phrase
from sapwood.formats.publication import pick_locale

_LEFT: Mapping[State, Callable[[int], Phrase]] = {
    State.STAGED: lambda number: Phrase("Revision %(number)s is staged.", number=number),
    State.PUBLISHED: lambda number: Phrase("Revision %(number)s is published.", number=number),
    State.RETRACTED: lambda number: Phrase("Revision %(number)s is retracted.", number=number),
}


@transaction.atomic
def save_draft(
    document: Mapping[str, JSON],
    *,
    slug: str,
    actor: Actor,
    now: dt.datetime,
    organisation: str = "",
    seen_sha256: str | None = None,
) -> Revision:
    """Keep this text as the announcement's open revision, or as a new one after the last that left the house.

    An edit makes the revision a draft again, so any approval of another text is void. `seen_sha256` is the text that
    the person started from; when it is not the present one, ChangedError. Saving the same text changes nothing.
    """
    announcement = _announcement_of(document, slug, now)
    current = announcement.revisions.order_by("-number").first()
    if seen_sha256 is not None and current is not None and current.sha256 != seen_sha256:
        raise ChangedError(
            Phrase("Somebody changed this text in the meantime."), hint=Phrase("Look at their text, then edit again.")
        )
    base = announcement.revisions.exclude(state__in=OPEN_STATES).order_by("-number").first()
    is_open = current is not None and current.state in OPEN_STATES
    number = current.number if current and is_open else (current.number if current else 0) + 1
    raw = _bytes(document, number, base)
    if current is not None and (
        read_document(current.raw) == read_document(raw) and current.organisation == organisation
    ):
        return current
    revision = current if current is not None and is_open else Revision(announcement=announcement, number=number)
    row = audit.record(
        actor=actor,
        action="announcements.save",
        subject=str(announcement.uuid),
        details={"revision": number, "sha256": sha256_hex(raw), "slug": announcement.slug},
        at=now,
    )
    _fill(revision, raw, organisation, now)
    revision.state, revision.submitted_at, revision.approved_at = State.DRAFT, None, None
    revision.author_keys = sorted({*revision.author_keys, identity(actor)})
    revision.author_refs = [*(ref for ref in revision.author_refs if ref != row.actor_ref), row.actor_ref]
    revision.save()
    _write_references(revision)
    return revision


@transaction.atomic
def submit(announcement_uuid: uuid.UUID, *, sha256: str, actor: Actor, now: dt.datetime) -> Revision:
    """Hand exactly this text over for approval; raises AnnouncementInvalidError when it is not fit."""
    revision = open_revision(announcement_uuid, sha256)
    if revision.state != State.DRAFT:
        return revision
    problems = problems_of(revision)
    if problems:
        raise AnnouncementInvalidError(problems)
    revision.state, revision.submitted_at = State.IN_REVIEW, now
    revision.save(update_fields=["state", "submitted_at"])
    _record("announcements.submit", revision, actor, now)
    return revision


@transaction.atomic
def send_back(announcement_uuid: uuid.UUID, *, sha256: str, reason: str, actor: Actor, now: dt.datetime) -> Revision:
    """Make it a draft again, with a word to its author."""
    revision = open_revision(announcement_uuid, sha256)
    if revision.state == State.DRAFT:
        return revision
    revision.state, revision.submitted_at, revision.approved_at = State.DRAFT, None, None
    revision.save(update_fields=["state", "submitted_at", "approved_at"])
    _record("announcements.send_back", revision, actor, now, reason=reason[:500])
    return revision


@transaction.atomic
def discard_draft(announcement_uuid: uuid.UUID, *, sha256: str, actor: Actor, now: dt.datetime) -> None:
    """Throw the open revision away; what was staged or published before it stays."""
    revision = open_revision(announcement_uuid, sha256)
    _record("announcements.discard", revision, actor, now)
    revision.delete()


def open_revision(announcement_uuid: uuid.UUID, sha256: str) -> Revision:
    """The open revision, locked, if it still has the text that the person looked at."""
    found = (
        Revision.objects.select_for_update()
        .select_related("announcement")
        .filter(announcement__uuid=announcement_uuid)
        .order_by("-number")
        .first()
    )
    if found is None:
        raise AnnouncementNotFoundError(Phrase("There is no announcement %(name)s.", name=announcement_uuid))
    if found.state not in OPEN_STATES:
        raise WrongStateError(_LEFT[State(found.state)](found.number), hint=Phrase("Edit it to start a new one."))
    if found.sha256 != sha256:
        raise ChangedError(
            Phrase("The text changed since you looked at it."), hint=Phrase("Look at the new text, then decide.")
        )
    return found


def problems_of(revision: Revision) -> tuple[Problem, ...]:
    """What keeps a revision from being published."""
    return check_document(read_document(revision.raw), organisation=revision.organisation).problems


def _announcement_of(document: Mapping[str, JSON], slug: str, now: dt.datetime) -> Announcement:
    key = uuid.UUID(str(document["uuid"]))
    known = Announcement.objects.select_for_update().filter(uuid=key).first()
    if known is None:
        if not SLUG.fullmatch(slug) or len(slug) > MAX_SLUG_CHARS:
            raise UsageError(
                Phrase("%(slug)s is not a slug.", slug=repr(slug)),
                hint=Phrase("Use lower case letters, digits and hyphens."),
            )
        if Announcement.objects.filter(slug=slug).exists():
            raise ConflictError(
                Phrase("Another announcement is called %(slug)s.", slug=repr(slug)), hint=Phrase("Choose another slug.")
            )
        return Announcement.objects.create(uuid=key, slug=slug, created_at=now)
    if known.slug != slug:
        raise ConflictError(
            Phrase("%(key)s is already known as %(slug)s.", key=key, slug=repr(known.slug)),
            hint=Phrase("Keep the file's name, or give it a fresh uuid."),
        )
    return known


def _bytes(document: Mapping[str, JSON], number: int, base: Revision | None) -> bytes:
    raw = document_bytes(document, revision=number)
    if base is not None and only_translations_changed(bytes(base.raw), raw):
        return document_bytes(document, revision=number, alert=False)
    return raw


def _fill(revision: Revision, raw: bytes, organisation: str, now: dt.datetime) -> None:
    item = read_announcement(raw)
    locale = pick_locale(item.texts, "en") or "en"
    revision.raw, revision.sha256 = raw, sha256_hex(raw)
    revision.alert = item.alert
    revision.title = item.texts[locale].title[:300]
    revision.kind, revision.channel = item.kind.value, item.channel
    revision.severity, revision.audience = item.severity.value, item.audience.value
    revision.locales = sorted(item.texts)
    revision.publish_at, revision.expires_at = item.publish_at, item.expires_at
    revision.condition = read_document(raw).get("condition")
    revision.organisation, revision.updated_at = organisation, now


def _write_references(revision: Revision) -> None:
    item = read_announcement(revision.raw)
    revision.references.all().delete()
    rows = [(Relation.SUPERSEDES, target) for target in item.supersedes]
    rows += [(Relation.CLOSES, target) for target in item.closes]
    Reference.objects.bulk_create(
        [Reference(revision=revision, relation=relation, target=target) for relation, target in dict.fromkeys(rows)]
    )


def _record(action: str, revision: Revision, actor: Actor, now: dt.datetime, **details: JSON) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=str(revision.announcement.uuid),
        details={"revision": revision.number, "sha256": revision.sha256, **details},
        at=now,
    )
