"""Background work: what was approved reaches the signers even if the process died in between."""

import datetime as dt

from sapwood.commons.releases import actions
from sapwood.core.data import Actor
from sapwood.core.jobs import JobContext, every, job


@job("releases.hand_over")
def hand_over(ctx: JobContext) -> None:
    """Hand over what waits."""
    actions.hand_over_waiting(actor=Actor.system("releases.hand_over"), now=ctx.now())


every("releases.hand_over", dt.timedelta(minutes=5))
