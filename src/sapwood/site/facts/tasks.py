"""Background work: an hourly look at the site, and a look for new catalogues."""

import datetime as dt

from sapwood.core.data import Actor
from sapwood.core.jobs import JobContext, JobStoppedError, every, job
from sapwood.formats.phrase import NO_WORDS, Phrase
from sapwood.site.facts import actions, queries

LOOK_JOB = "facts.look"


@job("facts.inspect")
def inspect(ctx: JobContext) -> None:
    """Look at the configured site; nothing to do where none is configured."""
    if actions.configured():
        actions.look(actor=Actor.system("facts.inspect"), now=ctx.now())


@job(LOOK_JOB)
def look_now(ctx: JobContext) -> None:
    """Look at the site because somebody asked for it."""
    actions.read_catalogues()
    if actions.look(actor=Actor.unpacked(ctx.payload["actor"]), now=ctx.now()) is None:
        error = queries.last_look().error or {}
        raise JobStoppedError(
            error.get("message", Phrase("The site could not be inspected")),
            hint=Phrase("What was known before still stands. %(hint)s", hint=error.get("hint", NO_WORDS)),
        )


@job("facts.catalogues")
def catalogues(_ctx: JobContext) -> None:
    """Note the catalogues that arrived."""
    actions.read_catalogues()


every("facts.inspect", dt.timedelta(hours=1), jitter=dt.timedelta(minutes=5))
every("facts.catalogues", dt.timedelta(minutes=5))
