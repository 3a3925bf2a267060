"""Writes: propose a catalogue, give it the second look, put it before the signers. `reporting` adds reports to it."""

import datetime as dt
import logging
from dataclasses import replace

from django.db import transaction

from sapwood.accounts.api import require
from sapwood.channel import api as channel
from sapwood.commons.releases import queries
from sapwood.commons.releases.data import (
    NothingChangedError,
    OutdatedProposalError,
    RefusedCatalogueError,
    SameEyesError,
)
from sapwood.commons.releases.models import CatalogueRevision, State
from sapwood.commons.releases.permissions import APPROVE, PROPOSE
from sapwood.core import audit
from sapwood.core.data import JSON, Actor
from sapwood.core.errors import NotFoundError, SapwoodError
from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.formats.catalogue import Catalogue, Weight, validate
from sapwood.formats.documents import document_bytes, parse
from sapwood.formats.phrase import Phrase, recorded

logger = logging.getLogger(__name__)
CHANNEL = "releases"


@transaction.atomic
def propose(raw: bytes, *, actor: Actor, now: dt.datetime, note: str = "") -> CatalogueRevision:
    """Keep a catalogue for a second look. Raises RefusedCatalogueError when it has an error."""
    require(actor, PROPOSE)
    given = Catalogue.from_bytes(raw)
    findings = validate(given)
    errors = [item for item in findings if item.severity is Weight.ERROR]
    if errors:
        first = Phrase.joined("", (errors[0].where, ": ", errors[0].message))
        raise RefusedCatalogueError(
            Phrase("The catalogue has %(n)s errors, the first at %(first)s", n=len(errors), first=first),
            hint=Phrase("`sapwood catalogue validate FILE` lists all."),
        )
    newest = queries.newest_approved(given.project, lock=True)
    content = content_digest(given)
    if newest is not None and newest.content_sha256 == content:
        raise NothingChangedError(
            Phrase("Revision %(number)s of the catalogue says the same", number=newest.number),
            hint=Phrase("There is nothing to publish."),
        )
    number = newest.number + 1 if newest else max(given.revision, 1)
    kept = queries.parsed(newest) if newest else given
    final = document_bytes(replace(given, uuid=kept.uuid, revision=number, channel=CHANNEL))
    row = CatalogueRevision(
        project=given.project,
        number=number,
        raw=final,
        sha256=sha256_hex(final),
        content_sha256=content,
        as_of=given.as_of,
        findings=recorded([item.as_dict() for item in findings]),
        note=note[:500],
        proposed_at=now,
    )
    details: dict[str, JSON] = {
        "project": row.project,
        "number": number,
        "sha256": row.sha256,
        "remarks": len(findings),
    }
    trace = audit.record(
        actor=actor, action="releases.proposed", subject=f"catalogue:{row.sha256[:16]}", details=details, at=now
    )
    row.proposed_by = trace.actor_ref
    row.save(force_insert=True)
    return row


@transaction.atomic
def approve(pk: int, *, sha256: str, actor: Actor, now: dt.datetime) -> CatalogueRevision:
    """Approve exactly the bytes with this hash, as somebody else than the proposer. The signers get them on commit."""
    require(actor, APPROVE)
    row = _proposal(pk, sha256)
    newest = queries.newest_approved(row.project, lock=True)
    if newest is not None and newest.number >= row.number:
        raise OutdatedProposalError(
            Phrase("Revision %(number)s was approved since this was proposed", number=newest.number),
            hint=Phrase("Propose it again on top of that."),
        )
    ref = _decide(row, State.APPROVED, actor, now)
    if ref == row.proposed_by:
        raise SameEyesError(
            Phrase("Whoever proposed a catalogue cannot approve it"),
            hint=Phrase("Ask somebody else for the second look."),
        )
    transaction.on_commit(lambda: hand_over(pk, actor=actor, now=now), robust=True)
    return row


@transaction.atomic
def refuse(pk: int, *, sha256: str, actor: Actor, now: dt.datetime) -> CatalogueRevision:
    """Turn a proposal down; the proposer may take it back this way too."""
    require(actor, PROPOSE)
    row = _proposal(pk, sha256)
    _decide(row, State.REFUSED, actor, now)
    return row


def publish_catalogue(raw: bytes, *, actor: Actor, second: Actor, now: dt.datetime) -> CatalogueRevision:
    """Propose, give the second look and put before the signers, in one go; the newest revision when nothing changed."""
    given = Catalogue.from_bytes(raw)
    newest = queries.newest_approved(given.project)
    approved = CatalogueRevision.objects.filter(project=given.project, state=State.APPROVED)
    # Content that was published before is not published over what followed it.
    if newest is None or not approved.filter(content_sha256=content_digest(given)).exists():
        with transaction.atomic():  # killed in between, no proposal is left that nobody looks at
            proposal = propose(raw, actor=actor, now=now)
            newest = approve(proposal.pk, sha256=proposal.sha256, actor=second, now=now)
    return hand_over(newest.pk, actor=second, now=now)


def hand_over(pk: int, *, actor: Actor, now: dt.datetime) -> CatalogueRevision:
    """Put an approved catalogue before the channel's signers; doing it again changes nothing."""
    row = CatalogueRevision.objects.get(pk=pk)
    if row.state != State.APPROVED:
        raise OutdatedProposalError(
            Phrase("Only an approved catalogue goes to the signers"), hint=Phrase("Approve it first.")
        )
    if row.staged_at is None:
        channel.stage(bytes(row.raw), channel=CHANNEL, actor=actor, now=now)
        CatalogueRevision.objects.filter(pk=pk, staged_at=None).update(staged_at=now)
        row.refresh_from_db()
    return row


def hand_over_waiting(*, actor: Actor, now: dt.datetime) -> int:
    """Put before the signers what was approved and never got there: after a crash, or without a channel."""
    done = 0
    for row in CatalogueRevision.objects.filter(state=State.APPROVED, staged_at=None).order_by("number"):
        try:
            hand_over(row.pk, actor=actor, now=now)
            done += 1
        except SapwoodError as error:
            logger.warning("catalogue revision %s waits for the channel: %s", row.number, error.code)
    return done


def content_digest(catalogue: Catalogue) -> str:
    """The hash of what a catalogue says, whatever revision it is."""
    data = {**replace(catalogue, revision=0, channel=CHANNEL).to_dict(), "uuid": ""}
    return sha256_hex(canonical_bytes(data))


def _proposal(pk: int, sha256: str) -> CatalogueRevision:
    row = CatalogueRevision.objects.select_for_update().filter(pk=pk).first()
    if row is None:
        raise NotFoundError(
            Phrase("There is no such proposal"), hint=Phrase("It may have been removed; look at the list.")
        )
    if row.state != State.PROPOSED or row.sha256 != sha256:
        raise OutdatedProposalError(
            Phrase("This is not the proposal that you looked at"), hint=Phrase("Look at it once more.")
        )
    parse(bytes(row.raw))
    return row


def _decide(row: CatalogueRevision, state: State, actor: Actor, now: dt.datetime) -> str:
    trace = audit.record(
        actor=actor,
        action=f"releases.{state.lower()}",
        subject=f"catalogue:{row.sha256[:16]}",
        details={"project": row.project, "number": row.number, "sha256": row.sha256},
        at=now,
    )
    row.state, row.decided_by, row.decided_at = state, trace.actor_ref, now
    row.save(update_fields=["state", "decided_by", "decided_at"])
    return trace.actor_ref
