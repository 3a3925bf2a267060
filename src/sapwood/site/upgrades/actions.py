"""Beginning an upgrade, going on with it, taking it back: under the lock, mirrored to the database, audited."""

import contextlib
import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from django.db import Error as DatabaseError
from django.db import transaction

from sapwood.accounts.api import User
from sapwood.core import audit
from sapwood.core.clock import Clock
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError, ForbiddenError, NotFoundError, SapwoodError
from sapwood.formats.certificate import Certificate
from sapwood.site.upgrades import foretold, targets
from sapwood.site.upgrades import journal as journals
from sapwood.site.upgrades.applying import (
    PAUSE,
    HalfDoneError,
    NothingToDoError,
    Run,
    Status,
    WritesLostError,
    status_of,
)
from sapwood.site.upgrades.certificate import check
from sapwood.site.upgrades.data import Stage, Subject
from sapwood.site.upgrades.drivers.base import Asked, Looked
from sapwood.site.upgrades.drivers.registry import driver_of
from sapwood.site.upgrades.engines.base import Say
from sapwood.site.upgrades.isolation import end_marked
from sapwood.site.upgrades.journal import Journal
from sapwood.site.upgrades.models import JournalLine, Override, UpgradeRun
from sapwood.site.upgrades.offers import key_of
from sapwood.site.upgrades.planning import Plan
from sapwood.site.upgrades.postponed import ledger
from sapwood.site.upgrades.preflight import Outcome, Preflight

OVERRIDE_FOR: Final = dt.timedelta(days=1)
OVER: Final = (Stage.DONE, Stage.ROLLED_BACK)


class UnfinishedError(SapwoodError):
    """An earlier upgrade of this deployment is not over."""

    code = "upgrades.unfinished"


class NotReadyError(SapwoodError):
    """A check before the upgrade failed, and nobody waived it."""

    code = "upgrades.not_ready"
    exit_code = 3


class NoLeaveError(SapwoodError):
    """An upgrade was asked for without a certificate that holds, and without an override."""

    code = "upgrades.no_leave"
    exit_code = 3


def apply(  # noqa: PLR0913 - what, on whose word, and for whom
    subject: Subject,
    *,
    work: Path,
    clock: Clock,
    actor: Actor,
    asked: Asked,
    certificate: Path | None = None,
    override: uuid.UUID | None = None,
    postpone: bool = False,
    say: Say = lambda _line: None,
) -> Status:
    """Upgrade the deployment itself. Refuses without a valid certificate for exactly this plan, or an override.

    `asked` holds the waivers: a failure that nobody waived refuses too, and what is waived or confirmed is journaled.
    `postpone` leaves the steps that only take away for a later press, where the rehearsal showed that it may.
    """
    with journals.locked(subject, work):
        before = journals.latest(subject, work, clock)
        if before is not None and status_of(before, busy=False, now=clock.now()).stage not in OVER:
            raise UnfinishedError(
                f"The upgrade of {subject.name} that began at {before.entries[0].at:%Y-%m-%d %H:%M} UTC is not over",
                hint="'sapwood upgrade resume' goes on with it, 'sapwood upgrade rollback' takes it back.",
            )
        looked = driver_of(subject).look(subject, asked, count=certificate is not None)
        _refuse_unready(looked.before)
        leave = _leave(subject, looked, certificate, override, clock.now())
        journal = journals.begin(subject, work, clock)
        begun = _begun(subject, looked.require_plan(), leave, actor, postpone=postpone)
        rests_on = str(certificate.absolute()) if certificate else None
        journal.write("begun", **begun, certificate=rests_on, preflight=looked.before.to_dict())
        _audited("upgrades.begin", subject, journal, actor, clock.now())
        for old in journals.all_runs(subject, work, clock)[:-1]:
            _carried(subject, old, clock, say).drop_backups()
        _carried(subject, journal, clock, say).forward()
        return _over(subject, journal, actor, clock)


