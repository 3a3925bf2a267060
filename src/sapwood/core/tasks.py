"""Recurring housekeeping."""

import datetime as dt

from django.db import transaction

from sapwood.core import audit, jobs, paths


@jobs.job("core.housekeeping")
def housekeeping(ctx: jobs.JobContext) -> None:
    """Remove old finished jobs and sign the audit log's head."""
    with transaction.atomic():
        jobs.prune(ctx.now())
    audit.seal(paths.role_dir() / "audit", now=ctx.now())


jobs.every("core.housekeeping", dt.timedelta(days=1))
