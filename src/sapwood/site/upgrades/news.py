"""News: a release, a fix, what happened by itself. Each is raised once, and mailed once to each administrator."""

import datetime as dt
import logging
import uuid
from collections.abc import Iterable, Sequence
from smtplib import SMTPException
from typing import Final

from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from sapwood.accounts.api import User, holders_of_permission
from sapwood.console.phrases import say
from sapwood.core import audit, settings
from sapwood.core.data import Actor
from sapwood.core.errors import NotFoundError
from sapwood.formats.exposure import Threat
from sapwood.formats.phrase import Phrase, recalled, recorded
from sapwood.site.upgrades.models import News, NewsMail
from sapwood.site.upgrades.permissions import AUTOMATE
from sapwood.site.upgrades.releases import Outlook, Sort

logger = logging.getLogger(__name__)

SECURITY: Final = "security"
URGENT: Final = ("critical", "high")
MOST_AT_ONCE: Final = 100
MAX_KEY: Final = 200


def raise_news(  # noqa: PLR0913 - what it is, whom it is about, and where it leads
    key: str,
    kind: str,
    words: Phrase,
    *,
    now: dt.datetime,
    severity: str = "low",
    subject: str = "",
    url: str = "",
    more: Iterable[object] = (),
) -> bool:
    """Raise a piece of news unless it was raised before; whether it is new."""
    values = {
        "uuid": uuid.uuid4(),
        "kind": kind,
        "severity": severity,
        "subject": subject,
        "words": recorded(words),
        "more": recorded(list(more)),
        "url": url,
        "raised_at": now,
    }
    return News.objects.get_or_create(key=key, defaults=values)[1]


@transaction.atomic
def note_outlook(ahead: Outlook | None, now: dt.datetime, *, candidates: bool) -> None:
    """Raise what is new for this site, and let go of what holds no more. Where nothing is known nothing changes."""
    if ahead is None:
        return
    current, url = set(), reverse("upgrades:news")
    for sort in Sort:
        found = ahead.newest(sort)
        if found is None or (sort is Sort.CANDIDATE and not candidates):
            continue
        key, severity = f"{sort.value}:{found.version}"[:MAX_KEY], "medium" if sort is Sort.POINT else "low"
        current.add(key)
        raise_news(key, sort.value, _released(sort, found.version, ahead.here), now=now, severity=severity, url=url)
    for threat in ahead.fixes:
        key = f"{SECURITY}:{threat.advisory.id}"[:MAX_KEY]
        current.add(key)
        severity = "critical" if threat.advisory.rating == "critical" else "high"
        raise_news(key, SECURITY, _fixed(threat), now=now, severity=severity, url=url, more=[threat.why])
    outside = News.objects.filter(kind__in=[*(sort.value for sort in Sort), SECURITY])
    outside.filter(over_at=None).exclude(key__in=current).update(over_at=now)
    outside.filter(key__in=current).exclude(over_at=None).update(over_at=None)


def standing_news() -> list[News]:
    """What nobody dismissed and still holds, the newest first."""
    return list(News.objects.filter(over_at=None, dismissed_at=None)[:MOST_AT_ONCE])


@transaction.atomic
def dismiss(key: uuid.UUID, *, actor: Actor, now: dt.datetime) -> News:
    """Somebody has read it and wants to see it no more. Raises NotFoundError."""
    row = News.objects.select_for_update().filter(uuid=key).first()
    if row is None:
        raise NotFoundError(Phrase("There is no such news"), hint=Phrase("Look at the list again."))
    if row.dismissed_at is None:
        row.dismissed_at = now
        row.save(update_fields=["dismissed_at"])
        audit.record(actor=actor, action="upgrades.news_dismissed", subject=f"news:{row.key}"[:200], at=now)
    return row


def mail_news(now: dt.datetime) -> int:
    """Mail what is new to everybody who may act on it, several things in one mail; how many mails went out.

    Who gets what is written down before the mail is handed over: a kill in between costs a mail, and doubles none.
    The news itself stays on the pages. A mail server that cannot be reached is asked again the next time.
    """
    due = list(News.objects.filter(mailed_at=None, over_at=None, dismissed_at=None).order_by("pk")[:MOST_AT_ONCE])
    people = list(holders_of_permission(AUTOMATE, now=now)) if due else []
    sent = 0
    for person in people:
        had = set(NewsMail.objects.filter(person=person, news__in=due).values_list("news_id", flat=True))
        mine = [row for row in due if row.pk not in had]
        if not mine:
            continue
        if not _send(person, mine, now):
            return sent
        sent += 1
    if people:
        News.objects.filter(pk__in=[row.pk for row in due]).update(mailed_at=now)
    return sent


def _send(person: User, rows: Sequence[News], now: dt.datetime) -> bool:
    """Whether the mail server was there; what became of a mail that it was handed, nobody repeats."""
    connection = get_connection()
    try:
        connection.open()
    except (OSError, SMTPException):
        logger.exception("news of upgrades could not be mailed: the mail server cannot be reached")
        return False
    try:
        with transaction.atomic():
            NewsMail.objects.bulk_create(NewsMail(news=row, person=person, at=now) for row in rows)
        message = _composed(person, rows)
        message.connection = connection
        message.send()
    except (OSError, SMTPException):
        logger.exception("news of upgrades may not have reached %s", person.uuid)
    finally:
        connection.close()
    return True


def _composed(person: User, rows: Sequence[News]) -> EmailMessage:
    base = settings.BASE_URL.get().rstrip("/")
    ordered = sorted(rows, key=lambda row: (row.severity not in URGENT, row.pk))
    with override(person.language or settings.LANGUAGE.get()):
        lines: list[str] = []
        for row in ordered:
            title = _plain(row.words)
            if row.kind == SECURITY:
                title = _("URGENT: %(what)s") % {"what": title}
            lines += [
                f"* {title}",
                *[f"  - {_plain(one)}" for one in row.more],
                f"  {base}{row.url}" if row.url else "",
            ]
        if len(ordered) == 1:
            subject = _plain(ordered[0].words)
        else:
            subject = ngettext("%(count)d piece of news", "%(count)d pieces of news", len(ordered)) % {
                "count": len(ordered)
            }
        if any(row.kind == SECURITY for row in ordered):
            subject = _("Security: %(what)s") % {"what": subject}
        text = "\n".join([*lines, "", _("All of it: %(url)s") % {"url": f"{base}{reverse('upgrades:news')}"}, ""])
        name = settings.SITE_NAME.get() or "Sapwood"
    headers = {"Auto-Submitted": "auto-generated"}
    return EmailMessage(" ".join(f"{name}: {subject}".split())[:200], text, to=[person.email], headers=headers)


def _plain(words: object) -> str:
    return " ".join(say(recalled(words)).split())


def _released(sort: Sort, release: str, here: str) -> Phrase:
    if sort is Sort.POINT:
        return Phrase("%(release)s is out on your release line; you run %(here)s", release=release, here=here)
    if sort is Sort.LINE:
        return Phrase("%(release)s is out on a newer release line; you run %(here)s", release=release, here=here)
    return Phrase("The candidate %(release)s can be tried; you run %(here)s", release=release, here=here)


def _fixed(threat: Threat) -> Phrase:
    fixed = threat.advisory.fixed_in
    offered = [f"{name} {version}" for name, version in fixed.distributions.items()]
    where = (*fixed.tags, *offered)[0]
    return Phrase("A security fix concerns this site: %(id)s is fixed in %(where)s", id=threat.advisory.id, where=where)
