"""Publishing a folder of files: each announcement is validated, approved and staged on its own."""

import datetime as dt
import uuid
from pathlib import Path

from django.db import transaction

from sapwood.commons.announcements.actions.approving import (
    approve,
    has_consent,
    is_approved,
    needs_second_person,
    stage,
)
from sapwood.commons.announcements.actions.translating import stale_locales
from sapwood.commons.announcements.actions.writing import save_draft, submit
from sapwood.commons.announcements.data import AnnouncementFile, FolderLine, FolderReport, Outcome, Problem
from sapwood.commons.announcements.documents import read_document
from sapwood.commons.announcements.files.folder import read_folder
from sapwood.commons.announcements.models import Announcement, Relation, Revision, State
from sapwood.commons.announcements.queries import live_budgets, newest
from sapwood.core.data import Actor
from sapwood.core.errors import SapwoodError
from sapwood.formats.phrase import Phrase


def publish_folder(
    folder: Path,
    *,
    actor: Actor,
    now: dt.datetime,
    second: Actor | None = None,
    dry_run: bool = False,
) -> FolderReport:
    """Validate every file of `folder`, then approve and stage what is new; unchanged files become no revision.

    A bad file is reported with its line and holds up no other. What goes to the security channel waits for a second
    person; `second` is one who has read these very files. A dry run does the same and takes it all back.
    """
    with transaction.atomic():
        items = read_folder(folder, _known)
        problems = [problem for item in items for problem in item.problems]
        lines: list[FolderLine] = []
        for item in items:
            line, problem = _publish(item, actor=actor, second=second, now=now)
            lines.append(line)
            problems += [problem] if problem else []
        warnings = [warning for item in items for warning in item.warnings]
        warnings += stale_warnings(lines)
        warnings += channel_warnings(lines)
        warnings += budget_warnings(now)
        if dry_run:
            transaction.set_rollback(True)
    return FolderReport(tuple(lines), tuple(problems), tuple(warnings), dry_run)


def budget_warnings(now: dt.datetime) -> list[Problem]:
    """One warning for each audience that has more to read than it will."""
    return [
        Problem(
            Phrase(
                "%(audience)s would have %(live)s live items, %(limit)s is the budget.",
                audience=budget.audience.capitalize(),
                live=budget.live,
                limit=budget.limit,
            ),
            Phrase("Let some expire, or retract what nobody needs."),
        )
        for budget in live_budgets(now)
        if budget.over
    ]


def stale_warnings(lines: list[FolderLine]) -> list[Problem]:
    """One warning for each translation that was made from older words."""
    keys = [line.uuid for line in lines if line.uuid is not None]
    found = []
    for revision in newest(*State.values).filter(announcement__uuid__in=keys).order_by("announcement__slug"):
        for locale, made_from in sorted(stale_locales(revision).items()):
            message = Phrase("This translates revision %(made_from)s; the text has changed since.", made_from=made_from)
            hint = Phrase("Look it over, then set of_revision: %(revision)s.", revision=revision.number)
            found.append(Problem(message, hint, f"{revision.announcement.slug}.{locale}.md", 1))
    return found


def channel_warnings(lines: list[FolderLine]) -> list[Problem]:
    """One warning for each announcement that means to replace one of another channel, which has no effect."""
    keys = [line.uuid for line in lines if line.uuid is not None]
    rows = newest(*State.values).prefetch_related("references")
    found = []
    for revision in rows.filter(announcement__uuid__in=keys, references__relation=Relation.SUPERSEDES).distinct():
        targets = [
            reference.target for reference in revision.references.all() if reference.relation == Relation.SUPERSEDES
        ]
        for other in newest(*State.values).filter(announcement__uuid__in=targets).exclude(channel=revision.channel):
            message = Phrase(
                "It cannot replace %(slug)s, which is in the channel %(channel)s.",
                slug=other.announcement.slug,
                channel=other.channel,
            )
            found.append(Problem(message, Phrase("Retract that one instead."), f"{revision.announcement.slug}.md", 1))
    return found


def _known(slug: str) -> uuid.UUID | None:
    return Announcement.objects.filter(slug=slug).values_list("uuid", flat=True).first()


def _publish(
    item: AnnouncementFile, *, actor: Actor, second: Actor | None, now: dt.datetime
) -> tuple[FolderLine, Problem | None]:
    if item.problems:
        return FolderLine(item.slug, Outcome.INVALID), None
    try:
        with transaction.atomic():
            return _take(item, actor=actor, second=second, now=now), None
    except SapwoodError as error:
        return FolderLine(item.slug, Outcome.INVALID), _refusal(error, item)


def _refusal(error: SapwoodError, item: AnnouncementFile) -> Problem:
    return Problem(Phrase.verbatim(error.message), Phrase.verbatim(error.hint), f"{item.slug}.md", 1)


def _take(item: AnnouncementFile, *, actor: Actor, second: Actor | None, now: dt.datetime) -> FolderLine:
    left = _already_staged(item)
    if left is not None:
        return _line(item, left, Outcome.UNCHANGED)
    revision = save_draft(item.document, slug=item.slug, actor=actor, now=now, organisation=item.organisation)
    key, sha256 = revision.announcement.uuid, revision.sha256
    revision = submit(key, sha256=sha256, actor=actor, now=now)
    if not is_approved(revision):
        if needs_second_person(revision) and second is None:
            return _line(item, revision, Outcome.NEEDS_SECOND_PERSON)
        revision = approve(
            key, sha256=sha256, actor=(second if second and needs_second_person(revision) else actor), now=now
        )
    if not has_consent(revision):
        return _line(item, revision, Outcome.NEEDS_CONSENT)
    return _line(item, stage(key, sha256=sha256, actor=actor, now=now), Outcome.STAGED)


def _already_staged(item: AnnouncementFile) -> Revision | None:
    """The newest revision, if it has left the house and says exactly what the file says."""
    newest = (
        Revision.objects.select_related("announcement")
        .filter(announcement__uuid=str(item.document["uuid"]), announcement__slug=item.slug)
        .order_by("-number")
        .first()
    )
    if newest is None or newest.state not in {State.STAGED, State.PUBLISHED, State.RETRACTED}:
        return None
    same = read_document(newest.raw) == item.document and newest.organisation == item.organisation
    return newest if same else None


def _line(item: AnnouncementFile, revision: Revision, outcome: Outcome) -> FolderLine:
    return FolderLine(
        slug=item.slug,
        outcome=outcome,
        uuid=revision.announcement.uuid,
        revision=revision.number,
        title=revision.title,
        alert=revision.alert,
    )
