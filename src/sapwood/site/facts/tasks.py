"""Background work: an hourly look at the site, and a look for new catalogues."""

import datetime as dt

from sapwood.core.data import Actor
from sapwood.core.jobs import JobContext, every, job
from sapwood.site.facts import actions


@job("facts.inspect")
def inspect(ctx: JobContext) -> None:
    """Look at the configured site; nothing to do where none is configured."""
    if actions.configured():
        actions.look(actor=Actor.system("facts.inspect"), now=ctx.now())


@job("facts.catalogues")
def catalogues(_ctx: JobContext) -> None:
    """Note the catalogues that arrived."""
    actions.read_catalogues()


every("facts.inspect", dt.timedelta(hours=1), jitter=dt.timedelta(minutes=5))
every("facts.catalogues", dt.timedelta(minutes=5))
