"""Background work: what people asked for by a button, what may happen by itself, and what a killed rehearsal left."""

import datetime as dt

from sapwood.core.jobs import JobContext, every, job
from sapwood.site.upgrades import tending
from sapwood.site.upgrades.data import Stage
from sapwood.site.upgrades.journal import abandoned
from sapwood.site.upgrades.models import UpgradeRun
from sapwood.site.upgrades.pruning import prune
from sapwood.site.upgrades.requests import ACT_JOB, LOOK_JOB, REHEARSE_JOB, carry_out, settle, work_folder
from sapwood.site.upgrades.scratch import sweep


@job("upgrades.sweep")
def remove_left_shadows(ctx: JobContext) -> None:
    """Remove the shadows of runs that died and the files of old rehearsals, and give up what nobody carries."""
    sweep(work_folder())
    settle(ctx.now())
    prune(work_folder(), now=ctx.now())


@job("upgrades.watch")
def notice_the_dead(ctx: JobContext) -> None:  # noqa: ARG001 - a job takes its context
    """Say of an upgrade whose process died that it was interrupted, also where a command began it."""
    for row in UpgradeRun.objects.filter(stage=Stage.RUNNING):
        if abandoned(row.place, work_folder()):
            UpgradeRun.objects.filter(pk=row.pk, stage=Stage.RUNNING).update(stage=Stage.INTERRUPTED)


every("upgrades.watch", dt.timedelta(minutes=1))


@job("upgrades.automatic")
def look_around(ctx: JobContext) -> None:
    """Raise and mail what is new, and ask for what may happen by itself now."""
    tending.look_around(ctx.now())


every("upgrades.automatic", dt.timedelta(minutes=1))
every("upgrades.sweep", dt.timedelta(hours=1), jitter=dt.timedelta(minutes=5))
for _name in (LOOK_JOB, REHEARSE_JOB, ACT_JOB):
    job(_name, long=True)(carry_out)
