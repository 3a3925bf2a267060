"""Background work of announcements."""

import datetime as dt

from django.core.mail import send_mail
from django.urls import reverse

from sapwood.commons.announcements.actions.consenting import MAIL_JOB, consent_token
from sapwood.commons.announcements.actions.outcome import sync_with_channel
from sapwood.commons.announcements.models import Answer, CaseStudyConsent
from sapwood.core import jobs, settings
from sapwood.core.data import Actor

CONSENT_MAIL = """\
{project} has written about {organisation} and would like to publish it.

Nobody outside sees the text before you agree. Please read it and say yes or no:

{link}

The link works once, until {until}. Your yes holds for exactly this text: if a word changes, you are asked again.
"""


@jobs.job("announcements.sync")
def sync(ctx: jobs.JobContext) -> None:
    """Note what was signed and published, and repeat a hand-over that a crash interrupted."""
    sync_with_channel(actor=Actor.system("announcements.sync"), now=ctx.now())


jobs.every("announcements.sync", dt.timedelta(minutes=1))


@jobs.job(MAIL_JOB)
def mail_consent(ctx: jobs.JobContext) -> None:
    """Send an organisation the link to the text about it."""
    row = CaseStudyConsent.objects.filter(uuid=str(ctx.payload["consent"]), answer=Answer.WAITING).first()
    if row is None or row.expires_at <= ctx.now():
        return
    project = settings.SITE_NAME.get() or "Sapwood"
    link = settings.BASE_URL.get().rstrip("/") + reverse("announcements:consent", args=[consent_token(row)])
    text = CONSENT_MAIL.format(
        project=project, organisation=row.organisation, link=link, until=f"{row.expires_at:%Y-%m-%d %H:%M} UTC"
    )
    subject = " ".join(f"{project}: a text about {row.organisation}".split())
    send_mail(subject, text, settings.MAIL_FROM.get(), [row.email])
