"""Writes: add a report of migrations to a release, take it back, put both before the signers."""

import datetime as dt
import logging
from dataclasses import replace
from uuid import NAMESPACE_URL, UUID, uuid5

from django.db import transaction

from sapwood.accounts.api import require
from sapwood.channel import api as channel
from sapwood.commons.releases import queries
from sapwood.commons.releases.actions import CHANNEL
from sapwood.commons.releases.data import NothingChangedError, RefusedReportError
from sapwood.commons.releases.models import MigrationReportRevision
from sapwood.commons.releases.permissions import REPORT
from sapwood.core import audit
from sapwood.core.data import JSON, Actor
from sapwood.core.errors import NotFoundError, SapwoodError, UsageError
from sapwood.core.markup.text import clean_text
from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.formats.catalogue import Catalogue, find_line, find_release
from sapwood.formats.documents import document_bytes, parse_document
from sapwood.formats.errors import FormatError
from sapwood.formats.migration_report import MigrationReport
from sapwood.formats.phrase import Phrase
from sapwood.formats.retraction import Retraction

logger = logging.getLogger(__name__)
MAX_REASON = 500


@transaction.atomic
def add_report(raw: bytes, *, previous: str, release: str, actor: Actor, now: dt.datetime) -> MigrationReportRevision:
    """Publish what the migrations between two releases cost; the signers get it on commit.

    A report of the same releases on the same kinds of servers follows the one before as its next revision.
    """
    require(actor, REPORT)
    given = _read(raw)
    catalogue = queries.current_catalogue()
    lines = [_line(catalogue, name) for name in (previous, release)]
    if (given.previous or previous, given.release or release) != (previous, release):
        raise RefusedReportError(
            Phrase("The report is of %(previous)s > %(release)s", previous=given.previous, release=given.release),
            hint=Phrase("Name these releases, or give another report."),
        )
    servers = ",".join(sorted({words.split(" ")[0] for words in given.engines.values()}))
    uuid = uuid5(NAMESPACE_URL, f"sapwood:migrationreport:{catalogue.project}:{previous}:{release}:{servers}")
    named = replace(given, previous=previous, release=release, uuid=None, revision=None, channel="")
    content = sha256_hex(canonical_bytes(named.to_dict()))
    newest = MigrationReportRevision.objects.select_for_update().filter(uuid=uuid).order_by("-revision").first()
    if newest is not None and newest.withdrawn_at is None and newest.content_sha256 == content:
        raise NothingChangedError(
            Phrase("Revision %(number)s of the report says the same", number=newest.revision),
            hint=Phrase("There is nothing to publish."),
        )
    revision = newest.revision + 1 if newest else 1
    final = _final(replace(named, uuid=uuid, revision=revision, channel=CHANNEL))
    row = MigrationReportRevision(
        uuid=uuid,
        revision=revision,
        release=release,
        previous=previous,
        line=lines[1],
        previous_line=lines[0],
        raw=final,
        sha256=sha256_hex(final),
        content_sha256=content,
        added_at=now,
    )
    row.added_by = _record(row, "releases.report_added", actor, now)
    row.save(force_insert=True)
    transaction.on_commit(lambda: hand_over_reports(actor=actor, now=now), robust=True)
    return row


@transaction.atomic
def withdraw_report(uuid: UUID, *, reason: str, actor: Actor, now: dt.datetime) -> MigrationReportRevision:
    """Take a report back: pages no longer show it, and sites are told with the signers' word."""
    require(actor, REPORT)
    said = clean_text(reason, MAX_REASON)
    if not said:
        raise UsageError(Phrase("A reason is needed"), hint=Phrase("Say in a sentence why it no longer stands."))
    found = queries.report_named(uuid)
    row = MigrationReportRevision.objects.select_for_update().get(pk=found.pk)
    row.withdrawn_at, row.reason = now, said
    row.withdrawn_by = _record(row, "releases.report_withdrawn", actor, now)
    row.save(update_fields=["withdrawn_at", "withdrawn_by", "reason"])
    transaction.on_commit(lambda: hand_over_reports(actor=actor, now=now), robust=True)
    return row


def hand_over_reports(*, actor: Actor, now: dt.datetime) -> int:
    """Put before the signers what was added or withdrawn and is not there yet; doing it again changes nothing."""
    done = 0
    waiting = MigrationReportRevision.objects.order_by("pk")
    for row in waiting.filter(staged_at=None, withdrawn_at=None):
        if _stage(bytes(row.raw), actor, now):
            done += MigrationReportRevision.objects.filter(pk=row.pk, staged_at=None).update(staged_at=now)
    for row in waiting.filter(retracted_at=None).exclude(withdrawn_at=None).exclude(staged_at=None):
        if _stage(_retraction(row), actor, now):
            done += MigrationReportRevision.objects.filter(pk=row.pk, retracted_at=None).update(retracted_at=now)
    return done


def _stage(raw: bytes, actor: Actor, now: dt.datetime) -> bool:
    try:
        channel.stage(raw, channel=CHANNEL, actor=actor, now=now)
    except SapwoodError as error:
        logger.warning("a report of migrations waits for the channel: %s", error.code)
        return False
    return True


def _retraction(row: MigrationReportRevision) -> bytes:
    """The word that takes a revision back, the same bytes whenever it is asked for."""
    return document_bytes(
        Retraction(
            uuid=uuid5(row.uuid, f"withdrawn:{row.revision}"),
            revision=1,
            channel=CHANNEL,
            retracts=row.uuid,
            retracts_revision=row.revision,
            reason=row.reason,
        )
    )


def _read(raw: bytes) -> MigrationReport:
    try:
        document = parse_document(raw)
    except FormatError as error:
        raise RefusedReportError(error.message, hint=error.hint) from error
    if not isinstance(document, MigrationReport):
        raise RefusedReportError(
            Phrase("The file is no report of migrations"),
            hint=Phrase("%(command)s writes one.", command="sapwood migrations classify … --report FILE"),
        )
    return document


def _final(report: MigrationReport) -> bytes:
    try:
        return document_bytes(report)
    except FormatError as error:
        raise RefusedReportError(error.message, hint=error.hint) from error


def _line(catalogue: Catalogue, name: str) -> str:
    found = find_release(catalogue, name)
    line = found[0] if found else find_line(catalogue, name)
    if line is None:
        raise NotFoundError(
            Phrase("The catalogue holds no release named %(name)s", name=clean_text(name, 100)),
            hint=Phrase("%(command)s lists the lines.", command="sapwood catalogue show"),
        )
    return line.name


def _record(row: MigrationReportRevision, action: str, actor: Actor, now: dt.datetime) -> str:
    details: dict[str, JSON] = {
        "previous": row.previous,
        "release": row.release,
        "revision": row.revision,
        "sha256": row.sha256,
        "reason": row.reason,
    }
    return audit.record(actor=actor, action=action, subject=f"report:{row.uuid}", details=details, at=now).actor_ref
