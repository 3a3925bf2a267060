"""Background work: a site pulls what is due, the commons keeps its online signatures fresh."""

import datetime as dt
import logging

from sapwood.channel import api
from sapwood.channel.client.fetch import Traffic
from sapwood.channel.errors import NotARepositoryError, PullBusyError
from sapwood.core import jobs, settings
from sapwood.core.data import Actor
from sapwood.core.http import default_client

logger = logging.getLogger(__name__)
PULL_JOB = "channel.pull"


@jobs.job(PULL_JOB)
def pull_due(ctx: jobs.JobContext) -> None:
    """Pull each subscription whose time has come, and note channels that went stale by themselves."""
    due = api.due_subscriptions(ctx.now())
    failures: list[dict[str, str]] = []
    for number, subscription in enumerate(due):
        ctx.progress(number, len(due), subscription.name)

        def told(traffic: Traffic, number: int = number, name: str = subscription.name) -> None:
            ctx.progress(number, len(due), f"{name}: {traffic.requests} files, {traffic.received_bytes:,} bytes")

        try:
            result = api.pull(subscription, http=default_client(), clock=ctx.clock, told=told)
        except PullBusyError:
            continue
        if not result.good:
            logger.warning("pull of %s: %s", subscription.name, result.errors or "unverified publications")
            failures += result.errors.values()
    api.report_health(now=ctx.now())
    api.mail_changes(now=ctx.now())
    if failures and ctx.payload.get("by_hand"):
        # Somebody waits for it and is told why; otherwise the channel's own alarm is enough.
        raise jobs.JobStoppedError(failures[0]["message"], hint=failures[0]["hint"])
    ctx.progress(len(due), len(due))


@jobs.job("channel.renew")
def renew(ctx: jobs.JobContext) -> None:
    """Sign snapshot and timestamp anew once a day; nothing happens while there is no repository."""
    try:
        api.renew(now=ctx.now(), actor=Actor.system("channel.renew"))
    except NotARepositoryError:
        logger.info("there is no channel to renew yet")


if settings.ROLE.get() == "commons":
    # Asked hourly, signs once a day: a missed hour is made up for in the next.
    jobs.every("channel.renew", dt.timedelta(hours=1), jitter=dt.timedelta(minutes=10))
else:
    jobs.every(PULL_JOB, dt.timedelta(minutes=5), jitter=dt.timedelta(minutes=2))
