"""The source of an import changed what somebody here had edited: a person says whose words stand."""

import datetime as dt
import uuid

from django.db import transaction

from sapwood.commons.announcements.actions.importing import newest_of, with_words
from sapwood.commons.announcements.actions.writing import save_draft
from sapwood.commons.announcements.documents import read_document
from sapwood.commons.announcements.errors import ChangedError, WrongStateError
from sapwood.commons.announcements.models import ImportedEntry, Revision
from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.formats.phrase import Phrase


@transaction.atomic
def take_theirs(announcement_uuid: uuid.UUID, *, sha256: str, seen: str, actor: Actor, now: dt.datetime) -> Revision:
    """Put the source's words into the draft. `sha256` is the text, `seen` the source's words that the person saw.

    Other languages, the audience and all that a source cannot say stay; any approval of the old text is void.
    """
    row = _undecided(announcement_uuid, seen)
    newest = newest_of(row)
    if newest is None or not row.theirs:
        raise WrongStateError(
            Phrase("There is no text to put it into."), hint=Phrase("Wait for the next reading of the source.")
        )
    revision = save_draft(
        with_words(read_document(newest.raw), row.locale, row.theirs),
        slug=newest.announcement.slug,
        actor=actor,
        now=now,
        organisation=newest.organisation,
        seen_sha256=sha256,
    )
    row.written_sha256 = revision.sha256
    _settle(row, "announcements.take_theirs", revision, actor=actor, now=now)
    return revision


@transaction.atomic
def keep_ours(announcement_uuid: uuid.UUID, *, seen: str, actor: Actor, now: dt.datetime) -> None:
    """Leave the draft as it is; the source's next change is asked about again."""
    row = _undecided(announcement_uuid, seen)
    _settle(row, "announcements.keep_ours", newest_of(row), actor=actor, now=now)


def _undecided(announcement_uuid: uuid.UUID, seen: str) -> ImportedEntry:
    rows = ImportedEntry.objects.select_for_update().select_related("announcement", "source")
    row = rows.filter(announcement__uuid=announcement_uuid, conflict=True).order_by("pk").first()
    if row is None:
        raise WrongStateError(
            Phrase("Nothing is to be decided here."), hint=Phrase("Somebody else may have decided it.")
        )
    if row.fingerprint != seen:
        raise ChangedError(
            Phrase("The source changed again since you looked at it."), hint=Phrase("Look at its new words first.")
        )
    return row


def _settle(row: ImportedEntry, action: str, revision: Revision | None, *, actor: Actor, now: dt.datetime) -> None:
    row.base, row.theirs, row.conflict = row.theirs, {}, False
    row.save()
    audit.record(
        actor=actor,
        action=action,
        subject=str(row.announcement.uuid) if row.announcement else str(row.source.uuid),
        details={
            "source": row.source.name,
            "revision": revision.number if revision else None,
            "fingerprint": row.fingerprint,
        },
        at=now,
    )
