"""What an administrator decides about an item, short of letting it through."""

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from sapwood.core import audit
from sapwood.core.data import JSON, Actor
from sapwood.core.errors import ConflictError, NotFoundError, UsageError
from sapwood.site.inbox import staff
from sapwood.site.inbox.data import Decision, DeliveryState, Upstream
from sapwood.site.inbox.models import Delivery, Dispatch, Item

MAX_SNOOZE = dt.timedelta(days=366)


class DecidedError(ConflictError):
    """Somebody decided this item in the meantime, or it does not stand where this step starts."""

    code = "inbox.decided"


def locked(item_id: int) -> Item:
    """The item, locked for the rest of the transaction. Raises NotFoundError."""
    item = Item.objects.select_for_update().filter(pk=item_id).first()
    if item is None:
        raise NotFoundError(_("There is no item %(id)s") % {"id": item_id}, hint=_("See 'sapwood inbox list'."))
    return item


@transaction.atomic
def start_review(item_id: int, *, actor: Actor, now: dt.datetime) -> Item:
    """Say that somebody is looking at it."""
    item = locked(item_id)
    staff.require(actor, staff.DECIDE, item)
    if item.decision not in {Decision.NEW, Decision.SNOOZED, Decision.ARCHIVED, Decision.REJECTED}:
        return item
    return _decide(item, Decision.IN_REVIEW, actor=actor, now=now, raise_hand=True)


@transaction.atomic
def reject(item_id: int, *, actor: Actor, now: dt.datetime, reason: str = "") -> Item:
    """Decide that this item goes to nobody here."""
    item = locked(item_id)
    staff.require(actor, staff.DECIDE, item)
    _not_approved(item)
    return _decide(item, Decision.REJECTED, actor=actor, now=now, details={"reason": reason[:500]})


@transaction.atomic
def archive(item_id: int, *, actor: Actor, now: dt.datetime) -> Item:
    """File the item without a verdict."""
    item = locked(item_id)
    staff.require(actor, staff.DECIDE, item)
    _not_approved(item)
    return _decide(item, Decision.ARCHIVED, actor=actor, now=now)


@transaction.atomic
def snooze(item_id: int, *, until: dt.datetime, actor: Actor, now: dt.datetime) -> Item:
    """Let the item come back at `until`."""
    item = locked(item_id)
    staff.require(actor, staff.DECIDE, item)
    _not_approved(item)
    if not now < until <= now + MAX_SNOOZE:
        raise UsageError(
            _("An item can be snoozed from now up to a year"), hint=_("Choose a later day, or archive it.")
        )
    item.snoozed_until = until
    return _decide(item, Decision.SNOOZED, actor=actor, now=now, details={"until": until.isoformat()})


@transaction.atomic
def wake_snoozed(*, now: dt.datetime, actor: Actor) -> int:
    """Raise the hand of every item whose rest is over; the number of them."""
    due = list(Item.objects.select_for_update().filter(decision=Decision.SNOOZED, snoozed_until__lte=now))
    for item in due:
        _decide(item, Decision.NEW, actor=actor, now=now, raise_hand=True)
    return len(due)


@transaction.atomic
def withdraw(item_id: int, *, actor: Actor, now: dt.datetime, reason: str = "") -> Item:
    """Take an approval back: it leaves page and feed at once, and what waits is cancelled."""
    item = locked(item_id)
    staff.require(actor, staff.APPROVE, item)
    if item.approval_id is None:
        raise DecidedError(_("This item is not approved"), hint=_("Reload the page."))
    details: dict[str, JSON] = {"approval": item.approval_id, "reason": reason[:500]}
    let_go(item, why=gettext_noop("The approval was withdrawn"), now=now)
    return _decide(item, Decision.REJECTED, actor=actor, now=now, details=details, action="inbox.withdraw")


@transaction.atomic
def keep_approved(item_id: int, *, actor: Actor, now: dt.datetime) -> Item:
    """Answer to a revision, retraction or replacement: what was approved stays as it is."""
    item = locked(item_id)
    staff.require(actor, staff.APPROVE, item)
    if item.decision != Decision.APPROVED:
        raise DecidedError(_("This item is not approved"), hint=_("Reload the page."))
    item.acknowledged_revision = item.revision
    item.raised_at = None
    item.save(update_fields=["acknowledged_revision", "raised_at"])
    audit.record(
        actor=actor,
        action="inbox.keep_approved",
        subject=item.subject,
        at=now,
        details={"revision": item.revision, "upstream": str(item.upstream)},
    )
    return item


def let_go(item: Item, *, why: str, now: dt.datetime) -> None:
    """Cancel what waits under the item's approval and unlink it, inside the caller's transaction.

    `why` is kept in English; pages translate it where they know the sentence.
    """
    if item.approval_id is None:
        return
    cancel_waiting(item.approval_id, why=why, now=now)
    item.approval = None


def cancel_waiting(approval_id: int, *, why: str, now: dt.datetime) -> int:
    """Cancel every delivery that waits under an approval; what is uncertain stays uncertain."""
    Dispatch.objects.filter(approval_id=approval_id, done_at=None).update(done_at=now, held="", held_code="")
    waiting = Delivery.objects.filter(approval_id=approval_id, state=DeliveryState.WAITING)
    return waiting.update(state=DeliveryState.CANCELLED, finished_at=now, reason=why[:300])


def _not_approved(item: Item) -> None:
    if item.decision == Decision.APPROVED:
        raise DecidedError(_("This item is approved"), hint=_("Withdraw the approval first."))


def _decide(  # noqa: PLR0913 - one place writes every decision
    item: Item,
    decision: Decision,
    *,
    actor: Actor,
    now: dt.datetime,
    details: dict[str, JSON] | None = None,
    raise_hand: bool = False,
    action: str = "",
) -> Item:
    before = item.decision
    if decision is not Decision.SNOOZED:
        item.snoozed_until = None
    if before == Decision.IN_REVIEW and decision is not Decision.IN_REVIEW:
        let_go(item, why=gettext_noop("The item was decided otherwise"), now=now)
    item.decision = decision
    item.decided_at = None if decision in {Decision.NEW, Decision.IN_REVIEW} else now
    item.raised_at = (item.raised_at or now) if raise_hand else None
    if item.upstream == Upstream.RETRACTED and decision is not Decision.APPROVED:
        item.raised_at = None
    item.save()
    audit.record(
        actor=actor,
        action=action or f"inbox.{decision.value}",
        subject=item.subject,
        at=now,
        details={"from": str(before), **(details or {})},
    )
    return item
