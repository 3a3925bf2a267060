"""What only a person may do with a delivery: repeat an uncertain mail, send a dead webhook again, give up."""

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError, NotFoundError
from sapwood.site.inbox import addresses, staff
from sapwood.site.inbox.actions.delivering import IN_FLIGHT, ring
from sapwood.site.inbox.data import DeliveryState, OutletKind
from sapwood.site.inbox.models import Delivery, WebhookDeadLetter


class NotRepeatableError(ConflictError):
    """This delivery is not one that a person can repeat now."""

    code = "inbox.not_repeatable"


@transaction.atomic
def repeat(delivery: UUID, *, actor: Actor, now: dt.datetime) -> Delivery:
    """Send an uncertain or failed delivery once more: with the same Message-ID or key, through the gate again."""
    staff.require(actor, staff.REPEAT)
    row = _locked(delivery)
    if row.state not in {DeliveryState.UNCERTAIN, DeliveryState.FAILED}:
        raise NotRepeatableError(_state_of(row), hint=_("Only uncertain and failed ones are repeated."))
    if row.state == DeliveryState.UNCERTAIN and row.started_at is not None and now - row.started_at < IN_FLIGHT:
        raise NotRepeatableError(_("This delivery is under way at this moment"), hint=_("Look again in two minutes."))
    if row.outlet == OutletKind.MAIL and row.person is None:
        raise NotRepeatableError(_("This person was erased"), hint=_("There is nobody to send it to."))
    together = Delivery.objects.filter(mailing=row.mailing) if row.mailing_id else Delivery.objects.filter(pk=row.pk)
    together.filter(state=row.state).update(
        state=DeliveryState.WAITING, due_at=now, attempts=0, finished_at=None, reason=""
    )
    if row.outlet == OutletKind.MAIL and row.person is not None:
        addresses.forget(row.person.email)
    WebhookDeadLetter.objects.filter(delivery=row).update(sent_again_at=now)
    audit.record(actor=actor, action="inbox.repeat", subject=row.subject, at=now, details={"was": str(row.state)})
    ring(now=now, run_at=now)
    row.refresh_from_db()
    return row


@transaction.atomic
def give_up(delivery: UUID, *, actor: Actor, now: dt.datetime) -> Delivery:
    """Say that an uncertain, waiting or failed delivery needs nothing more."""
    staff.require(actor, staff.REPEAT)
    row = _locked(delivery)
    if row.state not in {DeliveryState.UNCERTAIN, DeliveryState.WAITING, DeliveryState.FAILED}:
        raise NotRepeatableError(_state_of(row), hint=_("There is nothing to give up."))
    before = row.state
    row.state, row.finished_at, row.reason = DeliveryState.CANCELLED, now, gettext_noop("A person gave it up")
    row.save(update_fields=["state", "finished_at", "reason"])
    audit.record(actor=actor, action="inbox.give_up", subject=row.subject, at=now, details={"was": str(before)})
    return row


def _state_of(row: Delivery) -> str:
    return _("This delivery is %(state)s") % {"state": row.get_state_display()}


def _locked(delivery: UUID) -> Delivery:
    row = Delivery.objects.select_for_update().filter(uuid=delivery).first()
    if row is None:
        raise NotFoundError(
            _("There is no delivery %(id)s") % {"id": delivery}, hint=_("See 'sapwood inbox deliveries'.")
        )
    return row
