"""From approvals to deliveries: what is due is cleared by the gate, claimed, handed over, and written down.

A mail or webhook is claimed as *uncertain* in a transaction of its own before it leaves: whoever kills this process
then leaves exactly that on record. Uncertain mail waits for a person; an uncertain webhook goes again with its key.
"""

import datetime as dt
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from django.core.mail import get_connection
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import override

from sapwood.core import audit, jobs
from sapwood.core.clock import Clock
from sapwood.core.data import Actor
from sapwood.core.http import HttpClient, default_client
from sapwood.site.inbox import addresses, gate
from sapwood.site.inbox.data import SEVERITIES, Audience, DeliveryReport, DeliveryState, OutletKind, severity_rank
from sapwood.site.inbox.models import (
    Delivery,
    Dispatch,
    Item,
    Mailing,
    OutletConfig,
    Person,
    StreamOptIn,
    WebhookDeadLetter,
)
from sapwood.site.inbox.outlets import home, mail, webhook

log = logging.getLogger(__name__)
JOB: Final = "inbox.deliver_due"
AT_HOME: Final = (OutletKind.PAGE, OutletKind.FEED)
IN_FLIGHT: Final = dt.timedelta(minutes=2)
MAX_WEBHOOK_ATTEMPTS: Final = 8
MAX_MAIL_ATTEMPTS: Final = 12
LOOK_AGAIN: Final = dt.timedelta(minutes=5)
BATCH: Final = 500
ROUND: Final = 2000
WHO: Final = Actor.system("inbox.deliver")


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
            # Why the gate is closed is kept, so it is said in English, whoever's press of a button asked.
            with override("en"):
                clearance = gate.cleared(approval_id, now, outlet=kind)
        except gate.NotClearedError as error:
            hold(dispatch, error, now=now)
            continue
        publish = home.publish_on_page if kind is OutletKind.PAGE else home.publish_in_feed
        if publish(clearance, now=now):
            _record(dispatch, "inbox.publish", now=now)
        _done(dispatch, now)


def deliver_due(*, clock: Clock, http: HttpClient | None = None) -> DeliveryReport:
    """One round: publish and list what is due, then mail and webhooks, each cleared again just before it goes."""
    now = clock.now()
    due = Dispatch.objects.filter(done_at=None, due_at__lte=now).order_by("due_at", "id")
    for pk, approval_id, outlet in list(due.values_list("pk", "approval_id", "outlet")):
        if outlet in AT_HOME:
            deliver_at_home(approval_id, now=now)
        else:
            list_recipients(pk, now=now)
    resume_webhooks(now=now)
    _post_due(clock, http or default_client())
    _mail_due(clock)
    return report(now=now)


def report(*, now: dt.datetime) -> DeliveryReport:
    """How deliveries stand: what finished in the last hour, and what is open."""
    recent = Q(finished_at__gt=now - dt.timedelta(hours=1)) | Q(finished_at=None)
    counts = {state.value: Delivery.objects.filter(recent, state=state).count() for state in DeliveryState}
    held = Dispatch.objects.filter(done_at=None).exclude(held="").values_list("held", flat=True)
    return DeliveryReport(**counts, held=tuple(held[:20]))


# --- listing recipients -------------------------------------------------------------------------------------------


@transaction.atomic
def list_recipients(dispatch_id: int, *, now: dt.datetime) -> int:
    """One waiting row per recipient of a mail or webhook dispatch; listing twice adds nobody twice."""
    dispatch = Dispatch.objects.select_for_update().filter(pk=dispatch_id, done_at=None).first()
    if dispatch is None:
        return 0
    try:
        clearance = gate.cleared(dispatch.approval_id, now, outlet=OutletKind(dispatch.outlet))
    except gate.NotClearedError as error:
        hold(dispatch, error, now=now)
        return 0
    rows = _mail_rows(clearance, now) if dispatch.outlet == OutletKind.MAIL else _webhook_rows(clearance, now)
    count = 0
    for batch in _batches(rows):
        Delivery.objects.bulk_create(batch, ignore_conflicts=True)
        count += len(batch)
    _record(dispatch, "inbox.list_recipients", now=now, count=count)
    _done(dispatch, now)
    return count


