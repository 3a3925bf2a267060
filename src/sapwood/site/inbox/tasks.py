"""The inbox's background work."""

import datetime as dt

from sapwood.core.data import Actor
from sapwood.core.jobs import JobContext, every, job
from sapwood.site.inbox import api


@job("inbox.import")
def import_received(ctx: JobContext) -> None:
    """Take in what the channel received."""
    report = api.import_received(now=ctx.now())
    ctx.progress(report.seen, report.seen, f"{report.fresh} new, {report.revised} revised")


@job("inbox.feeds")
def poll_feeds(ctx: JobContext) -> None:
    """Ask the plain feeds that this site reads."""
    count = api.poll_feeds(now=ctx.now())
    ctx.progress(count, count, f"{count} new or edited")


@job("inbox.deliver_due")
def deliver_due(ctx: JobContext) -> None:
    """Deliver what is due."""
    report = api.deliver_due(clock=ctx.clock)
    ctx.progress(report.sent, report.sent + report.waiting, f"{report.sent} sent")


@job("inbox.digest")
def digest(ctx: JobContext) -> None:
    """Send the daily digests."""
    count = api.deliver_digests(clock=ctx.clock)
    ctx.progress(count, count, f"{count} digests")


@job("inbox.retire")
def retire(ctx: JobContext) -> None:
    """Wake what slept long enough; retire what the installed version fixed and what is over."""
    api.wake_snoozed(now=ctx.now(), actor=Actor.system("inbox.retire"))
    api.retire(now=ctx.now())
    api.forget_unconfirmed(now=ctx.now())
    api.forget_departed(now=ctx.now())


every("inbox.import", dt.timedelta(minutes=1))
every("inbox.feeds", dt.timedelta(minutes=10), jitter=dt.timedelta(minutes=5))
every("inbox.deliver_due", dt.timedelta(minutes=1))
every("inbox.digest", dt.timedelta(days=1), jitter=dt.timedelta(minutes=20))
every("inbox.retire", dt.timedelta(minutes=5))