def resume(subject: Subject, *, work: Path, clock: Clock, actor: Actor, say: Say = lambda _line: None) -> Status:
    """Go on where an upgrade was interrupted, paused or stopped, in the direction in which it went."""
    with journals.locked(subject, work):
        journal = _open(subject, work, clock)
        if status_of(journal, busy=False, now=clock.now()).stage in OVER:
            raise NothingToDoError(f"The upgrade of {subject.name} is over", hint="There is nothing to go on with.")
        _clear(journal)
        subject = targets.recalled(subject, journal.entries[0].details.get("target"))
        journal.write("resumed", actor=actor.key)
        run = _carried(subject, journal, clock, say)
        if journal.last("back"):
            run.back()
        else:
            run.forward()
        return _over(subject, journal, actor, clock)


def rollback(  # noqa: PLR0913 - how far, at what price, and for whom
    subject: Subject,
    *,
    work: Path,
    clock: Clock,
    actor: Actor,
    to_base: bool = False,
    lose_writes: bool = False,
    say: Say = lambda _line: None,
) -> Status:
    """Take an upgrade back to the point of return, or to the backup before it began.

    Raises WritesLostError where users may have written since, unless `lose_writes` accepts that.
    """
    with journals.locked(subject, work):
        journal = _open(subject, work, clock)
        if to_base and not journal.has("done", step="base_backup"):
            raise NothingToDoError("This upgrade made no base backup", hint="Nothing of the database was changed.")
        lost = _writes_lost(journal, to_base=to_base)
        if lost and not lose_writes:
            raise WritesLostError(lost, hint="Add --lose-writes to accept that.")
        if journal.last("rolled_back", "back") and journal.entries[-1].event == "rolled_back" and not to_base:
            raise NothingToDoError(f"The upgrade of {subject.name} is taken back already", hint="See the status.")
        _clear(journal)
        subject = targets.recalled(subject, journal.entries[0].details.get("target"))
        run = _carried(subject, journal, clock, say)
        if not to_base and not journal.has("started", step="migrate") and (half := run.half_done()):
            raise HalfDoneError(
                f"The early migration {half[0][1]} is half done; only the base backup takes it back",
                hint="Add --to-base; what was written since is lost then.",
            )
        journal.write("rollback_asked", actor=actor.key, to_base=to_base, lost=lost)
        run.back(to_base=to_base)
        return _over(subject, journal, actor, clock)


def pause(subject: Subject, *, work: Path, clock: Clock) -> Status:
    """Have the upgrade wait before it closes the site. Raises NothingToDoError when it is past that, or none runs."""
    journal = journals.latest(subject, work, clock)
    if (
        journal is None
        or journal.last("finished", "rolled_back", "back")
        or journal.has("started", step="maintenance_on")
    ):
        raise NothingToDoError(
            f"No upgrade of {subject.name} can be paused now", hint="It waits only as long as the site is open."
        )
    (journal.folder / PAUSE).touch()
    return status(subject, work=work, clock=clock)


def status(subject: Subject, *, work: Path, clock: Clock) -> Status:
    """Where the newest upgrade of the deployment stands; raises NothingToDoError when there was none."""
    journal = _open(subject, work, clock)
    found = status_of(journal, busy=journals.is_locked(subject, work), now=clock.now())
    left = ledger(
        (one.run, one.entries[0].at, one.entries[0].details)
        for one in journals.all_runs(subject, work, clock)
        if status_of(one, busy=False, now=clock.now()).stage is Stage.DONE
    )
    return dataclasses.replace(found, postponed=tuple(row.to_dict() for row in left))


def history(subject: Subject, *, work: Path, clock: Clock) -> list[dict[str, Any]]:
    """Every upgrade of the deployment, newest first: predicted against what it took, by every forecast before it."""
    rows = []
    held = foretold.comparisons_in(journals.home(subject, work))
    for journal in reversed(journals.all_runs(subject, work, clock)):
        found = status_of(journal, busy=False, now=clock.now()).to_dict()
        begun = journal.entries[0].details
        rows.append(
            {**found, **{name: begun[name] for name in ("predicted_downtime_s", "predicted_rollback_s", "postponed")}}
        )
        rows[-1]["forecasts"] = [one.to_dict() for one in held if one.run == journal.run]
    return rows


