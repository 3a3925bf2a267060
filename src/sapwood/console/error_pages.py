"""Pages for errors: what happened, why it matters, one next step. `config` names the handlers in its URLs."""

from collections.abc import Mapping
from pathlib import Path

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from sapwood.console.phrases import say

_PLAIN_500 = Path(__file__).parent / "templates" / "console" / "500.html"
_SHEETS = ("tokens", "base", "components", "screens")


def respond(request: HttpRequest, error: Mapping[str, str], status: int) -> HttpResponse:
    """One error in the form that the asker reads: JSON, a fragment for htmx, or a page."""
    if _wants_json(request):
        response: HttpResponse = JsonResponse(dict(error), status=status)
    else:
        fragment = request.headers.get("HX-Request") == "true"
        template = "console/components/error_card.html" if fragment else "console/error.html"
        said = {name: say(text) for name, text in error.items()}
        context = {"error": said, "status": status, "title": _title(status)}
        response = render(request, template, context, status=status)
    patch_vary_headers(response, ["Accept", "HX-Request"])
    return response


def error_400(request: HttpRequest, exception: object = None) -> HttpResponse:  # noqa: ARG001 - Django's
    """handler400; the argument that nobody needs is Django's in each of these."""
    lines = {
        "code": "console.bad_request",
        "message": _("The server could not make sense of this request."),
        "hint": _("Go back one page and try again."),
    }
    return respond(request, lines, 400)


def error_403(request: HttpRequest, exception: object = None) -> HttpResponse:  # noqa: ARG001 - Django's
    """handler403"""
    lines = {
        "code": "console.forbidden",
        "message": _("Your roles do not include this."),
        "hint": _("Ask a site administrator if you need it."),
    }
    return respond(request, lines, 403)


def error_404(request: HttpRequest, exception: object = None) -> HttpResponse:  # noqa: ARG001 - Django's
    """handler404"""
    lines = {
        "code": "console.not_found",
        "message": _("There is nothing at this address."),
        "hint": _("It may have been moved or removed. Start again from the front page."),
    }
    return respond(request, lines, 404)


def error_500(request: HttpRequest) -> HttpResponse:
    """handler500: needs no database, template engine or session, because any of them may be what broke."""
    if _wants_json(request):
        lines = {"code": "console.unexpected", "message": "Something went wrong that nobody foresaw."}
        return JsonResponse({**lines, "hint": "The details are in the server's log."}, status=500)
    page = _PLAIN_500.read_text(encoding="utf-8").replace("<!-- style sheets -->", _style_sheets())
    return HttpResponse(page, status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's
    """CSRF_FAILURE_VIEW"""
    lines = {
        "code": "console.form_expired",
        "message": _("This form is out of date, so nothing was changed."),
        "hint": _("Go back, reload the page and send it again. Cookies must be allowed for this site."),
    }
    return respond(request, lines, 403)


def _wants_json(request: HttpRequest) -> bool:
    if request.path.startswith("/api/"):
        return True
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _title(status: int) -> str:
    titles = {
        400: _("This did not work"),
        403: _("Not allowed"),
        404: _("Not found"),
        409: _("Something changed meanwhile"),
        503: _("Not available at the moment"),
    }
    return titles.get(status, titles[400])


def _style_sheets() -> str:
    try:
        links = [f'<link rel="stylesheet" href="{static(f"console/{name}.css")}">' for name in _SHEETS]
    except Exception:  # noqa: BLE001 - whatever keeps the style away, the words must come through
        return ""
    return "".join(links)
