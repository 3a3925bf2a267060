"""Telling administrators by mail that a channel went quiet, stale or wrong, and that it is well again."""

import datetime as dt
import logging
from smtplib import SMTPException

from django.core.mail import EmailMessage
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from sapwood.accounts import api as accounts
from sapwood.channel.data import ChannelState
from sapwood.channel.models import HealthLog
from sapwood.channel.permissions import MANAGE_CHANNEL
from sapwood.console.phrases import say
from sapwood.core import settings

logger = logging.getLogger(__name__)


def mail_changes(*, now: dt.datetime) -> int:
    """Mail each change for the worse, and each recovery, to everybody who may act on it; returns how many went out.

    A change counts as told only after the mail server took it, so a kill in between repeats the mail: an alarm
    twice is better than none.
    """
    rows = list(HealthLog.objects.filter(told_at=None).select_related("subscription").order_by("pk")[:100])
    worth_telling = [row for row in rows if ChannelState(row.after).bad or ChannelState(row.before).bad]
    people = list(accounts.holders_of_permission(MANAGE_CHANNEL, now=now)) if worth_telling else []
    for person in people:
        if not _send(person, worth_telling):
            return 0
    HealthLog.objects.filter(pk__in=[row.pk for row in rows]).update(told_at=now)
    return len(worth_telling) if people else 0


def _send(person: accounts.User, rows: list[HealthLog]) -> bool:
    with override(person.language or settings.LANGUAGE.get()):
        bad = sum(ChannelState(row.after).bad for row in rows)
        subject = (
            ngettext("A channel needs you", "%(count)d channels need you", bad) % {"count": bad}
            if bad
            else _("The channel is well again")
        )
        lines = [
            f"{row.at:%Y-%m-%d %H:%M} UTC  {row.subscription.name}/{row.channel}: {say(row.words)}" for row in rows
        ]
        where = f"{settings.BASE_URL.get().rstrip('/')}/channel/"
        text = "\n".join([*lines, "", _("What was received stays as it is. See %(url)s") % {"url": where}])
        name = settings.SITE_NAME.get() or "Sapwood"
    try:
        headers = {"Auto-Submitted": "auto-generated"}
        EmailMessage(f"{name}: {subject}", text, to=[person.email], headers=headers).send()
    except (OSError, SMTPException):
        logger.exception("the state of the channel could not be mailed to %s", person.uuid)
        return False
    return True
