"""Announcements over HTTP: drafts, approval, staging. Approval is for people: no token carries it."""

import uuid
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sapwood.accounts.api import actor_of, reach, require
from sapwood.accounts.rest import Needs
from sapwood.commons.announcements import api, queries
from sapwood.commons.announcements.checks import check_document, check_format
from sapwood.commons.announcements.documents import read_document
from sapwood.commons.announcements.errors import AnnouncementInvalidError, AnnouncementNotFoundError
from sapwood.commons.announcements.files.folder import MAX_SLUG_CHARS, SLUG
from sapwood.commons.announcements.models import Revision, State
from sapwood.commons.announcements.permissions import APPROVE, RETRACT, STAGE, VIEW, WRITE, OnChannel
from sapwood.core.clock import system_clock
from sapwood.core.errors import UsageError

PAGE = 100


class DraftSerializer(serializers.Serializer[Any]):
    """A text to keep as a draft: the document without its revision number."""

    document = serializers.DictField()
    slug = serializers.RegexField(rf"^{SLUG.pattern}\Z", max_length=MAX_SLUG_CHARS, required=False)
    organisation = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    seen_sha256 = serializers.RegexField(
        r"^[0-9a-f]{64}$", required=False, help_text="The text that the edit started from."
    )


class PinSerializer(serializers.Serializer[Any]):
    """Exactly which text is meant."""

    sha256 = serializers.RegexField(r"^[0-9a-f]{64}$")


class RetractSerializer(serializers.Serializer[Any]):
    """Why something is taken back."""

    reason = serializers.CharField(max_length=500)
    urgent = serializers.BooleanField(required=False, default=False)