def _mail_rows(clearance: gate.Cleared, now: dt.datetime) -> Iterator[Delivery]:
    rank = severity_rank(clearance.severity)
    for person in recipients(clearance.audience, clearance.channel).iterator(chunk_size=BATCH):
        at_once = person.threshold in SEVERITIES and rank >= SEVERITIES.index(person.threshold)
        if at_once or person.digest:
            yield Delivery(
                approval_id=clearance.approval,
                outlet=OutletKind.MAIL,
                target=str(person.uuid),
                person=person,
                digest=not at_once,
                due_at=now,
            )


def recipients(audience: Audience, channel: str) -> Any:
    """Who gets mail of a channel: confirmed, not unsubscribed, and, beyond administrators, having asked for it."""
    people = Person.objects.filter(audience=audience, confirmed_at__isnull=False, unsubscribed_at=None)
    if audience is not Audience.ADMINISTRATORS:
        people = people.filter(pk__in=StreamOptIn.objects.filter(channel=channel).values("person_id"))
    return people.order_by("pk")


def _webhook_rows(clearance: gate.Cleared, now: dt.datetime) -> Iterator[Delivery]:
    receivers = OutletConfig.objects.filter(outlet=OutletKind.WEBHOOK, audience=clearance.audience, enabled=True)
    for config in receivers.order_by("pk"):
        yield Delivery(approval_id=clearance.approval, outlet=OutletKind.WEBHOOK, target=str(config.uuid), due_at=now)


def _batches(rows: Iterator[Delivery]) -> Iterator[list[Delivery]]:
    batch: list[Delivery] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


# --- mail ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Claimed:
    addressees: tuple[gate.Addressee, ...]
    mailing: Mailing
    rows: tuple[int, ...]


def _mail_due(clock: Clock) -> None:
    """Instant mail, and whatever a person asked to repeat."""
    waiting = Delivery.objects.filter(
        Q(digest=False) | Q(mailing__isnull=False),
        outlet=OutletKind.MAIL,
        state=DeliveryState.WAITING,
        due_at__lte=clock.now(),
    )
    groups: dict[tuple[str, int], list[int]] = {}
    for pk, mailing in waiting.order_by("due_at", "pk").values_list("pk", "mailing_id")[:ROUND]:
        groups.setdefault(("mailing", mailing) if mailing else ("row", pk), []).append(pk)
    _send_groups(list(groups.values()), clock, digest=False)


def deliver_digests(*, clock: Clock) -> int:
    """One mail per person with everything that waited for the daily digest; the number of mails."""
    waiting = Delivery.objects.filter(
        outlet=OutletKind.MAIL, state=DeliveryState.WAITING, digest=True, mailing=None, due_at__lte=clock.now()
    )
    groups: dict[str, list[int]] = {}
    for pk, target in waiting.order_by("target", "pk").values_list("pk", "target"):
        groups.setdefault(target, []).append(pk)
    return _send_groups(list(groups.values()), clock, digest=True)


def _send_groups(groups: Sequence[Sequence[int]], clock: Clock, *, digest: bool) -> int:
    if not groups:
        return 0
    connection = get_connection()
    try:
        connection.open()
    except OSError as error:
        # Nothing was claimed, so nothing is uncertain: the next round tries again.
        log.warning("the mail server cannot be reached: %s", error)
        _postpone([pk for group in groups for pk in group], f"The mail server cannot be reached: {error}", clock.now())
        return 0
    try:
        return sum(_send_group(group, connection, clock, digest=digest) for group in groups)
    finally:
        connection.close()


def _postpone(ids: Sequence[int], why: str, now: dt.datetime) -> None:
    for start in range(0, len(ids), BATCH):
        waiting = Delivery.objects.filter(pk__in=ids[start : start + BATCH], state=DeliveryState.WAITING)
        waiting.update(due_at=now + LOOK_AGAIN, reason=why[:300])


