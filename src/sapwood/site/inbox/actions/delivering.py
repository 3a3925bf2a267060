"""From approvals to deliveries: what is due is cleared by the gate, claimed, handed over, and written down."""

import datetime as dt
from typing import Final

from django.db import transaction

from sapwood.core import audit, jobs
from sapwood.core.clock import Clock
from sapwood.core.data import Actor
from sapwood.core.http import HttpClient
from sapwood.site.inbox import gate
from sapwood.site.inbox.data import DeliveryReport, DeliveryState, OutletKind
from sapwood.site.inbox.models import Delivery, Dispatch
from sapwood.site.inbox.outlets import home

JOB: Final = "inbox.deliver_due"
AT_HOME: Final = (OutletKind.PAGE, OutletKind.FEED)


def ring(*, now: dt.datetime, run_at: dt.datetime) -> None:
    """Have the worker look for due deliveries at `run_at`; in the caller's transaction."""
    jobs.enqueue(JOB, now=now, run_at=run_at, key=f"at:{run_at.isoformat()}")


@transaction.atomic
def deliver_at_home(approval_id: int, *, now: dt.datetime) -> None:
    """Publish on page and feed, inside the transaction of the approval: exactly once, and at once."""
    due = Dispatch.objects.select_for_update().filter(approval_id=approval_id, outlet__in=AT_HOME, done_at=None)
    for dispatch in due.order_by("id"):
        kind = OutletKind(dispatch.outlet)
        try:
            clearance = gate.cleared(approval_id, now, outlet=kind)
        except gate.NotClearedError as error:
            hold(dispatch, error, now=now)
            continue
        publish = home.publish_on_page if kind is OutletKind.PAGE else home.publish_in_feed
        if publish(clearance, now=now):
            _record(dispatch, "inbox.publish", now=now)
        dispatch.done_at, dispatch.held, dispatch.held_code = now, "", ""
        dispatch.save(update_fields=["done_at", "held", "held_code"])


def hold(dispatch: Dispatch, error: gate.NotClearedError, *, now: dt.datetime) -> None:
    """Write down why the gate is closed; what can never open again is cancelled."""
    if isinstance(error, gate.NotYetError):
        return
    if error.final:
        dispatch.done_at = now
        Delivery.objects.filter(
            approval_id=dispatch.approval_id, outlet=dispatch.outlet, state=DeliveryState.WAITING
        ).update(state=DeliveryState.CANCELLED, finished_at=now, reason=error.message[:300])
    if dispatch.held_code != error.code:
        _record(dispatch, "inbox.cancel" if error.final else "inbox.hold", now=now, why=error.message)
    dispatch.held, dispatch.held_code = error.message[:300], error.code
    dispatch.save(update_fields=["done_at", "held", "held_code"])


def _record(dispatch: Dispatch, action: str, *, now: dt.datetime, why: str = "") -> None:
    audit.record(
        actor=Actor.system("inbox.deliver"),
        action=action,
        subject=dispatch.approval.subject,
        at=now,
        details={"outlet": str(dispatch.outlet), **({"why": why} if why else {})},
    )


def deliver_due(*, clock: Clock, http: HttpClient | None = None) -> DeliveryReport:
    """One round: publish and list what is due, then mail and webhooks, each cleared again just before it goes."""
    now = clock.now()
    due = Dispatch.objects.filter(done_at=None, due_at__lte=now).order_by("due_at", "id")
    for dispatch_id, approval_id, outlet in list(due.values_list("pk", "approval_id", "outlet")):
        if outlet in AT_HOME:
            deliver_at_home(approval_id, now=now)
    return DeliveryReport()
