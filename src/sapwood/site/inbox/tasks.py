"""The inbox's background work."""

import datetime as dt

from django.utils.translation import override

from sapwood.core.data import Actor
from sapwood.core.errors import ForbiddenError, UsageError
from sapwood.core.jobs import JobContext, JobStoppedError, every, job
from sapwood.site.inbox import api
from sapwood.site.inbox.actions.people_files import IMPORT_JOB, imported_words
from sapwood.site.inbox.data import Audience


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


@job(IMPORT_JOB)
def import_people(ctx: JobContext) -> None:
    """Import a long file of people because somebody looked at it and said yes."""
    actor = Actor.unpacked(ctx.payload["actor"])
    raw, audience = str(ctx.payload["text"]).encode(), Audience(str(ctx.payload["audience"]))
    with override(str(ctx.payload["language"])):
        try:
            report = api.import_csv(raw, audience=audience, actor=actor, now=ctx.now(), progress=ctx.progress)
        except (ForbiddenError, UsageError) as error:
            raise JobStoppedError(error.message, hint=error.hint) from error
        total = len(report.refused) + report.added + report.changed + report.unchanged
        ctx.progress(total, total, imported_words(report))


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
