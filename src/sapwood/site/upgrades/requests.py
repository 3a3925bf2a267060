"""What the console asks for, and the worker does: a request is written with its audit row, and acted on elsewhere.

Whoever holds the web process can write requests, and nothing more: what is run stands in a file that the operating
account owns, and which the worker, as that account, reads again before it acts.
"""

import dataclasses
import datetime as dt
import logging
import os
import shlex
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from django.db import IntegrityError, OperationalError, connections, transaction

from sapwood.accounts.api import User, actor_for, require
from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError, ForbiddenError, SapwoodError
from sapwood.core.jobs import JobContext, JobLostError, JobStoppedError, enqueue
from sapwood.core.models import Job, JobState
from sapwood.core.paths import role_dir
from sapwood.formats.phrase import Phrase, recorded
from sapwood.site.upgrades import actions, automatic, releases, targets
from sapwood.site.upgrades.applying import BACK, FORWARD, NothingToDoError, Status
from sapwood.site.upgrades.certificate import CertificateError, check, issue, read
from sapwood.site.upgrades.costs import published
from sapwood.site.upgrades.data import Stage, Subject, Verdict
from sapwood.site.upgrades.drivers.base import Asked
from sapwood.site.upgrades.drivers.registry import driver_of
from sapwood.site.upgrades.engines.base import Say
from sapwood.site.upgrades.environments import with_environments
from sapwood.site.upgrades.journal import BusyError
from sapwood.site.upgrades.models import UNFINISHED, Kind, RehearsalRecord, Request, State
from sapwood.site.upgrades.offers import key_of, read_ours
from sapwood.site.upgrades.permissions import APPLY, REHEARSE
from sapwood.site.upgrades.report import write_report

logger = logging.getLogger(__name__)

LOOK_JOB, REHEARSE_JOB, ACT_JOB = "upgrades.look", "upgrades.rehearse", "upgrades.act"
JOBS: Final[Mapping[str, str]] = {Kind.LOOK: LOOK_JOB, Kind.REHEARSE: REHEARSE_JOB}
NEEDS: Final[Mapping[str, str]] = {Kind.LOOK: REHEARSE, Kind.REHEARSE: REHEARSE}
MOST_HINTS: Final = 10
PARTS: Final = 6  # what a rehearsal says of itself: reading, copying, checking, migrating, checking, the way back


class AskedError(ConflictError):
    """Something else was asked for this deployment, and is not over."""

    code = "upgrades.asked"


def ask(  # noqa: PLR0913 - what, on whose word, and for which run
    subject: Subject,
    kind: Kind,
    *,
    by: User,
    now: dt.datetime,
    options: Mapping[str, Any] | None = None,
    run: str = "",
    actor: Actor | None = None,
) -> Request:
    """Write down what somebody wants. Raises AskedError while something else is under way, ForbiddenError.

    `by` is on whose word it happens; `actor` who asks, where nobody pressed a button.
    """
    actor = actor or actor_for(by)
    require(by, NEEDS.get(kind, APPLY))
    with transaction.atomic():
        settle(now)
        try:
            with transaction.atomic():
                row = Request.objects.create(
                    uuid=uuid.uuid4(),
                    kind=kind,
                    place=key_of(subject.path),
                    path=str(subject.path),
                    subject=subject.name,
                    options=dict(options or {}),
                    run=run,
                    asked_by=by,
                    asked_at=now,
                )
        except IntegrityError:
            raise AskedError(
                Phrase("Something was asked for %(name)s already, and is not over", name=subject.name),
                hint=Phrase("Wait for it."),
            ) from None
        if kind == Kind.REHEARSE:
            RehearsalRecord.objects.create(request=row)
        details = {"kind": row.kind, "subject": row.subject, **row.options}
        audit.record(actor=actor, action="upgrades.asked", subject=f"request:{row.uuid}", at=now, details=details)
        row.job = enqueue(JOBS.get(kind, ACT_JOB), {"request": str(row.uuid)}, now=now)
        row.save(update_fields=["job"])
    return row


