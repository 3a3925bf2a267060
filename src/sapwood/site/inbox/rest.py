"""The inbox over HTTP: list, show, approve, reject, snooze, deliveries. The same actions, the same gate."""

import datetime as dt
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from typing_extensions import override

from sapwood.accounts.api import actor_of, reach
from sapwood.accounts.rest import Needs
from sapwood.core.clock import system_clock
from sapwood.core.errors import ForbiddenError
from sapwood.site.inbox import api, shapes, staff
from sapwood.site.inbox.data import Audience, Choices, Decision, DeliveryState, OutletKind, Upstream, Verdict, Window
from sapwood.site.inbox.models import Item
from sapwood.site.inbox.queries.items import MAX_PAGE_SIZE, PAGE_SIZE, TABS

LAST_INSTANT = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)


class ErrorBody(serializers.Serializer[Any]):
    """What went wrong, and one next step."""

    code = serializers.CharField()
    message = serializers.CharField()
    hint = serializers.CharField(allow_blank=True)


class ItemBody(serializers.Serializer[Any]):
    """One line of the list."""

    id = serializers.IntegerField()
    channel = serializers.CharField()
    publication = serializers.UUIDField()
    revision = serializers.IntegerField()
    signed = serializers.BooleanField()
    kind = serializers.CharField()
    severity = serializers.CharField()
    title = serializers.CharField()
    decision = serializers.ChoiceField(Decision.choices)
    upstream = serializers.ChoiceField(Upstream.choices)
    verdict = serializers.ChoiceField(Verdict.choices)
    suggested_audience = serializers.CharField()
    locales = serializers.ListField(child=serializers.CharField())
    waiting = serializers.BooleanField()
    readable = serializers.BooleanField()
    note = serializers.CharField(allow_blank=True)
    received_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    snoozed_until = serializers.DateTimeField(allow_null=True)


class LinkBody(serializers.Serializer[Any]):
    """A link with the host that it really leads to."""

    kind = serializers.CharField()
    title = serializers.CharField(allow_blank=True)
    url = serializers.CharField()
    host = serializers.CharField(allow_blank=True)
    ok = serializers.BooleanField()