def _send_group(ids: Sequence[int], connection: Any, clock: Clock, *, digest: bool) -> bool:
    claimed = _claim_mail(ids, clock.now(), digest=digest)
    if claimed is None:
        return False
    try:
        mail.send_mail(
            claimed.addressees,
            message_id=claimed.mailing.message_id,
            connection=connection,
            now=clock.now(),
            digest=claimed.mailing.digest,
        )
    except mail.MailRefusedError as error:
        _mail_refused(claimed, error, clock.now())
        return False
    except mail.MailUnclearError as error:
        Delivery.objects.filter(pk__in=claimed.rows).update(reason=error.message[:300])
        return False
    _finish(claimed.rows, DeliveryState.SENT, clock.now())
    return True


@transaction.atomic(durable=True)
def _claim_mail(ids: Sequence[int], now: dt.datetime, *, digest: bool) -> _Claimed | None:
    """Clear each row once more and mark it uncertain, with the Message-ID that it will carry."""
    rows = list(
        Delivery.objects.select_for_update()
        .filter(pk__in=ids, state=DeliveryState.WAITING)
        .prefetch_related("person", "mailing", "approval")  # joined, PostgreSQL would refuse to lock what may be null
        .order_by("pk")
    )
    addressees, kept = [], []
    for row in rows:
        try:
            addressees.append(_addressee(row, now))
            kept.append(row)
        except gate.NotClearedError as error:
            _not_cleared(row, error, now)
    if not kept:
        return None
    mailing = kept[0].mailing or _new_mailing(kept, digest=digest, now=now)
    claimed = Delivery.objects.filter(pk__in=[row.pk for row in kept], state=DeliveryState.WAITING)
    if claimed.update(state=DeliveryState.UNCERTAIN, started_at=now, mailing=mailing, reason="") != len(kept):
        transaction.set_rollback(True)
        return None
    for row in kept:
        Delivery.objects.filter(pk=row.pk).update(attempts=row.attempts + 1)
    return _Claimed(tuple(addressees), mailing, tuple(row.pk for row in kept))


def _addressee(row: Delivery, now: dt.datetime) -> gate.Addressee:
    Item.objects.select_for_update().get(pk=row.approval.item_id)
    clearance = gate.cleared(row.approval_id, now, outlet=OutletKind.MAIL)
    if row.person is None:
        raise gate.NotAddressedError(_("This person was erased"))
    opted_in = StreamOptIn.objects.filter(person=row.person, channel=clearance.channel).exists()
    return gate.addressee(clearance, row.person, opted_in=opted_in)


def _new_mailing(rows: Sequence[Delivery], *, digest: bool, now: dt.datetime) -> Mailing:
    key = uuid4() if digest else rows[0].uuid
    return Mailing.objects.create(
        uuid=key, person=rows[0].person, message_id=mail.message_id_for(str(key)), digest=digest, started_at=now
    )


def _mail_refused(claimed: _Claimed, error: mail.MailRefusedError, now: dt.datetime) -> None:
    """The server said no, so nothing was sent: try later, or give the address up."""
    if error.permanent:
        with transaction.atomic():
            addresses.remember(claimed.addressees[0].person.email, error.message, now=now)
            _finish(claimed.rows, DeliveryState.FAILED, now, error.message)
        return
    for row in Delivery.objects.filter(pk__in=claimed.rows):
        if row.attempts >= MAX_MAIL_ATTEMPTS:
            _finish([row.pk], DeliveryState.FAILED, now, error.message)
        else:
            _again(row, error.message, now)


# --- webhooks -----------------------------------------------------------------------------------------------------


def resume_webhooks(*, now: dt.datetime) -> int:
    """Webhooks that were in flight when a process died go again, with the same key."""
    stuck = Delivery.objects.filter(
        outlet=OutletKind.WEBHOOK, state=DeliveryState.UNCERTAIN, started_at__lt=now - IN_FLIGHT
    )
    return stuck.update(state=DeliveryState.WAITING, due_at=now)


