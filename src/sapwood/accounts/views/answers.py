"""What the pages of this module share: how a press of a button ends."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from sapwood.accounts.models import User
from sapwood.console.phrases import say_error
from sapwood.core.data import JSON
from sapwood.core.errors import ForbiddenError, SapwoodError


def me(request: HttpRequest) -> User:
    """The signed-in person; the guard has made sure that there is one."""
    return cast("User", request.user)


def attempt(request: HttpRequest, do: Callable[[], Any], *, done: Any, back: str) -> HttpResponseRedirect:
    """Do it and say so on the page `back`; what went wrong is said there too, with its next step."""
    try:
        do()
    except ForbiddenError:
        raise
    except SapwoodError as error:
        if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        messages.error(request, say_error(error))
    else:
        messages.success(request, str(done))
    return HttpResponseRedirect(back)


def json_download(document: Mapping[str, JSON], name: str) -> HttpResponse:
    """A JSON file to keep."""
    text = json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n"
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response