class WindowBody(serializers.Serializer[Any]):
    """From when until when."""

    until = serializers.DateTimeField(allow_null=True)

    @override
    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python, so it is added here."""
        return {"from": serializers.DateTimeField(), **super().get_fields()}


class ApprovalBody(serializers.Serializer[Any]):
    """What is pinned, and by how many people."""

    id = serializers.IntegerField()
    digest = serializers.CharField()
    revision = serializers.IntegerField()
    audience = serializers.ChoiceField(Audience.choices)
    outlets = serializers.ListField(child=serializers.ChoiceField(OutletKind.choices))
    locales = serializers.ListField(child=serializers.CharField())
    window = WindowBody()
    people_needed = serializers.IntegerField()
    people = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class ReviewBody(ItemBody):
    """Everything about one item; `seen` is what an approval has to name."""

    seen = serializers.CharField(allow_blank=True)
    problem = serializers.CharField(allow_blank=True)
    verdict_reasons = serializers.ListField(child=serializers.CharField())
    texts = serializers.DictField(child=serializers.DictField(child=serializers.CharField(allow_blank=True)))
    changed_here = serializers.ListField(child=serializers.CharField())
    behind = serializers.ListField(child=serializers.CharField())
    links = LinkBody(many=True)
    removed_links = serializers.ListField(child=serializers.CharField())
    signed_by = serializers.ListField(child=serializers.CharField())
    sha256 = serializers.CharField(allow_blank=True)
    open_to = serializers.ChoiceField(Audience.choices)
    two_people_for_learners = serializers.BooleanField()
    approval = ApprovalBody(allow_null=True)
    closes = serializers.ListField(child=serializers.IntegerField())
    closed_by = serializers.ListField(child=serializers.IntegerField())


class ItemsBody(serializers.Serializer[Any]):
    """One page of items."""

    items = ItemBody(many=True)
    after = serializers.CharField(allow_blank=True)


class DeliveryBody(serializers.Serializer[Any]):
    """One delivery; the recipient is a random id."""

    id = serializers.UUIDField()
    item = serializers.IntegerField()
    approval = serializers.IntegerField()
    outlet = serializers.ChoiceField(OutletKind.choices)
    recipient = serializers.CharField(allow_null=True)
    state = serializers.ChoiceField(DeliveryState.choices)
    digest = serializers.BooleanField()
    attempts = serializers.IntegerField()
    due_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


class DeliveriesBody(serializers.Serializer[Any]):
    """One page of deliveries."""

    deliveries = DeliveryBody(many=True)
    after = serializers.CharField(allow_blank=True)


class ListQuery(serializers.Serializer[Any]):
    """Which items."""

    tab = serializers.ChoiceField(TABS, default="open")
    channel = serializers.CharField(default="", max_length=100, allow_blank=True)
    kind = serializers.CharField(default="", max_length=40, allow_blank=True)
    severity = serializers.CharField(default="", max_length=20, allow_blank=True)
    after = serializers.CharField(default="", max_length=200, allow_blank=True)
    limit = serializers.IntegerField(default=PAGE_SIZE, min_value=1, max_value=MAX_PAGE_SIZE)


class DeliveriesQuery(serializers.Serializer[Any]):
    """Which deliveries."""

    item = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    state = serializers.ChoiceField(DeliveryState.choices, required=False)
    after = serializers.CharField(default="", max_length=200, allow_blank=True)
    limit = serializers.IntegerField(default=PAGE_SIZE, min_value=1, max_value=MAX_PAGE_SIZE)


class ApproveInput(serializers.Serializer[Any]):
    """`seen` comes from the item: it proves that exactly this was read."""

    seen = serializers.RegexField(r"^[0-9a-f]{64}$")
    audience = serializers.ChoiceField(Audience.choices, default=Audience.ADMINISTRATORS.value)
    outlets = serializers.ListField(
        child=serializers.ChoiceField(OutletKind.choices), default=["page", "feed"], min_length=1, max_length=4
    )
    locales = serializers.ListField(child=serializers.CharField(max_length=35), default=[], max_length=80)
    start = serializers.DateTimeField(required=False)
    end = serializers.DateTimeField(required=False)
    confirm_removed_links = serializers.BooleanField(default=False)

    @override
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Instants that a calendar can hold."""
        for name in ("start", "end"):
            if name in attrs and not attrs[name] < LAST_INSTANT:
                raise serializers.ValidationError({name: "This is too far away."})
        return attrs

    def choices(self, now: dt.datetime) -> Choices:
        """What was chosen."""
        data = self.validated_data
        given = "start" in data or "end" in data
        return Choices(
            audience=Audience(data["audience"]),
            outlets=tuple(OutletKind(name) for name in data["outlets"]),
            locales=tuple(data["locales"]),
            window=Window(data.get("start", now), data.get("end")) if given else None,
        )


class SecondInput(serializers.Serializer[Any]):
    """The digest of the approval that waits."""

    digest = serializers.RegexField(r"^[0-9a-f]{64}$")


class ReasonInput(serializers.Serializer[Any]):
    """Why, for the audit log."""

    reason = serializers.CharField(default="", max_length=500, allow_blank=True)


class SnoozeInput(serializers.Serializer[Any]):
    """When the item comes back."""

    until = serializers.DateTimeField()


class RepeatInput(serializers.Serializer[Any]):
    """Nothing: the address says which delivery."""


ERRORS = {code: OpenApiResponse(ErrorBody) for code in (400, 401, 403, 404, 409)}


def _body(serializer: type[serializers.Serializer[Any]], data: Any) -> Any:
    found = serializer(data=data)
    found.is_valid(raise_exception=True)
    return found


def _channels(request: Request) -> list[str] | None:
    found = reach(request.user, staff.VIEW)
    if found.everywhere or any(kind == "locale" for kind, _key in found.scopes):
        return None
    return [key for kind, key in found.scopes if kind == "channel"]


def _may_view(request: Request, row: Item) -> None:
    channels = _channels(request)
    if channels is not None and row.channel not in channels:
        raise ForbiddenError(_("You may not read this item."), hint=_("Ask an administrator."))


class Items(APIView):
    """The list."""

    permission_classes = [Needs(staff.VIEW)]

    @extend_schema(operation_id="inbox_list", parameters=[ListQuery], responses={200: ItemsBody, **ERRORS})
    def get(self, request: Request) -> Response:
        """Items of one list, by place."""
        query = _body(ListQuery, request.query_params).validated_data
        wanted = api.Filter(query["tab"], query["channel"], query["kind"], query["severity"])
        page = api.items(wanted, after=query["after"], size=query["limit"], channels=_channels(request))
        return Response({"items": [shapes.item_dict(row) for row in page.rows], "after": page.after})


