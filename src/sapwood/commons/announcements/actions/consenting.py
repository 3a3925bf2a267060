"""Asking an organisation whether exactly this text about it may go out, and taking its answer."""

import datetime as dt
import uuid
from typing import Final

from django.core.signing import BadSignature, Signer
from django.db import transaction

from sapwood.commons.announcements.actions.writing import open_revision
from sapwood.commons.announcements.documents import consent_sha256
from sapwood.commons.announcements.errors import ConsentLinkError, WrongStateError
from sapwood.commons.announcements.models import Answer, CaseStudyConsent, Revision, State
from sapwood.core import audit, jobs
from sapwood.core.data import JSON, Actor, ActorKind
from sapwood.formats.announcement import Kind
from sapwood.formats.phrase import Phrase

VALID_FOR: Final = dt.timedelta(days=30)
# Whoever asks again so soon has pressed the button twice: one mail is enough.
ASKED_JUST_NOW: Final = dt.timedelta(minutes=2)
MAIL_JOB: Final = "announcements.ask_consent"
_SIGNER: Final = Signer(salt="sapwood.announcements.consent")


@transaction.atomic
def ask_consent(
    announcement_uuid: uuid.UUID, *, sha256: str, email: str, actor: Actor, now: dt.datetime
) -> CaseStudyConsent:
    """Send the organisation a link to exactly this text. The link goes to its mailbox only, never to a screen here."""
    revision = open_revision(announcement_uuid, sha256)
    if revision.kind != Kind.CASE_STUDY.value:
        raise WrongStateError(Phrase("Only a case study needs an organisation's consent."))
    if revision.state == State.DRAFT:
        raise WrongStateError(
            Phrase("The draft has not been submitted."), hint=Phrase("Submit it, so that it does not change any more.")
        )
    text_sha256 = consent_sha256(revision.raw)
    asked = revision.announcement.consents.filter(
        email=email, text_sha256=text_sha256, answer=Answer.WAITING, asked_at__gt=now - ASKED_JUST_NOW
    ).first()
    if asked is not None:
        return asked
    row = CaseStudyConsent.objects.create(
        announcement=revision.announcement,
        organisation=revision.organisation,
        email=email,
        text_sha256=text_sha256,
        raw=bytes(revision.raw),
        asked_at=now,
        expires_at=now + VALID_FOR,
    )
    audit.record(
        actor=actor,
        action="announcements.ask_consent",
        subject=str(announcement_uuid),
        details={"organisation": row.organisation, "text_sha256": row.text_sha256, "consent": str(row.uuid)},
        at=now,
    )
    jobs.enqueue(MAIL_JOB, {"consent": str(row.uuid)}, now=now, key=str(row.uuid))
    return row


def consent_token(row: CaseStudyConsent) -> str:
    """The secret part of the link; worked out when needed, kept nowhere."""
    return _SIGNER.sign(str(row.uuid))


def consent_for(token: str, *, now: dt.datetime) -> CaseStudyConsent:
    """The question behind a link that can still be answered; raises ConsentLinkError."""
    try:
        key = uuid.UUID(_SIGNER.unsign(token))
    except (BadSignature, ValueError):
        raise ConsentLinkError(
            Phrase("This link is not one of ours."), hint=Phrase("Copy the whole link from the mail.")
        ) from None
    row = CaseStudyConsent.objects.select_related("announcement").filter(uuid=key).first()
    if row is None or row.answer != Answer.WAITING:
        raise ConsentLinkError(Phrase("This link was used already."), hint=Phrase("Ask whoever sent it for a new one."))
    if row.expires_at <= now:
        raise ConsentLinkError(Phrase("This link is too old."), hint=Phrase("Ask whoever sent it for a new one."))
    if not _is_present_text(row):
        raise ConsentLinkError(
            Phrase("The text was changed after this link was sent."), hint=Phrase("A new link will follow.")
        )
    return row


@transaction.atomic
def answer_consent(
    token: str, *, agreed: bool, text_sha256: str, name: str, comment: str, now: dt.datetime
) -> CaseStudyConsent:
    """The organisation's one answer to exactly the text that it read."""
    row = consent_for(token, now=now)
    locked = CaseStudyConsent.objects.select_for_update().filter(
        pk=row.pk, answer=Answer.WAITING, text_sha256=text_sha256
    )
    answer = Answer.AGREED if agreed else Answer.REFUSED
    if not locked.update(answer=answer, answered_at=now, answered_by=name[:200], comment=comment[:5000]):
        raise ConsentLinkError(Phrase("This link was used already."), hint=Phrase("Ask whoever sent it for a new one."))
    audit.record(
        actor=Actor(ActorKind.PERSON, f"consent:{row.uuid}", row.organisation),
        action="announcements.consent_agreed" if agreed else "announcements.consent_refused",
        subject=str(row.announcement.uuid),
        details={"text_sha256": row.text_sha256, "consent": str(row.uuid)},
        at=now,
    )
    row.refresh_from_db()
    return row


def export_consents(address: str) -> list[dict[str, JSON]]:
    """What was asked of this address, and what it answered."""
    return [
        {
            "announcement": str(row.announcement.uuid),
            "organisation": row.organisation,
            "email": row.email,
            "asked_at": row.asked_at.isoformat(),
            "answer": row.answer.lower(),
            "answered_at": row.answered_at.isoformat() if row.answered_at else None,
            "answered_by": row.answered_by,
            "comment": row.comment,
        }
        for row in CaseStudyConsent.objects.filter(email__iexact=address.strip()).select_related("announcement")
    ]


@transaction.atomic
def erase_consents(address: str, now: dt.datetime) -> bool:
    """Forget who was asked and who answered; that the organisation agreed, and to what, stays. True if it was known.

    A question that nobody answered yet ends.
    """
    rows = list(CaseStudyConsent.objects.select_for_update().filter(email__iexact=address.strip()))
    for row in rows:
        row.email, row.answered_by, row.comment = "", "", ""
        row.expires_at = min(row.expires_at, now)
        row.save(update_fields=["email", "answered_by", "comment", "expires_at"])
        audit.record(
            actor=Actor.system("accounts.erase"),
            action="announcements.erase_consent",
            subject=str(row.announcement.uuid),
            details={"consent": str(row.uuid)},
            at=now,
        )
    return bool(rows)


def _is_present_text(row: CaseStudyConsent) -> bool:
    newest = Revision.objects.filter(announcement=row.announcement).order_by("-number").first()
    return newest is not None and (
        newest.organisation == row.organisation and consent_sha256(newest.raw) == row.text_sha256
    )
