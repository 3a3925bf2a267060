"""Turns a SapwoodError into one line with its code, as a page, a fragment or JSON; never a traceback."""

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from sapwood.console.error_pages import respond
from sapwood.core.disk import as_disk_error
from sapwood.core.errors import SapwoodError

logger = logging.getLogger(__name__)
_SERVER_FAULT = 500


class ErrorMiddleware:
    """Answers for whatever a view raised and Sapwood can explain."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Nothing on the way in or out; errors come by process_exception."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The response to a SapwoodError; anything else is left to Django's handlers."""
        error = exception if isinstance(exception, SapwoodError) else as_disk_error(exception)
        if error is None:
            return None
        level = logging.ERROR if error.http_status >= _SERVER_FAULT else logging.INFO
        logger.log(level, "%s: %s (%s)", error.code, error.message, request.path)
        return respond(request, error.as_dict(), error.http_status)
