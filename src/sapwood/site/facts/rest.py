"""The same over HTTP: facts and exposure as JSON."""

import datetime as dt
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sapwood.accounts.rest import Needs
from sapwood.core.clock import system_clock
from sapwood.core.errors import NotFoundError, UsageError
from sapwood.formats.exposure import exposure
from sapwood.formats.phrase import Phrase
from sapwood.site.facts import api
from sapwood.site.facts.permissions import VIEW


class FactsView(APIView):
    """What is known about this site."""

    permission_classes = [Needs(VIEW)]

    @extend_schema(operation_id="facts", summary="What is known about this site", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's shape
        """The newest facts document."""
        return Response(_facts().to_dict())


class ExposureView(APIView):
    """What this site is exposed to."""

    permission_classes = [Needs(VIEW)]

    @extend_schema(
        operation_id="exposure",
        summary="What this site is exposed to",
        parameters=[OpenApiParameter("as_of", OpenApiTypes.DATE, description="The day to judge for; else today.")],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """The exposure on a day."""
        found = exposure(_facts(), api.find_catalogue(), _day(request))
        return Response(found.to_dict())


def _facts() -> Any:
    facts = api.current_facts()
    if facts is None:
        raise NotFoundError(
            Phrase("Nothing is known about this site yet"), hint=Phrase("Set SAPWOOD_TUTOR_ROOT or SAPWOOD_FACTS.")
        )
    return facts


def _day(request: Request) -> dt.date:
    text = request.query_params.get("as_of")
    if text is None:
        return system_clock().now().date()
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError("as_of is not a day", hint="Write it as YYYY-MM-DD.") from None