def settle(now: dt.datetime) -> None:
    """Give up what no worker will take up again: its job ended without having said so."""
    for row in Request.objects.filter(state__in=UNFINISHED):
        job = Job.objects.filter(uuid=row.job).first() if row.job else None
        if row.job and (job is None or job.state in {JobState.FAILED, JobState.DONE}):
            error = job.error if job else None
            unfinished = Request.objects.filter(pk=row.pk, state__in=UNFINISHED)  # it may have ended a moment ago
            unfinished.update(state=State.FAILED, ended_at=now, error=error)


def carry_out(ctx: JobContext) -> None:
    """Do what a request asks for; begun a second time, go on with it."""
    row = Request.objects.select_related("asked_by").get(uuid=str(ctx.payload["request"]))
    if not row.open:
        return
    again = row.state == State.RUNNING
    if not again:
        row.state, row.begun_at = State.RUNNING, ctx.now()
        if not Request.objects.filter(pk=row.pk, state=State.WAITING).update(state=row.state, begun_at=row.begun_at):
            return
    try:
        require(_asker(row), NEEDS.get(row.kind, APPLY))
        subject = with_environments(_wanted(row, ctx, again), work=work_folder())
        answer = _DOERS[row.kind](row, subject, ctx, again)
    except BusyError as error:
        if again:  # the worker that was thought dead is at it still: look later
            raise
        _ended(row, ctx, error=error.as_dict())
        raise JobStoppedError(error.message, hint=error.hint) from None
    except OperationalError:  # the control database is away for a moment: the job is tried again
        raise
    except SapwoodError as error:
        _ended(row, ctx, error=error.as_dict())
        raise JobStoppedError(error.message, hint=error.hint) from None
    except Exception as error:
        logger.exception("the request %s failed", row.uuid)
        unknown = JobStoppedError(Phrase("An unexpected error; see the log"), hint=Phrase("Report it."))
        _ended(row, ctx, error=unknown.as_dict())
        raise unknown from error
    _ended(row, ctx, answer=answer)


def _wanted(row: Request, ctx: JobContext, again: bool) -> Subject:  # noqa: FBT001
    """The subject as its file says now, for the release that the request is about, if it is about one.

    What would happen by itself is held against everything again; an upgrade that began goes on.
    """
    subject = read_ours(Path(row.path), {os.geteuid(), 0})
    given = _release_of(row)
    if given.get("release") and (subject.automatic is not None or row.kind != Kind.LOOK):
        subject = targets.for_release(subject, str(given["release"]), str(given.get("tag", "")))
    if row.options.get("automatic") and not (again and _since(row, subject, ctx)):
        releases.read_releases()
        automatic.hold(row, subject, releases.outlook(ctx.now()), ctx.now())
    return subject


def _release_of(row: Request) -> Mapping[str, Any]:
    """The options that name a release: its own, or those of the rehearsal on whose certificate it rests."""
    options: Mapping[str, Any] = row.options
    if row.kind == Kind.LOOK:
        newest = newest_go(row.place)
        return newest.request.options if newest else {}
    if row.kind == Kind.APPLY and options.get("rehearsal"):
        rested = Request.objects.filter(place=row.place, uuid=options["rehearsal"]).first()
        return rested.options if rested else {}
    return options


def _asker(row: Request) -> User:
    if row.asked_by is None:
        raise ForbiddenError(Phrase("Whoever asked for this has no account any more"), hint=Phrase("Ask again."))
    return row.asked_by


def _ended(row: Request, ctx: JobContext, *, answer: Any = None, error: Any = None) -> None:
    Request.objects.filter(pk=row.pk).update(
        state=State.FAILED if error else State.DONE,
        ended_at=ctx.now(),
        answer=recorded(answer),
        error=recorded(error),
    )


