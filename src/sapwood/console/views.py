"""The front page, the patterns page, long work, the choice of theme; error pages stand here for Django to find."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from sapwood.console import patterns as samples
from sapwood.console import registry
from sapwood.console.error_pages import csrf_failure, error_400, error_403, error_404, error_500
from sapwood.console.shell import THEME_COOKIE, THEMES
from sapwood.console.work import progress_of
from sapwood.core.clock import system_clock

__all__ = [
    "csrf_failure",
    "error_400",
    "error_403",
    "error_404",
    "error_500",
    "home",
    "patterns",
    "theme",
    "work",
]
_YEAR_S = 365 * 86400


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What needs this person, then the panels."""
    waiting = registry.needs(request)
    context = {
        "needs": waiting[: registry.MAX_NEEDS],
        "more_needs": max(0, len(waiting) - registry.MAX_NEEDS),
        "calm_text": None if waiting else registry.calm_text(request),
        "panels": registry.render_panels(request),
    }
    return render(request, "console/home.html", context)


@require_safe
def patterns(request: HttpRequest) -> HttpResponse:
    """Every component in every state: for whoever builds a page, and for the tests of all of them."""
    return render(request, "console/patterns.html", samples.context())


@never_cache
@require_safe
def work(request: HttpRequest, key: UUID) -> HttpResponse:
    """How far a long job is; htmx asks for the picture alone, and again until the work is done."""
    found = progress_of(key, system_clock().now())
    if found is None or not registry.may(request, found.work.permission):
        raise Http404
    part = "HX-Request" in request.headers
    template = "console/components/work.html" if part else "console/work.html"
    response = render(request, template, {"work": found})
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep this browser's choice of theme and go back to where it was made."""
    chosen = request.POST.get("theme", "")
    response = HttpResponseRedirect(_way_back(request))
    if chosen in THEMES[1:]:
        response.set_cookie(
            THEME_COOKIE, chosen, max_age=_YEAR_S, secure=request.is_secure(), httponly=True, samesite="Lax"
        )
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response


def _way_back(request: HttpRequest) -> str:
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if safe else "/"
