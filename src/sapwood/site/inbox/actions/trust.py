"""Trust in stages: each opening is a decision of its own, and one press takes it back."""

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext as _

from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError, NotFoundError
from sapwood.site.inbox import staff
from sapwood.site.inbox.actions.deciding import cancel_waiting
from sapwood.site.inbox.data import Audience, DeliveryState
from sapwood.site.inbox.models import Approval, ChannelPolicy, Delivery, Dispatch


class StageOrderError(ConflictError):
    """A channel opens one stage at a time."""

    code = "inbox.stage_order"


def _policy(channel: str) -> ChannelPolicy:
    row = ChannelPolicy.objects.select_for_update().filter(channel=channel).first()
    if row is None:
        raise NotFoundError(
            _("Nothing was received on a channel named %(channel)s") % {"channel": channel},
            hint=_("Subscribe to it first."),
        )
    return row


@transaction.atomic
def open_channel(channel: str, audience: Audience, *, actor: Actor, now: dt.datetime) -> ChannelPolicy:
    """Open a channel to instructors, or, once it is open to them, to learners."""
    staff.require(actor, staff.TRUST)
    row = _policy(channel)
    if audience.reach != Audience(row.stage).reach + 1:
        raise StageOrderError(
            _("%(channel)s is open to %(audience)s; the next step is one at a time")
            % {"channel": channel, "audience": Audience(row.stage).label},
            hint=_("Open it to instructors first."),
        )
    row.stage, row.opened_at = audience, now
    row.open_to_opt_in = True
    row.save()
    audit.record(actor=actor, action="inbox.open_channel", subject=row.subject, at=now, details={"to": audience.value})
    return row


@transaction.atomic
def revoke_channel(channel: str, *, actor: Actor, now: dt.datetime) -> int:
    """Close a channel to everybody but administrators, at once; the number of deliveries that this cancelled."""
    staff.require(actor, staff.TRUST)
    row = _policy(channel)
    before = row.stage
    row.stage, row.open_to_opt_in = Audience.ADMINISTRATORS, False
    row.save()
    beyond = Approval.objects.filter(item__channel=channel).exclude(audience=Audience.ADMINISTRATORS)
    waiting = Delivery.objects.filter(approval__in=beyond, state=DeliveryState.WAITING).values_list("approval_id")
    due = Dispatch.objects.filter(approval__in=beyond, done_at=None).values_list("approval_id")
    ids = {pk for (pk,) in [*waiting, *due]}
    count = sum(cancel_waiting(pk, why=f"The channel {channel} was closed", now=now) for pk in sorted(ids))
    audit.record(
        actor=actor,
        action="inbox.revoke_channel",
        subject=row.subject,
        at=now,
        details={"from": str(before), "cancelled": count},
    )
    return count


@transaction.atomic
def set_two_people(channel: str, *, needed: bool, actor: Actor, now: dt.datetime) -> ChannelPolicy:
    """Say whether two people have to approve what goes to learners on this channel."""
    staff.require(actor, staff.TRUST)
    row = _policy(channel)
    row.two_people = needed
    row.save(update_fields=["two_people"])
    audit.record(actor=actor, action="inbox.two_people", subject=row.subject, at=now, details={"needed": needed})
    return row