def work_folder() -> Path:
    """Where upgrades work, and keep what they need."""
    return role_dir() / "upgrades"


def _asked(row: Request, ctx: JobContext) -> Asked:
    """What the request wants to know, with what its asker waives or confirms."""
    own = connections["default"].settings_dict
    return Asked(work_folder(), ctx.now(), own, waivers=dict(row.options.get("waivers", {})))


def _look(row: Request, subject: Subject, ctx: JobContext, again: bool) -> Mapping[str, Any]:  # noqa: ARG001, FBT001
    """Plan, preflight, and whether the newest certificate holds for both."""
    say = _teller(ctx, 2)
    say("reading both environments")
    newest = newest_go(row.place)
    looked = driver_of(subject).look(subject, _asked(row, ctx), count=newest is not None)
    plan = looked.require_plan()
    found: dict[str, Any] = {
        "plan": {
            "driver": subject.driver,
            "digest": plan.digest,
            "from": str(plan.current.get("django") or plan.current["release"]),
            "to": str(plan.target.get("django") or plan.target["release"]),
            "engines": plan.engines,
            "steps": [{**one, "words": shlex.join(one["argv"])} for one in plan.details.get("steps", [])],
            "stores": plan.details.get("stores", []),
            "migrations": [{"label": one.label, "classes": list(one.classes)} for one in plan.migrations],
            "problems": [dict(problem) for problem in plan.problems],
            "published": [hint.to_dict() for hint in published(plan)[:MOST_HINTS]],
            **looked.told,
        },
        "preflight": {
            "verdict": looked.before.verdict.value,
            "findings": [
                {**one.to_dict(), "detail": one.detail, "remedy": one.remedy} for one in looked.before.findings
            ],
        },
    }
    if newest is not None:
        say("holding the certificate against it")
        found["certificate"] = {"rehearsal": str(newest.request.uuid), "refusal": None}
        try:
            check(Path(newest.certificate), plan, looked.tables, now=ctx.now())
        except CertificateError as error:
            found["certificate"]["refusal"] = error.as_dict()
    return found


def newest_go(place: str) -> RehearsalRecord | None:
    """The newest rehearsal with a certificate."""
    rows = RehearsalRecord.objects.filter(request__place=place, verdict=Verdict.GO).exclude(certificate="")
    return rows.select_related("request").order_by("-request__asked_at").first()


def _rehearse(row: Request, subject: Subject, ctx: JobContext, again: bool) -> Mapping[str, Any]:  # noqa: ARG001, FBT001
    masking = bool(row.options.get("mask"))
    asked = dataclasses.replace(_asked(row, ctx), masking=masking)
    found = driver_of(subject).rehearse(subject, asked, _teller(ctx, PARTS + masking))
    folder = work_folder() / "reports" / str(row.uuid)
    path = issue(found, folder, now=ctx.now())
    found.certificate = str(path) if path else None
    write_report(found, folder)
    RehearsalRecord.objects.filter(request=row).update(
        verdict=found.verdict.value,
        reasons=list(found.reasons),
        plan=found.plan.digest,
        document=found.to_dict(),
        folder=str(folder),
        certificate=found.certificate or "",
        certificate_text=path.read_text(encoding="utf-8") if path else "",
        expires_at=read(path).expires_at if path else None,
    )
    return {"verdict": found.verdict.value}


def _apply(row: Request, subject: Subject, ctx: JobContext, again: bool) -> Mapping[str, Any]:  # noqa: FBT001
    given = _given(row, subject, ctx)
    before = _since(row, subject, ctx) if again else None
    if before is not None:
        return _said(actions.resume(subject, **given) if before.stage is Stage.INTERRUPTED else before)
    options: Mapping[str, Any] = row.options
    driver_of(subject).require_rehearsal(subject)
    rehearsed = RehearsalRecord.objects.filter(request__place=row.place)
    rehearsal = rehearsed.filter(request__uuid=options["rehearsal"]).first() if options.get("rehearsal") else None
    found = actions.apply(
        subject,
        asked=_asked(row, ctx),
        certificate=Path(rehearsal.certificate) if rehearsal and rehearsal.certificate else None,
        override=uuid.UUID(options["override"]) if options.get("override") else None,
        postpone=bool(options.get("postpone")),
        **given,
    )
    return _said(found)


