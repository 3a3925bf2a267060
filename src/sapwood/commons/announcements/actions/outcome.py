"""What becomes of an announcement after it left the house: it is signed and published, or taken back."""

import datetime as dt
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from django.db import models, transaction

from sapwood.commons.announcements.errors import AnnouncementNotFoundError, NothingToRetractError, SecondPersonError
from sapwood.commons.announcements.models import Announcement, Channel, Retraction, Revision, State
from sapwood.commons.announcements.people import identity
from sapwood.commons.announcements.staging import hand_over, hand_over_retraction, served, waiting
from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import SapwoodError
from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.formats.documents import parse_document
from sapwood.formats.phrase import Phrase


@dataclass(frozen=True)
class Signed:
    """A document that the channel serves."""

    uuid: uuid.UUID
    revision: int
    sha256: str
    published_at: dt.datetime


def sync_with_channel(*, actor: Actor, now: dt.datetime) -> int:
    """Note what has been signed and published since, and hand over again what a crash kept from the signers.

    The number of revisions that came out. What already waits for signatures is left alone.
    """
    revisions = list(Revision.objects.select_related("announcement").filter(state=State.STAGED))
    retractions = list(_open_retractions())
    channels = {row.channel for row in revisions} | {row.channel for row in retractions}
    if not channels:
        return 0
    found = served(channels)
    signed = [Signed(uuid.UUID(s.path.uuid), s.path.revision, s.sha256, s.published_at or now) for s in found]
    _mark_retracted(signed)
    count = mark_published(signed, actor=actor, now=now)
    known = waiting(channels) | {(str(item.uuid), item.revision) for item in signed}
    errors: list[SapwoodError] = []
    for step in _missing(revisions, retractions, known, actor, now):
        try:
            step()
        except SapwoodError as error:  # one that the channel refuses keeps no other back
            errors.append(error)
    if errors:
        raise errors[0]
    return count


def _missing(
    revisions: Iterable[Revision],
    retractions: Iterable[Retraction],
    known: set[tuple[str, int]],
    actor: Actor,
    now: dt.datetime,
) -> list[Callable[[], None]]:
    """What still has to be handed over: nobody serves it, and it does not wait for signatures."""
    steps: list[Callable[[], None]] = [
        partial(hand_over, revision, actor=actor, now=now)
        for revision in revisions
        if (str(revision.announcement.uuid), revision.number) not in known
    ]
    steps += [
        partial(hand_over_retraction, row, actor=actor, now=now)
        for row in retractions
        if (str(_retraction_uuid(row)), 1) not in known
    ]
    return steps


def _open_retractions() -> models.QuerySet[Retraction]:
    rows = Retraction.objects.select_related("announcement")
    return rows.filter(published_at=None).exclude(staged_at=None)


def _mark_retracted(signed: Iterable[Signed]) -> None:
    served_at = {(item.uuid, item.sha256): item.published_at for item in signed}
    for row in _open_retractions():
        if at := served_at.get((_retraction_uuid(row), row.sha256)):
            Retraction.objects.filter(pk=row.pk).update(published_at=at)


@transaction.atomic
def mark_published(signed: Iterable[Signed], *, actor: Actor, now: dt.datetime) -> int:
    """Note which staged revisions the channel now serves, byte for byte; the number that was new."""
    served = {(item.uuid, item.revision, item.sha256): item for item in signed}
    count = 0
    for revision in Revision.objects.select_for_update().select_related("announcement").filter(state=State.STAGED):
        item = served.get((revision.announcement.uuid, revision.number, revision.sha256))
        if item is None:
            continue
        revision.state, revision.published_at = State.PUBLISHED, item.published_at
        revision.save(update_fields=["state", "published_at"])
        audit.record(
            actor=actor,
            action="announcements.published",
            subject=str(revision.announcement.uuid),
            details={"revision": revision.number, "sha256": revision.sha256},
            at=now,
        )
        count += 1
    return count


@transaction.atomic
def retract(
    announcement_uuid: uuid.UUID, *, reason: str, actor: Actor, now: dt.datetime, urgent: bool = False
) -> Retraction:
    """Take an announcement back. In the security channel the first person asks and a second one confirms."""
    announcement = Announcement.objects.select_for_update().filter(uuid=announcement_uuid).first()
    if announcement is None:
        raise AnnouncementNotFoundError(Phrase("There is no announcement %(name)s.", name=announcement_uuid))
    rows = announcement.revisions.filter(state__in=(State.STAGED, State.PUBLISHED)).order_by("-number")
    newest = rows.first()
    row = Retraction.objects.filter(announcement=announcement).first()
    if row is not None and row.staged_at is not None:
        return row
    if newest is None:
        raise NothingToRetractError(
            Phrase("This announcement never left the house."), hint=Phrase("Discard its draft instead.")
        )
    if row is None:
        row = _ask(announcement, newest.channel, reason, actor, now, urgent=urgent)
        if newest.channel == Channel.SECURITY:
            return row
    elif row.asked_key == identity(actor):
        raise SecondPersonError(
            Phrase("Taking back what is in the security channel needs a second person."),
            hint=Phrase("Ask a colleague to confirm it."),
        )
    row.raw = _document(row)
    row.sha256, row.staged_at = sha256_hex(row.raw), now
    row.save(update_fields=["raw", "sha256", "staged_at"])
    rows.update(state=State.RETRACTED, retracted_at=now, retraction_reason=row.reason)
    _record("announcements.retract", row, actor, now)
    transaction.on_commit(lambda: hand_over_retraction(row, actor=actor, now=now))
    return row


def _ask(
    announcement: Announcement, channel: str, reason: str, actor: Actor, now: dt.datetime, *, urgent: bool
) -> Retraction:
    row = Retraction(
        announcement=announcement,
        reason=reason.strip()[:500],
        urgent=urgent or channel == Channel.SECURITY,
        asked_key=identity(actor),
        asked_at=now,
        channel=channel,
    )
    row.asked_ref = _record("announcements.ask_to_retract", row, actor, now)
    row.save()
    return row


def _document(row: Retraction) -> bytes:
    raw = canonical_bytes(
        {
            "type": "retraction",
            "version": 1,
            "uuid": str(_retraction_uuid(row)),
            "revision": 1,
            "channel": row.channel,
            "retracts": str(row.announcement.uuid),
            "reason": row.reason,
            "urgent": row.urgent,
        }
    )
    parse_document(raw)
    return raw


def _retraction_uuid(row: Retraction) -> uuid.UUID:
    """One retraction per announcement: asking twice makes the same document."""
    return uuid.uuid5(row.announcement.uuid, "retraction")


def _record(action: str, row: Retraction, actor: Actor, now: dt.datetime) -> str:
    return audit.record(
        actor=actor,
        action=action,
        subject=str(row.announcement.uuid),
        details={"reason": row.reason, "urgent": row.urgent},
        at=now,
    ).actor_ref
