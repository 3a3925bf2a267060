"""Addresses that both roles have."""

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path
from django.views.i18n import set_language
from drf_spectacular.views import SpectacularAPIView

from sapwood.accounts.api import public

Route = URLPattern | URLResolver


def mount(prefix: str, module: str) -> list[Route]:
    """The pages of `module` under `prefix`; a module without pages has no `urls`."""
    return [path(prefix, include(module))] if find_spec(module) else []


SHARED: list[Route] = [
    path("i18n/language", public(set_language), name="set_language"),
    path("api/v1/schema", SpectacularAPIView.as_view(), name="schema"),
    *mount("accounts/", "sapwood.accounts.urls"),
    *mount("channel/", "sapwood.channel.urls"),
    *mount("", "sapwood.console.urls"),
]

handlers = {code: f"sapwood.console.views.error_{code}" for code in (400, 403, 404, 500)}
handlers[429] = "sapwood.accounts.views.answers.too_many"  # the sign-in library looks for it