def _resume(row: Request, subject: Subject, ctx: JobContext, again: bool) -> Mapping[str, Any]:  # noqa: FBT001
    if again:
        now = actions.status(subject, work=work_folder(), clock=ctx.clock)
        if now.stage is not Stage.INTERRUPTED:
            return _said(now)
    return _said(actions.resume(subject, **_given(row, subject, ctx)))


def _rollback(row: Request, subject: Subject, ctx: JobContext, again: bool) -> Mapping[str, Any]:  # noqa: FBT001
    given = _given(row, subject, ctx)
    given |= {name: bool(row.options.get(name)) for name in ("to_base", "lose_writes")}
    try:
        return _said(actions.rollback(subject, **given))
    except NothingToDoError:
        now = actions.status(subject, work=work_folder(), clock=ctx.clock)
        if again and now.stage is Stage.ROLLED_BACK:
            return _said(now)
        raise


def _pause(row: Request, subject: Subject, ctx: JobContext, again: bool) -> Mapping[str, Any]:  # noqa: ARG001, FBT001
    return _said(actions.pause(subject, work=work_folder(), clock=ctx.clock))


_DOERS: Final[Mapping[str, Callable[[Request, Subject, JobContext, bool], Mapping[str, Any]]]] = {
    Kind.LOOK: _look,
    Kind.REHEARSE: _rehearse,
    Kind.APPLY: _apply,
    Kind.RESUME: _resume,
    Kind.ROLLBACK: _rollback,
    Kind.PAUSE: _pause,
}


def _since(row: Request, subject: Subject, ctx: JobContext) -> Status | None:
    """How the upgrade stands that this very request began, before its worker died."""
    try:
        found = actions.status(subject, work=work_folder(), clock=ctx.clock)
    except NothingToDoError:
        return None
    return found if row.begun_at and found.began_at >= row.begun_at else None


def _said(found: Status) -> Mapping[str, Any]:
    return {"run": found.run, "stage": found.stage.value, "message": found.message}


def _given(row: Request, subject: Subject, ctx: JobContext) -> dict[str, Any]:
    tell = _teller(ctx, len(FORWARD) + len(BACK))

    def say(line: str) -> None:
        tell(line)
        _heed_pause(row, subject, ctx)

    actor = automatic.BY_ITSELF if row.options.get("automatic") else actor_for(_asker(row))
    return {"work": work_folder(), "clock": ctx.clock, "actor": actor, "say": say}


def _heed_pause(row: Request, subject: Subject, ctx: JobContext) -> None:
    """The only worker is busy with the upgrade itself, so the wish to wait is heard here."""
    wish = Request.objects.filter(place=row.place, kind=Kind.PAUSE, state=State.WAITING).first()
    if wish is None or not Request.objects.filter(pk=wish.pk, state=State.WAITING).update(state=State.RUNNING):
        return
    try:
        _ended(wish, ctx, answer=_said(actions.pause(subject, work=work_folder(), clock=ctx.clock)))
    except SapwoodError as error:
        _ended(wish, ctx, error=error.as_dict())


def _teller(ctx: JobContext, total: int) -> Say:
    """Says on the job how far it is. It never raises: an upgrade is not taken back because a page hears nothing."""
    parts: list[str] = []

    def say(line: str) -> None:
        part = line.split(" ", maxsplit=1)[0]
        if part not in parts[-1:] and part != "still":
            parts.append(part)
        try:
            ctx.progress(min(len(parts) - 1, total - 1), total, line)
        except (JobLostError, OperationalError):
            logger.warning("nobody hears how far the job %s is", ctx.uuid)

    return say
