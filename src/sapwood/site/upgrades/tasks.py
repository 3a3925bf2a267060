"""Background work: what a killed rehearsal left is removed without waiting for the next one."""

import datetime as dt

from sapwood.core.jobs import JobContext, every, job
from sapwood.core.paths import role_dir
from sapwood.site.upgrades.scratch import sweep


@job("upgrades.sweep")
def remove_left_shadows(_ctx: JobContext) -> None:
    """Remove the shadows of runs that died, and end what they left running."""
    sweep(role_dir() / "upgrades")


every("upgrades.sweep", dt.timedelta(hours=1), jitter=dt.timedelta(minutes=5))
