"""The context processor that gives every page its shell."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from sapwood.console.shell import shell_of


def shell(request: HttpRequest) -> dict[str, object]:
    """`shell` in every template; worked out only when a page uses it."""
    return {"shell": SimpleLazyObject(lambda: shell_of(request))}
