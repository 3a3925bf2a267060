"""What the announcements page and the feeds show: published items that the gate still lets through."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from sapwood.core.errors import NotFoundError, SapwoodError
from sapwood.site.inbox import gate
from sapwood.site.inbox.data import Audience, Decision, DeliveryState, OutletKind, Reader, Upstream
from sapwood.site.inbox.models import Binding, Delivery, Item, OutletConfig
from sapwood.site.inbox.queries.items import read_token, token

PAGE_SIZE = 20
FEED_SIZE = 50


class WithdrawnError(SapwoodError):
    """An announcement was taken back, or its time is over."""

    code = "inbox.withdrawn"
    http_status = 410


@dataclass(frozen=True)
class Published:
    """One page of announcements; `after` opens the next one."""

    items: Sequence[gate.Cleared]
    after: str = ""


def open_audiences(reader: Reader, outlet: OutletKind = OutletKind.PAGE) -> list[Audience]:
    """Whose announcements this reader may read: their own, every wider one, and what is public."""
    public = OutletConfig.objects.filter(outlet=outlet, public=True, enabled=True, name="")
    allowed = set(reader.audience.reads()) if reader.audience else set()
    allowed |= {Audience(value) for value in public.values_list("audience", flat=True)}
    return [audience for audience in Audience if audience in allowed]


def announcements(
    reader: Reader,
    *,
    now: dt.datetime,
    after: str = "",
    outlet: OutletKind = OutletKind.PAGE,
    size: int = PAGE_SIZE,
    only: Audience | None = None,
) -> Published:
    """What this reader may read, newest first; of every audience that is open to them, or of one."""
    allowed = [audience for audience in open_audiences(reader, outlet) if only in {None, audience}]
    rows = _standing(allowed, outlet, now)
    if after:
        (last,) = read_token(after, 1)
        rows = rows.filter(pk__lt=last)
    found = list(rows.order_by("-pk").values_list("pk", "approval_id")[: size + 1])
    shown = gate.showable([approval for _pk, approval in found[:size]], now, outlet=outlet)
    return Published(shown, token([found[size - 1][0]]) if len(found) > size else "")


def announcement(item_id: int, reader: Reader, *, now: dt.datetime) -> gate.Cleared:
    """One announcement by its permanent address. Raises NotFoundError, or WithdrawnError when it is over."""
    ever = Delivery.objects.filter(
        approval__item_id=item_id,
        outlet=OutletKind.PAGE,
        state=DeliveryState.SENT,
        approval__audience__in=open_audiences(reader),
    )
    row = _standing(open_audiences(reader), OutletKind.PAGE, now).filter(approval__item_id=item_id).first()
    shown = gate.showable([row.approval_id], now, outlet=OutletKind.PAGE) if row else []
    if shown:
        return shown[0]
    if ever.exists():
        raise WithdrawnError(_("This announcement was taken back, or its time is over"))
    raise NotFoundError(_("There is no such announcement"))


def closing(item_ids: Sequence[int], reader: Reader, *, now: dt.datetime) -> dict[int, list[gate.Cleared]]:
    """For each of these requests, the published items that close it ("you asked, we did")."""
    requests = dict(Item.objects.filter(pk__in=item_ids).values_list("publication", "pk"))
    bound = Binding.objects.filter(kind=Binding.Kind.CLOSES, request__in=requests).values_list("request", "item_id")
    by_item: dict[int, list[int]] = {}
    for request, item_id in bound:
        by_item.setdefault(item_id, []).append(requests[request])
    rows = _standing(open_audiences(reader), OutletKind.PAGE, now).filter(approval__item_id__in=by_item)
    shown = gate.showable([row.approval_id for row in rows.order_by("pk")], now, outlet=OutletKind.PAGE)
    found: dict[int, list[gate.Cleared]] = {}
    for one in shown:
        for request_id in by_item[one.item]:
            found.setdefault(request_id, []).append(one)
    return found


def asked(item_id: int, reader: Reader, *, now: dt.datetime) -> list[gate.Cleared]:
    """The published requests that this item closes."""
    wanted = Binding.objects.filter(item_id=item_id, kind=Binding.Kind.CLOSES).values("request")
    rows = _standing(open_audiences(reader), OutletKind.PAGE, now).filter(approval__item__publication__in=wanted)
    return gate.showable([row.approval_id for row in rows.order_by("pk")], now, outlet=OutletKind.PAGE)


def _standing(audiences: Sequence[Audience], outlet: OutletKind, now: dt.datetime) -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        Q(approval__ends_at=None) | Q(approval__ends_at__gt=now),
        outlet=outlet,
        state=DeliveryState.SENT,
        approval__audience__in=audiences,
        approval__starts_at__lte=now,
        approval__item__approval_id=F("approval_id"),
        approval__item__decision=Decision.APPROVED,
    ).exclude(approval__item__upstream=Upstream.FIXED_HERE)
