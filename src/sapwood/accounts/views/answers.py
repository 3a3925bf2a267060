"""What the pages of this module share: how a press of a button ends."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from sapwood.accounts.models import User
from sapwood.accounts.notes import note_failure
from sapwood.console.phrases import say_error
from sapwood.core.data import JSON
from sapwood.core.errors import ForbiddenError, SapwoodError


class TooManyAttemptsError(SapwoodError):
    """Somebody tried too often within a short time."""

    code = "accounts.too_many_attempts"
    http_status = 429


def too_many(request: HttpRequest) -> HttpResponse:
    """handler429: a limit of the sign-in library is reached; at the sign-in page that is noted."""
    if request.path == reverse("account_login"):
        note_failure(request, reason="too_many_attempts")
    raise TooManyAttemptsError(
        _("That was tried too often within a short time"), hint=_("Wait five minutes, then try again.")
    )


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
