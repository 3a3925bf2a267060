"""What its source takes back: one item is marked, much of a channel at once is asked about first."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import NotFoundError
from sapwood.formats.errors import FormatError
from sapwood.site.inbox import documents, staff
from sapwood.site.inbox.data import HIGH, Decision, Received, Upstream, is_security_channel
from sapwood.site.inbox.models import Item, MassWithdrawal, Retraction

# Taking back this many at once, and this share of what is live, is asked about rather than followed.
MASS_COUNT: Final = 5
MASS_SHARE: Final = 0.5
WAITING: Final = (Decision.NEW, Decision.IN_REVIEW, Decision.SNOOZED)


def settle(item: Item, *, now: dt.datetime) -> None:
    """Something was taken back: what nobody decided retires, what was approved asks for a decision."""
    if item.decision == Decision.APPROVED:
        item.raised_at = now
    elif item.decision in WAITING:
        item.decision, item.decided_at = Decision.ARCHIVED, now
        item.raised_at = item.snoozed_until = None
    item.save()


def retract(found: documents.Withdrawal, row: Received, *, now: dt.datetime, actor: Actor) -> bool:
    """Whether a retraction marked an item. It counts on its own channel only, and removes nothing that was approved."""
    item = Item.objects.select_for_update().filter(channel=row.channel, publication=found.publication).first()
    Retraction.objects.get_or_create(
        channel=row.channel,
        publication=found.publication,
        defaults={"revision": found.revision, "reason": found.reason[:500], "at": now},
    )
    if item is None or item.upstream == Upstream.RETRACTED:
        return False
    approved = item.approval.revision if item.approval else None
    if not found.covers(item.revision) and (approved is None or not found.covers(approved)):
        return False
    _retract_item(item, found.reason, now=now, actor=actor, urgent=found.urgent)
    return True


def _retract_item(item: Item, reason: str, *, now: dt.datetime, actor: Actor, urgent: bool = False) -> None:
    """Mark one item as taken back by its source, inside the caller's transaction; security is always urgent."""
    item.upstream = Upstream.RETRACTED
    if urgent or is_security_channel(item.channel):
        item.severity_rank = max(item.severity_rank, HIGH)
    item.retraction = reason[:500]
    settle(item, now=now)
    audit.record(actor=actor, action="inbox.retract", subject=item.subject, at=now, details={"reason": item.retraction})


def was_taken_back(item: Item, *, now: dt.datetime) -> None:
    """A retraction may arrive before what it retracts."""
    earlier = Retraction.objects.filter(channel=item.channel, publication=item.publication).first()
    if earlier is not None and earlier.revision in {None, item.revision}:
        item.upstream, item.retraction = Upstream.RETRACTED, earlier.reason
        settle(item, now=now)


def ask_about_many(by_channel: Mapping[str, Sequence[Received]], *, now: dt.datetime, actor: Actor) -> set[int]:
    """Retractions that take back much of a channel at once are put before a person instead of being followed.

    The ids of those that are held back.
    """
    held: set[int] = set()
    for channel, rows in by_channel.items():
        wanted = {}
        for row in rows:
            try:
                found = documents.withdrawal(row.raw)
            except (FormatError, KeyError, ValueError):
                continue
            wanted[row.id] = found
        live = _live_of(channel)
        hit = live.filter(publication__in=[found.publication for found in wanted.values()]).count()
        if hit < MASS_COUNT or hit < MASS_SHARE * live.count():
            continue
        held |= set(wanted)
        with transaction.atomic():
            _ask(
                channel,
                [(found.publication, found.reason) for found in wanted.values()],
                live.count(),
                now=now,
                actor=actor,
            )
    return held


def _live_of(channel: str) -> QuerySet[Item]:
    return Item.objects.filter(channel=channel).live()


def _ask(channel: str, wanted: list[tuple[str, str]], live: int, *, now: dt.datetime, actor: Actor) -> None:
    retractions = [{"publication": uuid, "reason": reason} for uuid, reason in wanted]
    same = MassWithdrawal.objects.filter(channel=channel, retractions=retractions, decided_at=None)
    if same.exists():
        return
    row = MassWithdrawal.objects.create(channel=channel, retractions=retractions, live_before=live, asked_at=now)
    audit.record(
        actor=actor,
        action="inbox.mass_withdrawal",
        subject=f"channel:{channel}",
        at=now,
        details={"id": row.pk, "count": len(retractions), "live": live},
    )


@transaction.atomic
def decide_mass_withdrawal(withdrawal_id: int, *, follow: bool, actor: Actor, now: dt.datetime) -> int:
    """Follow a mass withdrawal or refuse it; the number of items marked as retracted."""
    staff.require(actor, staff.APPROVE)
    row = MassWithdrawal.objects.select_for_update().filter(pk=withdrawal_id, decided_at=None).first()
    if row is None:
        raise NotFoundError(_("No such withdrawal waits for a decision"), hint=_("Somebody else may have decided it."))
    count = 0
    if follow:
        for entry in row.retractions:
            item = Item.objects.filter(channel=row.channel, publication=entry["publication"]).first()
            if item is not None and item.upstream != Upstream.RETRACTED:
                _retract_item(item, entry["reason"], now=now, actor=actor)
                count += 1
    row.decided_at, row.followed = now, follow
    row.save(update_fields=["decided_at", "followed"])
    audit.record(
        actor=actor,
        action="inbox.mass_withdrawal_decided",
        subject=f"channel:{row.channel}",
        at=now,
        details={"id": row.pk, "followed": follow, "items": count},
    )
    return count
