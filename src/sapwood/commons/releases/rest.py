"""The catalogue over HTTP; reading is public, as on its pages."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sapwood.accounts.rest import Needs
from sapwood.commons.releases import api
from sapwood.commons.releases.permissions import VIEW
from sapwood.commons.releases.shapes import hop_dict, line_summary, report_summary
from sapwood.core.clock import system_clock
from sapwood.core.errors import NotFoundError, UsageError
from sapwood.formats.catalogue import find_line, find_path, validate


class CatalogueView(APIView):
    """The catalogue in use."""

    permission_classes = [AllowAny]

    @extend_schema(operation_id="catalogue", summary="The catalogue in use", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's shape
        """The whole document."""
        return Response(api.current_catalogue().to_dict())


class LineView(APIView):
    """One release line."""

    permission_classes = [AllowAny]

    @extend_schema(operation_id="catalogue_line", summary="One release line", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, name: str) -> Response:  # noqa: ARG002 - DRF's shape
        """The line with its support as of today."""
        catalogue = api.current_catalogue()
        line = find_line(catalogue, name)
        if line is None:
            raise NotFoundError("The catalogue has no such line", hint="GET /api/v1/catalogue lists them.")
        today = system_clock().now().date()
        return Response({**line_summary(catalogue, line, today), **line.to_dict()})


class PathView(APIView):
    """The way between two releases."""

    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="catalogue_path",
        summary="The way from one line or release to another",
        parameters=[
            OpenApiParameter("from", OpenApiTypes.STR, required=True),
            OpenApiParameter("to", OpenApiTypes.STR, required=True),
            OpenApiParameter("announced", OpenApiTypes.BOOL, description="Also use announced edges."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """Every hop with its steps and risks."""
        start, end = request.query_params.get("from"), request.query_params.get("to")
        if not start or not end:
            raise UsageError("from and to are needed", hint="Name two lines or releases.")
        announced = request.query_params.get("announced") in {"1", "true"}
        hops = find_path(api.current_catalogue(), start, end, announced=announced)
        body: dict[str, Any] = {"from": start, "to": end, "path": [hop_dict(hop) for hop in hops]}
        return Response(body)


class FindingsView(APIView):
    """What the validator says."""

    permission_classes = [Needs(VIEW)]

    @extend_schema(
        operation_id="catalogue_findings", summary="Findings of the validator", responses=OpenApiTypes.OBJECT
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's shape
        """All findings, errors first."""
        return Response({"findings": [item.as_dict() for item in validate(api.current_catalogue())]})


class ReportsView(APIView):
    """What the migrations between releases cost."""

    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="catalogue_reports",
        summary="Reports of migrations that are published with releases",
        parameters=[OpenApiParameter("release", OpenApiTypes.STR, description="Only of this release.")],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """Each in a few fields, newest first."""
        wanted = request.query_params.get("release")
        rows = api.newest_reports(**({"release": wanted} if wanted else {}))
        return Response({"reports": [report_summary(row, api.report_in(row)) for row in rows]})


class ReportView(APIView):
    """One report of migrations."""

    permission_classes = [AllowAny]

    @extend_schema(operation_id="catalogue_report", summary="One report of migrations", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - DRF's shape
        """The whole document."""
        return Response(api.report_in(api.report_named(uuid)).to_dict())
