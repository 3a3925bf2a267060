"""Recurring housekeeping of accounts."""

import datetime as dt

from django.core.management import call_command
from django.db import transaction

from sapwood.accounts.actions.links import prune_links
from sapwood.accounts.sessions import prune_notes
from sapwood.core import audit, jobs, paths
from sapwood.formats.phrase import Phrase

VERIFY_JOB = "accounts.verify_audit"


@jobs.job("accounts.housekeeping")
def housekeeping(ctx: jobs.JobContext) -> None:
    """Remove links and sessions that ended."""
    with transaction.atomic():
        prune_links(now=ctx.now())
    call_command("clearsessions")
    with transaction.atomic():
        prune_notes()


@jobs.job(VERIFY_JOB)
def verify_audit(ctx: jobs.JobContext) -> None:
    """Walk the whole audit log because somebody asked for it."""
    report = audit.verify(paths.role_dir() / "audit", progress=ctx.progress)
    if report.problems:
        raise jobs.JobStoppedError(
            Phrase("The audit log's chain is broken: %(first)s", first=report.problems[0]),
            hint=Phrase("%(command)s lists everything.", command="sapwood audit verify"),
        )
    ctx.progress(report.rows, report.rows)


jobs.every("accounts.housekeeping", dt.timedelta(days=1))
