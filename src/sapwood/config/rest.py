"""One error body for every endpoint: {code, message, hint}."""

from typing import Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_handler
from typing_extensions import override

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


ERRORS = {
    "400": "The request does not fit.",
    "401": "Nobody is signed in, or the token is not valid.",
    "403": "This person or token may not do this.",
    "404": "It does not exist, or not for this person.",
    "409": "The world changed between looking and acting.",
    "422": "A document in it cannot be read.",
}


def add_errors(result: dict[str, Any], **_generator: Any) -> dict[str, Any]:
    """Give every operation of the schema the one error body, with the statuses under which it comes."""
    text = {"type": "string"}
    result.setdefault("components", {}).setdefault("schemas", {})["Error"] = {
        "type": "object",
        "description": "What went wrong, in one line, with a hint.",
        "properties": {"code": text, "message": text, "hint": text, "details": {}},
        "required": ["code", "message", "hint"],
    }
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for path in result["paths"].values():
        for operation in path.values():
            for status, words in ERRORS.items():
                operation["responses"].setdefault(status, {"description": words, "content": body})
    return result


class BoundedJSONParser(JSONParser):
    """JSON that is nested too deeply is a request that does not fit, not a defect of ours."""

    @override
    def parse(self, *arguments: Any, **named: Any) -> Any:
        try:
            return super().parse(*arguments, **named)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
