"""Background work: what was approved reaches the signers even if the process died in between."""

import datetime as dt

from sapwood.commons.releases import actions, reporting
from sapwood.core.data import Actor
from sapwood.core.jobs import JobContext, every, job


@job("releases.hand_over")
def hand_over(ctx: JobContext) -> None:
    """Hand over what waits."""
    actor = Actor.system("releases.hand_over")
    actions.hand_over_waiting(actor=actor, now=ctx.now())
    reporting.hand_over_reports(actor=actor, now=ctx.now())


every("releases.hand_over", dt.timedelta(minutes=5))
