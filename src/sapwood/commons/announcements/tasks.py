"""Background work of announcements."""

import contextlib
import datetime as dt
import random

from django.core.mail import send_mail
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from sapwood.channel import api as channel
from sapwood.channel.errors import NotARepositoryError
from sapwood.commons.announcements.actions.consenting import MAIL_JOB, consent_token
from sapwood.commons.announcements.actions.outcome import sync_with_channel
from sapwood.commons.announcements.actions.polling import READ_JOB, import_source
from sapwood.commons.announcements.models import Answer, CaseStudyConsent, Source
from sapwood.commons.announcements.staging import test_repo
from sapwood.core import jobs, settings
from sapwood.core.data import Actor
from sapwood.core.http import default_client


@jobs.job("announcements.sync")
def sync(ctx: jobs.JobContext) -> None:
    """Note what was signed and published, and repeat a hand-over that a crash interrupted."""
    sync_with_channel(actor=Actor.system("announcements.sync"), now=ctx.now())


jobs.every("announcements.sync", dt.timedelta(minutes=1))


@jobs.job("announcements.renew_test_channel")
def renew_test_channel(ctx: jobs.JobContext) -> None:
    """Keep the test channel's online signatures fresh as well, where there is one."""
    with contextlib.suppress(NotARepositoryError):
        channel.renew(repo=test_repo(), now=ctx.now(), actor=Actor.system("announcements.renew_test_channel"))


jobs.every("announcements.renew_test_channel", dt.timedelta(hours=1), jitter=dt.timedelta(minutes=10))


@jobs.job("announcements.poll_sources")
def poll_sources(ctx: jobs.JobContext) -> None:
    """Read every source that is due; one that fails keeps no other from being read."""
    due = Source.objects.filter(Q(next_poll_at=None) | Q(next_poll_at__lte=ctx.now()), paused=False, gone=False)
    rows = list(due.order_by("next_poll_at", "pk"))
    for index, source in enumerate(rows):
        ctx.progress(index, len(rows), source.name)
        import_source(
            source,
            http=default_client(),
            chance=random.Random(),  # noqa: S311 - spreads requests, guards nothing
            actor=Actor.system("announcements.poll_sources"),
            now=ctx.now(),
        )


@jobs.job(READ_JOB)
def read_source(ctx: jobs.JobContext) -> None:
    """Read one source because somebody pressed a button."""
    source = Source.objects.filter(uuid=str(ctx.payload["source"])).first()
    if source is None:
        return
    report = import_source(
        source,
        http=default_client(),
        chance=random.Random(),  # noqa: S311 - spreads requests, guards nothing
        actor=Actor.system(READ_JOB),
        now=ctx.now(),
        by_hand=True,
        progress=lambda done, total: ctx.progress(done, total, source.name),
    )
    if error := report.get("error"):
        raise jobs.JobStoppedError(error["message"], hint=error["hint"])


jobs.every("announcements.poll_sources", dt.timedelta(minutes=15), jitter=dt.timedelta(minutes=5))


@jobs.job(MAIL_JOB)
def mail_consent(ctx: jobs.JobContext) -> None:
    """Send an organisation the link to the text about it."""
    row = CaseStudyConsent.objects.filter(uuid=str(ctx.payload["consent"]), answer=Answer.WAITING).first()
    if row is None or row.expires_at <= ctx.now():
        return
    # Nobody knows which language its people speak: it gets the one that this installation speaks.
    with override(settings.LANGUAGE.get()):
        subject, text = _consent_mail(row)
    send_mail(subject, text, settings.MAIL_FROM.get(), [row.email])


def _consent_mail(row: CaseStudyConsent) -> tuple[str, str]:
    names = {"project": settings.SITE_NAME.get() or "Sapwood", "organisation": row.organisation}
    parts = (
        _("%(project)s has written about %(organisation)s and would like to publish it.") % names,
        _("Nobody outside sees the text before you agree. Please read it and say yes or no:"),
        settings.BASE_URL.get().rstrip("/") + reverse("announcements:consent", args=[consent_token(row)]),
        _(
            "The link works once, until %(until)s. Your yes holds for exactly this text: "
            "if a word changes, you are asked again."
        )
        % {"until": f"{row.expires_at:%Y-%m-%d %H:%M} UTC"},
    )
    subject = " ".join((_("%(project)s: a text about %(organisation)s") % names).split())
    return subject, "\n\n".join(parts) + "\n"