@transaction.atomic
def ask_override(subject: Subject, plan: str, reason: str, *, first: User, actor: Actor, now: dt.datetime) -> Override:
    """The first administrator's word that this plan may be applied without a certificate."""
    if not reason.strip():
        raise ConflictError("An override needs a reason", hint="Say why the risk is taken.")
    row = Override.objects.create(
        uuid=uuid.uuid4(), subject=str(subject.path), plan=plan, reason=reason.strip()[:2000], first=first, asked_at=now
    )
    details = {"plan": plan, "reason": row.reason}
    audit.record(actor=actor, action="upgrades.override_asked", subject=f"override:{row.uuid}", at=now, details=details)
    return row


@transaction.atomic
def confirm_override(key: uuid.UUID, *, second: User, actor: Actor, now: dt.datetime) -> Override:
    """The second administrator's word; the same person twice is one person."""
    row = Override.objects.select_for_update().filter(uuid=key).first()
    if row is None:
        raise NotFoundError("There is no such override", hint="Ask for one.")
    if row.first_id == second.pk:
        raise ForbiddenError("Somebody else has to confirm this", hint="An override is the word of two administrators.")
    if row.second_id is None:
        row.second, row.confirmed_at = second, now
        row.save(update_fields=["second", "confirmed_at"])
        audit.record(actor=actor, action="upgrades.override_confirmed", subject=f"override:{row.uuid}", at=now)
    return row


def _refuse_unready(ready: Preflight) -> None:
    failed = [finding for finding in ready.findings if finding.outcome is Outcome.FAIL]
    if failed:
        raise NotReadyError(
            f"Not ready: {failed[0].name}: {failed[0].detail}",
            hint="'sapwood upgrade preflight' shows everything; --waive NAME=REASON goes on in spite of one.",
        )


def _leave(
    subject: Subject, looked: Looked, certificate: Path | None, override: uuid.UUID | None, now: dt.datetime
) -> Certificate | Override:
    plan = looked.require_plan()
    if certificate is not None and not subject.databases:
        raise NoLeaveError(
            "Nothing certifies the upgrade of this kind of deployment yet",
            hint="Two administrators may agree to exactly this plan: --override ID.",
        )
    if certificate is not None:
        return check(certificate, plan, looked.tables, now=now)
    if override is None:
        raise NoLeaveError(
            "There is no certificate for this upgrade", hint="Rehearse it, then give --certificate FILE."
        )
    row = Override.objects.filter(uuid=override, confirmed_at__isnull=False).first()
    if row is None or row.subject != str(subject.path) or row.plan != plan.digest:
        raise NoLeaveError(
            "This override is not for this upgrade as it is now", hint="Two administrators have to agree to this plan."
        )
    used = Override.objects.filter(pk=row.pk, used_at__isnull=True, confirmed_at__gt=now - OVERRIDE_FOR)
    if not used.update(used_at=now):
        raise NoLeaveError("This override was used already, or is older than a day", hint="Ask for another one.")
    return row


def _begun(
    subject: Subject, plan: Plan, leave: Certificate | Override, actor: Actor, *, postpone: bool
) -> dict[str, Any]:
    """The first entry of a journal: whatever the upgrade needs to know, so that a crash forgets nothing."""
    labels = [migration.label for migration in plan.migrations]
    rehearsed = leave if isinstance(leave, Certificate) else None
    early = [label for label in labels if rehearsed and label in rehearsed.early]
    late = [label for label in labels if postpone and rehearsed and label in rehearsed.postponable]
    databases: Mapping[str, Any] = plan.current["databases"]
    return {
        "subject": subject.name,
        "path": str(subject.path),
        "plan": plan.digest,
        "target": targets.kept(subject),
        "actor": actor.key,
        "override": None if isinstance(leave, Certificate) else {"id": str(leave.uuid), "reason": leave.reason},
        "early": early,
        "rest": [label for label in labels if label not in {*early, *late}],
        "postponed": late,
        "atomic": {alias: bool(found["atomic_ddl"]) for alias, found in databases.items()},
        "not_atomic": [migration.label for migration in plan.migrations if not migration.atomic],
        "known": [[row.id, row.model, row.field] for row in rehearsed.known] if rehearsed else [],
        "masked": [f"{row.table}.{row.column}" for row in rehearsed.masked] if rehearsed else [],
        "predicted_downtime_s": rehearsed.predicted_downtime_s.to_dict() if rehearsed else None,
        "predicted_rollback_s": rehearsed.predicted_rollback_s.to_dict() if rehearsed else None,
        **plan.details,
    }