class AnnouncementsView(APIView):
    """All announcements."""

    permission_classes = [Needs(VIEW)]

    @extend_schema(
        operation_id="announcements",
        summary="Announcements, each with its newest revision",
        parameters=[
            OpenApiParameter("state", OpenApiTypes.STR, enum=[s.lower() for s in State.values]),
            OpenApiParameter("before", OpenApiTypes.INT, description="Only what is older than this `id`."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """The newest hundred, newest first; `next` is what to pass as `before`."""
        rows = queries.newest(*State.values).order_by("-pk")
        found = reach(request.user, VIEW)
        if not found.everywhere:
            rows = rows.filter(channel__in=[key for kind, key in found.scopes if kind == "channel"])
        if state := request.query_params.get("state", ""):
            if state.upper() not in State.values:
                raise UsageError("There is no such state", hint="See the schema.")
            rows = rows.filter(state=state.upper())
        if before := request.query_params.get("before", ""):
            rows = rows.filter(pk__lt=_number(before))
        page = list(rows[: PAGE + 1])
        body = {"announcements": [as_dict(row) for row in page[:PAGE]]}
        return Response({**body, "next": page[PAGE - 1].pk if len(page) > PAGE else None})

    @extend_schema(
        operation_id="announcement_create",
        summary="Keep a new draft",
        request=DraftSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """A new announcement as a draft; it may still have problems, which are listed."""
        data = _valid(DraftSerializer, request)
        if "slug" not in data:
            raise UsageError("slug is needed", hint="Lower case letters, digits and hyphens.")
        document = _document(data["document"])
        if queries.newest(*State.values).filter(announcement__uuid=document["uuid"]).exists():
            raise UsageError("This uuid is taken", hint="Use PUT on its own address, or a fresh uuid.")
        require(request, WRITE, OnChannel(str(document.get("channel", ""))))
        revision = api.save_draft(
            document,
            slug=data["slug"],
            actor=actor_of(request),
            now=system_clock().now(),
            organisation=data["organisation"],
        )
        return Response(in_full(revision), status=status.HTTP_201_CREATED)


class AnnouncementView(APIView):
    """One announcement."""

    permission_classes = [Needs(VIEW)]

    @extend_schema(
        operation_id="announcement", summary="One announcement with its document", responses=OpenApiTypes.OBJECT
    )
    def get(self, request: Request, key: uuid.UUID) -> Response:
        """Its newest revision, and what keeps it from being published."""
        revision = _newest(key)
        require(request, VIEW, revision)
        return Response(in_full(revision))

    @extend_schema(
        operation_id="announcement_save",
        summary="Keep another text as the draft",
        request=DraftSerializer,
        responses=OpenApiTypes.OBJECT,
    )
    def put(self, request: Request, key: uuid.UUID) -> Response:
        """Changes the open revision, or starts the next one; any approval of another text is void."""
        revision = _newest(key)
        require(request, WRITE, revision)
        data = _valid(DraftSerializer, request)
        document = _document({**data["document"], "uuid": str(key)})
        require(request, WRITE, OnChannel(str(document.get("channel", ""))))
        saved = api.save_draft(
            document,
            slug=revision.announcement.slug,
            actor=actor_of(request),
            now=system_clock().now(),
            organisation=data["organisation"] or revision.organisation,
            seen_sha256=data.get("seen_sha256"),
        )
        return Response(in_full(saved))


class _Step(APIView):
    """One step of exactly one text."""

    code = ""

    def step(self, request: Request, key: uuid.UUID, action: Any) -> Response:
        """Check the person, the object and the hash, then act."""
        require(request, self.code, _newest(key))
        sha256 = _valid(PinSerializer, request)["sha256"]
        action(key, sha256=sha256, actor=actor_of(request), now=system_clock().now())
        return Response(as_dict(_newest(key)))


class SubmitView(_Step):
    """Hand over for approval."""

    permission_classes = [Needs(WRITE)]
    code = WRITE

    @extend_schema(
        operation_id="announcement_submit", summary="Submit", request=PinSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, key: uuid.UUID) -> Response:
        """422 with the first problem when the text is not fit."""
        return self.step(request, key, api.submit)


class ApproveView(_Step):
    """Give one's word for a text."""

    permission_classes = [Needs(APPROVE, dangerous=True)]
    code = APPROVE

    @extend_schema(
        operation_id="announcement_approve", summary="Approve", request=PinSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, key: uuid.UUID) -> Response:
        """For people who are signed in; a token is refused."""
        return self.step(request, key, api.approve)


class StageView(_Step):
    """Put before the signers."""

    permission_classes = [Needs(STAGE, dangerous=True)]
    code = STAGE

    @extend_schema(
        operation_id="announcement_stage", summary="Stage", request=PinSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, key: uuid.UUID) -> Response:
        """409 when it was not approved, or waits for an organisation's consent."""
        return self.step(request, key, api.stage)


class RetractView(APIView):
    """Take back."""

    permission_classes = [Needs(RETRACT, dangerous=True)]

    @extend_schema(
        operation_id="announcement_retract",
        summary="Take an announcement back",
        request=RetractSerializer,
        responses=OpenApiTypes.OBJECT,
    )
    def post(self, request: Request, key: uuid.UUID) -> Response:
        """In the security channel the first call asks, and a second person's confirms."""
        require(request, RETRACT, _newest(key))
        data = _valid(RetractSerializer, request)
        row = api.retract(key, actor=actor_of(request), now=system_clock().now(), **data)
        return Response({"uuid": str(key), "reason": row.reason, "staged": row.staged_at is not None})


def as_dict(revision: Revision) -> dict[str, Any]:
    """An announcement in a list."""
    return {
        "id": revision.pk,
        "uuid": str(revision.announcement.uuid),
        "slug": revision.announcement.slug,
        "revision": revision.number,
        "state": revision.state.lower(),
        "title": revision.title,
        "kind": revision.kind,
        "channel": revision.channel,
        "audience": revision.audience,
        "severity": revision.severity,
        "locales": revision.locales,
        "alert": revision.alert,
        "sha256": revision.sha256,
        "updated_at": revision.updated_at,
        "published_at": revision.published_at,
    }


def in_full(revision: Revision) -> dict[str, Any]:
    """An announcement with its document."""
    document = read_document(revision.raw)
    report = check_document(document, organisation=revision.organisation)
    return {
        **as_dict(revision),
        "organisation": revision.organisation,
        "document": document,
        "problems": [{"path": p.path, "message": p.message, "hint": p.hint} for p in report.problems],
        "warnings": [{"path": p.path, "message": p.message, "hint": p.hint} for p in report.warnings],
    }


def _newest(key: uuid.UUID) -> Revision:
    found = queries.newest(*State.values).filter(announcement__uuid=key).first()
    if found is None:
        raise AnnouncementNotFoundError(
            f"There is no announcement {key}.", hint="GET /api/v1/announcements lists them."
        )
    return found


def _document(document: dict[str, Any]) -> dict[str, Any]:
    """A document that can be kept: one of our format. What is doubtful beyond that is listed, not refused."""
    body = {**document, "type": "announcement", "version": 1}
    body.setdefault("uuid", str(uuid.uuid4()))
    if unreadable := check_format(body):
        raise AnnouncementInvalidError(unreadable)
    return body


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 - fits a 64-bit integer
        raise UsageError("before is not a number", hint="Pass the `next` of the last answer.")
    return int(text)


def _valid(kind: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    try:
        form = kind(data=request.data)
    except RecursionError:
        raise UsageError("The body is nested too deeply", hint="No document of ours needs that depth.") from None
    form.is_valid(raise_exception=True)
    data: dict[str, Any] = form.validated_data
    return data
