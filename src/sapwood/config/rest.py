"""One error body for every endpoint: {code, message, hint}."""

from typing import Any

from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_handler

from sapwood.core.errors import SapwoodError


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn our errors and DRF's into the one body; None leaves a defect to the 500 page."""
    if isinstance(error, SapwoodError):
        return Response(error.as_dict(), status=error.http_status)
    response = drf_handler(error, context)
    if response is not None:
        name = error.default_code if isinstance(error, APIException) else "not_found"
        details = response.data
        message = (
            details.get("detail", "The request does not fit.")
            if isinstance(details, dict)
            else "The request does not fit."
        )
        response.data = {"code": f"http.{name}", "message": str(message), "hint": ""}
        if isinstance(details, dict) and "detail" not in details:
            response.data["details"] = details
    return response