def _carried(subject: Subject, journal: Journal, clock: Clock, say: Say) -> Run:
    """What carries a journal out, as the kind of deployment asks."""
    return driver_of(subject).upgrade(subject, journal, clock, _saying(subject, journal, clock, say))


def _open(subject: Subject, work: Path, clock: Clock) -> Journal:
    journal = journals.latest(subject, work, clock)
    if journal is None:
        raise NothingToDoError(
            f"There was no upgrade of {subject.name} yet", hint="'sapwood upgrade apply' begins one."
        )
    return journal


def _clear(journal: Journal) -> None:
    """End what a killed process left running in the subject's environment, and any wish to wait."""
    end_marked(str(journal.folder), below=True)
    (journal.folder / PAUSE).unlink(missing_ok=True)


def _writes_lost(journal: Journal, *, to_base: bool) -> str:
    opened = journal.last_of("started", "maintenance_off")
    if opened is not None and not journal.last("rolled_back"):
        return f"What was written since {opened.at:%Y-%m-%d %H:%M:%S} UTC, when the site was opened, would be lost"
    base = journal.last_of("done", "base_backup")
    if to_base and base is not None:
        return f"What was written since {base.at:%Y-%m-%d %H:%M:%S} UTC, when the base backup was made, would be lost"
    return ""


def _saying(subject: Subject, journal: Journal, clock: Clock, say: Say) -> Say:
    """Tell whoever listens, and let the pages see how far it is."""

    def told(line: str) -> None:
        say(line)
        # The journal is the truth: a database of ours that fails must not stop an upgrade with the site closed.
        with contextlib.suppress(DatabaseError):
            mirror(subject, journal, clock, busy=True)

    return told


def mirror(subject: Subject, journal: Journal, clock: Clock, *, busy: bool) -> UpgradeRun:
    """Write into the database what the journal says and the database does not know yet."""
    found, begun = status_of(journal, busy=busy, now=clock.now()), journal.entries[0].details
    with transaction.atomic():
        row, _fresh = UpgradeRun.objects.update_or_create(
            key=journal.run,
            defaults={
                "subject": subject.name,
                "place": key_of(subject.path),
                "stage": found.stage.value,
                "step": found.step,
                "message": found.message,
                "plan": begun["plan"],
                "began_at": found.began_at,
                "ended_at": found.ended_at,
                "predicted_downtime": begun["predicted_downtime_s"],
                "predicted_rollback": begun["predicted_rollback_s"],
                "downtime_s": found.downtime_s,
                "rollback_s": found.rollback_s,
                "postponed": begun["postponed"],
            },
        )
        known = row.lines.count()
        JournalLine.objects.bulk_create(
            JournalLine(run=row, seq=entry.seq, at=entry.at, event=entry.event, details=dict(entry.details))
            for entry in journal.entries[known:]
        )
    return row


def _over(subject: Subject, journal: Journal, actor: Actor, clock: Clock) -> Status:
    mirror(subject, journal, clock, busy=False)
    found = status_of(journal, busy=False, now=clock.now())
    _audited(f"upgrades.{found.stage.name.lower()}", subject, journal, actor, clock.now())
    return found


@transaction.atomic
def _audited(action: str, subject: Subject, journal: Journal, actor: Actor, now: dt.datetime) -> None:
    details = {"subject": subject.name, "plan": journal.entries[0].details["plan"]}
    audit.record(actor=actor, action=action, subject=f"upgrade:{journal.run}", at=now, details=details)