class OneItem(APIView):
    """One item."""

    permission_classes = [Needs(staff.VIEW)]

    @extend_schema(operation_id="inbox_show", responses={200: ReviewBody, **ERRORS})
    def get(self, request: Request, item_id: int) -> Response:
        """Texts, links, and the hash that an approval names."""
        found = api.review(item_id)
        _may_view(request, found.item)
        return Response(shapes.review_dict(found))


class Approve(APIView):
    """Let exactly this through."""

    permission_classes = [Needs(staff.APPROVE, dangerous=True)]

    @extend_schema(operation_id="inbox_approve", request=ApproveInput, responses={200: ApprovalBody, **ERRORS})
    def post(self, request: Request, item_id: int) -> Response:
        """Approve what was seen, for one audience."""
        given, now = _body(ApproveInput, request.data), system_clock().now()
        row = api.approve(
            item_id,
            given.choices(now),
            actor=actor_of(request),
            now=now,
            seen=given.validated_data["seen"],
            confirm_removed_links=given.validated_data["confirm_removed_links"],
        )
        return Response(shapes.approval_dict(row))


class Second(APIView):
    """The second person's word."""

    permission_classes = [Needs(staff.APPROVE, dangerous=True)]

    @extend_schema(operation_id="inbox_second", request=SecondInput, responses={200: ApprovalBody, **ERRORS})
    def post(self, request: Request, item_id: int) -> Response:
        """Approve what another person approved."""
        given = _body(SecondInput, request.data)
        row = api.second(
            item_id, digest=given.validated_data["digest"], actor=actor_of(request), now=system_clock().now()
        )
        return Response(shapes.approval_dict(row))


class Reject(APIView):
    """Nobody here gets this."""

    permission_classes = [Needs(staff.DECIDE)]

    @extend_schema(operation_id="inbox_reject", request=ReasonInput, responses={200: ItemBody, **ERRORS})
    def post(self, request: Request, item_id: int) -> Response:
        """Reject an item."""
        reason = _body(ReasonInput, request.data).validated_data["reason"]
        row = api.reject(item_id, actor=actor_of(request), now=system_clock().now(), reason=reason)
        return Response(shapes.item_dict(row))


class Withdraw(APIView):
    """Take an approval back."""

    permission_classes = [Needs(staff.APPROVE)]

    @extend_schema(operation_id="inbox_withdraw", request=ReasonInput, responses={200: ItemBody, **ERRORS})
    def post(self, request: Request, item_id: int) -> Response:
        """Withdraw: the page loses it, and what waits is cancelled."""
        reason = _body(ReasonInput, request.data).validated_data["reason"]
        row = api.withdraw(item_id, actor=actor_of(request), now=system_clock().now(), reason=reason)
        return Response(shapes.item_dict(row))


class Snooze(APIView):
    """Later."""

    permission_classes = [Needs(staff.DECIDE)]

    @extend_schema(operation_id="inbox_snooze", request=SnoozeInput, responses={200: ItemBody, **ERRORS})
    def post(self, request: Request, item_id: int) -> Response:
        """Let an item come back later."""
        until = _body(SnoozeInput, request.data).validated_data["until"]
        row = api.snooze(item_id, until=until, actor=actor_of(request), now=system_clock().now())
        return Response(shapes.item_dict(row))


class Deliveries(APIView):
    """What went out, waits, failed or is uncertain."""

    permission_classes = [Needs(staff.DELIVERIES)]

    @extend_schema(
        operation_id="inbox_deliveries", parameters=[DeliveriesQuery], responses={200: DeliveriesBody, **ERRORS}
    )
    def get(self, request: Request) -> Response:
        """Deliveries, newest first."""
        query = _body(DeliveriesQuery, request.query_params).validated_data
        page = api.deliveries(
            item_id=query.get("item"), state=query.get("state", ""), after=query["after"], size=query["limit"]
        )
        return Response({"deliveries": [shapes.delivery_dict(row) for row in page.rows], "after": page.after})


class Repeat(APIView):
    """Send once more."""

    permission_classes = [Needs(staff.REPEAT)]

    @extend_schema(
        operation_id="inbox_repeat",
        request=RepeatInput,
        responses={200: DeliveryBody, **ERRORS},
        parameters=[OpenApiParameter("delivery", str, OpenApiParameter.PATH)],
    )
    def post(self, request: Request, delivery: Any) -> Response:
        """Repeat an uncertain or failed delivery, through the gate again."""
        row = api.repeat(delivery, actor=actor_of(request), now=system_clock().now())
        return Response(shapes.delivery_dict(row))