def _post_due(clock: Clock, http: HttpClient) -> None:
    waiting = Delivery.objects.filter(outlet=OutletKind.WEBHOOK, state=DeliveryState.WAITING, due_at__lte=clock.now())
    for pk in list(waiting.order_by("due_at", "pk").values_list("pk", flat=True)[:ROUND]):
        claimed = _claim_webhook(pk, clock.now())
        if claimed is None:
            continue
        clearance, row, config = claimed
        try:
            webhook.post_webhook(clearance, row, config, http=http, now=clock.now())
        except webhook.WebhookFailedError as error:
            _webhook_failed(row, error, clock.now())
        else:
            _finish([row.pk], DeliveryState.SENT, clock.now())


@transaction.atomic(durable=True)
def _claim_webhook(pk: int, now: dt.datetime) -> tuple[gate.Cleared, Delivery, OutletConfig] | None:
    row = Delivery.objects.select_for_update().filter(pk=pk, state=DeliveryState.WAITING).first()
    if row is None:
        return None
    config = OutletConfig.objects.filter(uuid=row.target, enabled=True).first()
    try:
        Item.objects.select_for_update().get(pk=row.approval.item_id)
        clearance = gate.cleared(row.approval_id, now, outlet=OutletKind.WEBHOOK)
        if config is None or config.audience != clearance.audience:
            raise gate.NotAddressedError(_("This receiver was removed"))
    except gate.NotClearedError as error:
        _not_cleared(row, error, now)
        return None
    row.state, row.started_at, row.attempts, row.reason = DeliveryState.UNCERTAIN, now, row.attempts + 1, ""
    row.save(update_fields=["state", "started_at", "attempts", "reason"])
    return clearance, row, config


@transaction.atomic
def _webhook_failed(row: Delivery, error: webhook.WebhookFailedError, now: dt.datetime) -> None:
    if row.attempts < MAX_WEBHOOK_ATTEMPTS:
        _again(row, error.message, now)
        return
    _finish([row.pk], DeliveryState.FAILED, now, error.message)
    WebhookDeadLetter.objects.update_or_create(
        delivery=row,
        defaults={"attempts": row.attempts, "last_error": error.message[:300], "at": now, "sent_again_at": None},
    )


# --- what all of them share ---------------------------------------------------------------------------------------


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


def _not_cleared(row: Delivery, error: gate.NotClearedError, now: dt.datetime) -> None:
    waiting = Delivery.objects.filter(pk=row.pk, state=DeliveryState.WAITING)
    if error.final:
        waiting.update(state=DeliveryState.CANCELLED, finished_at=now, reason=error.message[:300])
    else:
        waiting.update(due_at=now + LOOK_AGAIN, reason=error.message[:300])
    if row.reason != error.message[:300]:
        audit.record(
            actor=WHO,
            action="inbox.cancel" if error.final else "inbox.hold",
            subject=row.subject,
            at=now,
            details={"why": error.message},
        )


@transaction.atomic
def _finish(ids: Sequence[int], state: DeliveryState, now: dt.datetime, reason: str = "") -> None:
    for row in Delivery.objects.filter(pk__in=ids, state=DeliveryState.UNCERTAIN):
        row.state, row.finished_at, row.reason = state, now, reason[:300]
        row.save(update_fields=["state", "finished_at", "reason"])
        audit.record(
            actor=WHO, action=f"inbox.{state.value}", subject=row.subject, at=now, details={"outlet": str(row.outlet)}
        )


def _again(row: Delivery, why: str, now: dt.datetime) -> None:
    wait = min(dt.timedelta(seconds=30 * 2**row.attempts), dt.timedelta(hours=6))
    Delivery.objects.filter(pk=row.pk, state=DeliveryState.UNCERTAIN).update(
        state=DeliveryState.WAITING, due_at=now + wait, reason=why[:300]
    )


def _done(dispatch: Dispatch, now: dt.datetime) -> None:
    dispatch.done_at, dispatch.held, dispatch.held_code = now, "", ""
    dispatch.save(update_fields=["done_at", "held", "held_code"])


def _record(dispatch: Dispatch, action: str, *, now: dt.datetime, why: str = "", count: int | None = None) -> None:
    details: dict[str, Any] = {"outlet": str(dispatch.outlet)}
    details |= {"why": why} if why else {}
    details |= {"count": count} if count is not None else {}
    audit.record(actor=WHO, action=action, subject=dispatch.approval.subject, at=now, details=details)
