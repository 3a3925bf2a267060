"""Approving exactly one text, and staging what was approved."""

import datetime as dt
import uuid

from django.db import transaction

from sapwood.commons.announcements.actions.writing import open_revision, problems_of
from sapwood.commons.announcements.documents import consent_sha256
from sapwood.commons.announcements.errors import (
    AnnouncementInvalidError,
    ConsentMissingError,
    SecondPersonError,
    WrongStateError,
)
from sapwood.commons.announcements.models import Answer, Channel, Revision, RevisionApproval, State
from sapwood.commons.announcements.people import identity
from sapwood.commons.announcements.staging import hand_over, hand_over_test
from sapwood.core import audit
from sapwood.core.data import Actor, ActorKind
from sapwood.formats.announcement import Kind
from sapwood.formats.phrase import Phrase


@transaction.atomic
def approve(announcement_uuid: uuid.UUID, *, sha256: str, actor: Actor, now: dt.datetime) -> Revision:
    """Give one's word for exactly this text. For the security channel it must be a person who did not write it."""
    revision = open_revision(announcement_uuid, sha256)
    if revision.state == State.DRAFT:
        raise WrongStateError(Phrase("The draft has not been submitted."), hint=Phrase("Submit it for approval first."))
    if needs_second_person(revision) and (
        actor.kind is not ActorKind.PERSON or identity(actor) in revision.author_keys
    ):
        raise SecondPersonError(
            Phrase("What goes to the security channel is approved by a person who did not write it."),
            hint=Phrase("Ask a colleague to approve it."),
        )
    row = audit.record(
        actor=actor,
        action="announcements.approve",
        subject=str(announcement_uuid),
        details={"revision": revision.number, "sha256": sha256},
        at=now,
    )
    RevisionApproval.objects.get_or_create(
        revision=revision,
        person_key=identity(actor),
        sha256=sha256,
        defaults={"person_ref": row.actor_ref, "approved_at": now},
    )
    revision.state, revision.approved_at = State.APPROVED, now
    revision.save(update_fields=["state", "approved_at"])
    return revision


@transaction.atomic
def stage(announcement_uuid: uuid.UUID, *, sha256: str, actor: Actor, now: dt.datetime) -> Revision:
    """Put exactly this approved text before the channel's signers. No key is touched here, and twice is once."""
    done = Revision.objects.filter(announcement__uuid=announcement_uuid, sha256=sha256, state=State.STAGED).first()
    if done is not None:
        return done
    revision = open_revision(announcement_uuid, sha256)
    problems = problems_of(revision)
    if problems:
        raise AnnouncementInvalidError(problems)
    if not is_approved(revision):
        raise WrongStateError(Phrase("This text has not been approved."), hint=Phrase("Have it approved first."))
    _demand_consent(revision)
    revision.state, revision.staged_at = State.STAGED, now
    revision.save(update_fields=["state", "staged_at"])
    audit.record(
        actor=actor,
        action="announcements.stage",
        subject=str(announcement_uuid),
        details={"revision": revision.number, "sha256": sha256, "channel": revision.channel},
        at=now,
    )
    transaction.on_commit(lambda: hand_over(revision, actor=actor, now=now))
    return revision


@transaction.atomic
def stage_for_test(announcement_uuid: uuid.UUID, *, sha256: str, actor: Actor, now: dt.datetime) -> Revision:
    """Put this text, approved or not, before the test channel's signers. A case study needs its consent here too."""
    revision = open_revision(announcement_uuid, sha256)
    problems = problems_of(revision)
    if problems:
        raise AnnouncementInvalidError(problems)
    _demand_consent(revision)
    audit.record(
        actor=actor,
        action="announcements.stage_for_test",
        subject=str(announcement_uuid),
        details={"revision": revision.number, "sha256": sha256},
        at=now,
    )
    transaction.on_commit(lambda: hand_over_test(bytes(revision.raw), revision.channel, actor=actor, now=now))
    return revision


def needs_second_person(revision: Revision) -> bool:
    """Whether author and approver must be two people."""
    return bool(revision.channel == Channel.SECURITY)


def is_approved(revision: Revision) -> bool:
    """Whether the text as it stands has the approval that it needs; one for another text counts for nothing."""
    words = revision.approvals.filter(sha256=revision.sha256)
    if revision.state != State.APPROVED:
        return False
    if needs_second_person(revision):
        words = words.exclude(person_key__in=revision.author_keys)
    return words.exists()


def has_consent(revision: Revision) -> bool:
    """Whether the organisation that a case study describes has agreed to exactly this text; true for all else."""
    if revision.kind != Kind.CASE_STUDY.value:
        return True
    return revision.announcement.consents.filter(
        text_sha256=consent_sha256(revision.raw), organisation=revision.organisation, answer=Answer.AGREED
    ).exists()


def _demand_consent(revision: Revision) -> None:
    if not has_consent(revision):
        raise ConsentMissingError(
            Phrase("%(organisation)s has not agreed to exactly this text.", organisation=revision.organisation),
            hint=Phrase("Ask for its consent first."),
        )
