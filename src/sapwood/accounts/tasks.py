"""Recurring housekeeping of accounts."""

import datetime as dt

from django.core.management import call_command
from django.db import transaction

from sapwood.accounts.actions.links import prune_links
from sapwood.accounts.sessions import prune_notes
from sapwood.core import jobs


@jobs.job("accounts.housekeeping")
def housekeeping(ctx: jobs.JobContext) -> None:
    """Remove links and sessions that ended."""
    with transaction.atomic():
        prune_links(now=ctx.now())
    call_command("clearsessions")
    with transaction.atomic():
        prune_notes()


jobs.every("accounts.housekeeping", dt.timedelta(days=1))
