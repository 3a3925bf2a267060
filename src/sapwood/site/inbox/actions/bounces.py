"""The bounce list: kept by hand, and from the notifications that mail servers send back."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from sapwood.core import audit
from sapwood.core.data import JSON, Actor
from sapwood.core.errors import NotFoundError
from sapwood.site.inbox import addresses, notices, staff
from sapwood.site.inbox.actions.people import clean_address
from sapwood.site.inbox.data import DeliveryState, OutletKind
from sapwood.site.inbox.models import Delivery, Mailing, Person

HANDED_OVER: Final = (DeliveryState.SENT, DeliveryState.UNCERTAIN)


@dataclass(frozen=True)
class BounceReport:
    """What reading notifications did.

    `hard` and `soft` mails came back for good or for now, `late` ones are still tried, `known` ones were counted
    before; `foreign` notices speak of no mail that this site sent to that address; `other` mails are no notifications.
    """

    mails: int = 0
    hard: int = 0
    soft: int = 0
    late: int = 0
    known: int = 0
    foreign: int = 0
    other: int = 0

    def as_dict(self) -> dict[str, JSON]:
        """For `--json`."""
        return asdict(self)


@transaction.atomic
def refuse_mail(email: str, *, actor: Actor, now: dt.datetime) -> None:
    """Send nothing to this address any more; doing it twice changes nothing."""
    staff.require(actor, staff.PEOPLE)
    address = clean_address(email)
    if not addresses.bounces(address):
        addresses.remember(address, "by hand", now=now)
        audit.record(actor=actor, action="people.refuse_mail", subject=_subject(address), at=now)


@transaction.atomic
def allow_mail(email: str, *, actor: Actor, now: dt.datetime) -> None:
    """Send to this address again. Raises NotFoundError when nothing kept mail from it."""
    staff.require(actor, staff.PEOPLE)
    address = clean_address(email)
    if not addresses.forget(address):
        raise NotFoundError(_("Mail to this address is not refused"), hint=_("Check how the address is written."))
    audit.record(actor=actor, action="people.allow_mail", subject=_subject(address), at=now)


def read_notices(mails: Iterable[bytes], *, actor: Actor, now: dt.datetime) -> BounceReport:
    """Take in what mail servers sent back. Only a notice that names a mail of ours, to that address, counts."""
    staff.require(actor, staff.PEOPLE)
    counts = dict.fromkeys(asdict(BounceReport()), 0)
    for raw in mails:
        counts["mails"] += 1
        found = notices.read_notices(raw)
        counts["other"] += not found
        for notice in found:
            counts[_take(notice, actor=actor, now=now)] += 1
    return BounceReport(**counts)


@transaction.atomic
def _take(notice: notices.Notice, *, actor: Actor, now: dt.datetime) -> str:
    # The id holds 122 random bits that only the recipient and the servers on the way have seen.
    mailing = Mailing.objects.select_related("person").filter(message_id=notice.message_id).first()
    person = mailing.person if mailing else None
    if mailing is None or person is None or person.email.lower() not in notice.recipients:
        return "foreign"
    if not notice.failed:
        return "late"
    rows = Delivery.objects.filter(mailing=mailing, outlet=OutletKind.MAIL, state__in=HANDED_OVER)
    reason = gettext_noop("The mail came back for good") if notice.hard else gettext_noop("The mail came back for now")
    if not rows.update(state=DeliveryState.FAILED, finished_at=now, reason=reason):
        return "known"
    if notice.hard:
        addresses.remember(person.email, notice.status, now=now)
    details: dict[str, JSON] = {"status": notice.status, "refused_from_now_on": notice.hard}
    audit.record(actor=actor, action="people.bounced", subject=person.subject, at=now, details=details)
    return "hard" if notice.hard else "soft"


def _subject(address: str) -> str:
    row = Person.objects.filter(email__iexact=address).first()
    return row.subject if row else "person:unknown"
