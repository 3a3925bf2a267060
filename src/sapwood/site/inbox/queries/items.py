"""The inbox's lists, by keyset: the ten-thousandth page costs what the first one does."""

import base64
import binascii
import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from sapwood.core.clock import system_clock
from sapwood.core.errors import NotFoundError, UsageError
from sapwood.site.inbox.data import HIGH, Decision, DeliveryState, OutletKind, Upstream, is_security_channel
from sapwood.site.inbox.models import Binding, Delivery, Dispatch, Item, MassWithdrawal

PAGE_SIZE: Final = 25
MAX_PAGE_SIZE: Final = 100
M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Page(Generic[M]):
    """One page of a list; `after` opens the next one."""

    rows: Sequence[M]
    after: str = ""


@dataclass(frozen=True)
class Filter:
    """What to list. `tab`: waiting (raised hands), open, snoozed, approved, rejected, archived, all."""

    tab: str = "waiting"
    channel: str = ""
    kind: str = ""
    severity: str = ""


TABS: Final = ("waiting", "open", "snoozed", "approved", "rejected", "archived", "all")


def items(
    wanted: Filter, *, after: str = "", size: int = PAGE_SIZE, channels: Sequence[str] | None = None
) -> Page[Item]:
    """One page of items: what waits comes by urgency, everything else newest first; of `channels`, or of all."""
    rows = _filtered(wanted)
    if channels is not None:
        rows = rows.filter(channel__in=channels)
    size = max(1, min(size, MAX_PAGE_SIZE))
    if wanted.tab == "waiting":
        return _by_urgency(rows, after, size)
    if after:
        (last,) = read_token(after, 1)
        rows = rows.filter(pk__lt=last)
    found = list(rows.order_by("-pk")[: size + 1])
    return Page(found[:size], token([found[size - 1].pk]) if len(found) > size else "")


def _by_urgency(rows: QuerySet[Item], after: str, size: int) -> Page[Item]:
    if after:
        rank, last = read_token(after, 2)
        rows = rows.filter(Q(severity_rank__lt=rank) | Q(severity_rank=rank, pk__lt=last))
    found = list(rows.order_by("-severity_rank", "-pk")[: size + 1])
    more = len(found) > size
    return Page(found[:size], token([found[size - 1].severity_rank, found[size - 1].pk]) if more else "")


def _filtered(wanted: Filter) -> QuerySet[Item]:
    if wanted.tab not in TABS:
        raise UsageError(
            _("There is no list named %(name)s") % {"name": wanted.tab},
            hint=_("Use one of %(names)s.") % {"names": ", ".join(TABS)},
        )
    rows = Item.objects.all()
    if wanted.tab == "waiting":
        rows = rows.raised()
    elif wanted.tab == "open":
        rows = rows.filter(decision__in=[Decision.NEW, Decision.IN_REVIEW])
    elif wanted.tab != "all":
        rows = rows.filter(decision=wanted.tab)
    for name in ("channel", "kind", "severity"):
        if value := getattr(wanted, name):
            rows = rows.filter(**{name: value})
    return rows


def item(item_id: int) -> Item:
    """One item with its local texts and approval. Raises NotFoundError."""
    found = Item.objects.select_related("approval").prefetch_related("local_texts").filter(pk=item_id).first()
    if found is None:
        raise NotFoundError(_("There is no item %(id)s") % {"id": item_id}, hint=_("See 'sapwood inbox list'."))
    return found


def waiting_count() -> int:
    """How many items wait for somebody."""
    return Item.objects.raised().count()


def neighbours(row: Item) -> tuple[int | None, int | None]:
    """The items before and after this one in the waiting list."""
    rows = Item.objects.raised()
    above = Q(severity_rank__gt=row.severity_rank) | Q(severity_rank=row.severity_rank, pk__gt=row.pk)
    below = Q(severity_rank__lt=row.severity_rank) | Q(severity_rank=row.severity_rank, pk__lt=row.pk)
    before = rows.filter(above).order_by("severity_rank", "pk").values_list("pk", flat=True).first()
    after = rows.filter(below).order_by("-severity_rank", "-pk").values_list("pk", flat=True).first()
    return before, after


def most_urgent(limit: int = 5) -> list[Item]:
    """What waits, most urgent first."""
    return list(Item.objects.raised().order_by("-severity_rank", "-pk")[:limit])


def mass_withdrawals() -> list[MassWithdrawal]:
    """Mass withdrawals that wait for a decision."""
    return list(MassWithdrawal.objects.filter(decided_at=None).order_by("id"))


def bound_to(row: Item) -> tuple[list[Item], list[Item]]:
    """("you asked", "we did"): the requests that this item closes, and the items that close this one."""
    wanted = list(row.bindings.filter(kind=Binding.Kind.CLOSES).values_list("request", flat=True))
    requests = list(Item.objects.filter(publication__in=wanted, signed=row.signed).order_by("pk")[:20])
    closing = Binding.objects.filter(kind=Binding.Kind.CLOSES, request=row.publication, item__signed=row.signed)
    answers = [binding.item for binding in closing.select_related("item").order_by("pk")[:20]]
    return requests, answers


def deliveries(
    *, item_id: int | None = None, state: str = "", after: str = "", size: int = PAGE_SIZE
) -> Page[Delivery]:
    """One page of deliveries, newest first."""
    rows = Delivery.objects.select_related("approval__item", "person")
    if item_id is not None:
        rows = rows.filter(approval__item_id=item_id)
    if state:
        rows = rows.filter(state=state)
    if after:
        (last,) = read_token(after, 1)
        rows = rows.filter(pk__lt=last)
    size = max(1, min(size, MAX_PAGE_SIZE))
    found = list(rows.order_by("-pk")[: size + 1])
    return Page(found[:size], token([found[size - 1].pk]) if len(found) > size else "")


def held() -> list[Dispatch]:
    """Approved deliveries that the gate holds back, with the reason."""
    rows = Dispatch.objects.filter(done_at=None).exclude(held="").select_related("approval__item")
    return list(rows.order_by("pk")[:50])


def open_ends(now: dt.datetime | None = None) -> int:
    """How many deliveries need a person: failed, or uncertain for longer than a hand-over takes."""
    old = (now or system_clock().now()) - dt.timedelta(minutes=2)
    rows = Delivery.objects.filter(
        Q(state=DeliveryState.FAILED) | Q(state=DeliveryState.UNCERTAIN, outlet=OutletKind.MAIL, started_at__lt=old)
    )
    return rows.count()


def is_urgent(row: Item) -> bool:
    """Whether somebody should look tonight: high severity, or a security item taken back after approval."""
    taken_back = row.upstream == Upstream.RETRACTED and row.decision == Decision.APPROVED
    return row.severity_rank >= HIGH or (taken_back and is_security_channel(row.channel))


def oldest_wait(now: dt.datetime) -> dt.timedelta | None:
    """How long the longest waiting item waits."""
    since = Item.objects.raised().order_by("raised_at").values_list("raised_at", flat=True).first()
    return now - since if since else None


def token(values: Sequence[int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(values)).encode("ascii")).decode("ascii").rstrip("=")


def read_token(token: str, length: int) -> list[int]:
    try:
        values = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, binascii.Error, UnicodeError, RecursionError):
        values = None
    fits = isinstance(values, list) and len(values) == length
    if not fits or not all(type(value) is int and 0 <= value < 2**63 for value in values):
        raise UsageError(_("This place in the list is not understood"), hint=_("Start at the first page."))
    found: list[int] = values
    return found
