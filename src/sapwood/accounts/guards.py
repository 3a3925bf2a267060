"""The guards at every door: who is it, may they, and did they prove it a moment ago."""

import datetime as dt
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, TypeVar, cast

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from rest_framework.request import Request

from sapwood.accounts.data import ANYWHERE, Anywhere, Scoped
from sapwood.accounts.models import ApiToken, User
from sapwood.accounts.permissions import permission
from sapwood.accounts.queries import person_by_uuid, user_has
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor, ActorKind
from sapwood.core.errors import ForbiddenError, SapwoodError

V = TypeVar("V", bound=Callable[..., HttpResponseBase])
AnyRequest = HttpRequest | Request
PUBLIC = "public"
RECENT = dt.timedelta(minutes=15)


class NotSignedInError(SapwoodError):
    """Somebody who has not signed in tries what needs an account."""

    code = "accounts.not_signed_in"
    http_status = 401


class StaleSignInError(SapwoodError):
    """A dangerous action needs a sign-in that is at most a quarter of an hour old."""

    code = "accounts.stale_sign_in"
    http_status = 403


def actor_of(request: AnyRequest) -> Actor:
    """Who is behind a request: a person, or a token and so its owner; raises NotSignedInError."""
    user = request.user
    if not isinstance(user, User):
        raise NotSignedInError(_("Nobody is signed in"), hint=_("Sign in and try again."))
    token = token_of(user)
    if token is not None:
        return Actor(ActorKind.TOKEN, str(token.uuid), f"{user} ({token.name})")
    return actor_for(user)


def actor_for(user: User) -> Actor:
    """This person as an actor."""
    return Actor(ActorKind.PERSON, str(user.uuid), str(user))


def token_of(user: User) -> ApiToken | None:
    """The token through which this user object came in, if any."""
    return cast("ApiToken | None", user.__dict__.get("api_token"))


def require(who: Actor | AnyRequest | User, code: str, obj: Scoped | Anywhere | None = None) -> None:
    """Let `who` pass when they hold the permission `code` (see `user_has`); raises ForbiddenError.

    The command line and background work pass: whoever runs them already holds the machine.
    """
    item = permission(code)
    if isinstance(who, Actor) and who.kind in {ActorKind.COMMAND, ActorKind.SYSTEM}:
        return
    if not user_has(user_behind(who), code, obj):
        raise ForbiddenError(
            _("You may not do this: it needs the permission “%(label)s”.") % {"label": item.label},
            hint=_("Ask an administrator for a role that has it."),
        )


def permission_required(code: str) -> Callable[[V], V]:
    """Guard a view: anonymous people are sent to the sign-in page, people without the permission get a 403.

    A narrowed grant opens the door; the view then passes its object to `require`.
    """
    permission(code)

    def decorate(view: V) -> V:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            require(request, code, ANYWHERE)
            return view(request, *args, **kwargs)

        return cast("V", _marked(guarded, view, code))

    return decorate


def sign_in_required(view: V) -> V:
    """Guard a page that every signed-in person has, such as their own account."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return view(request, *args, **kwargs)

    return cast("V", _marked(guarded, view, ""))


def reauthentication_required(view: V) -> V:
    """Guard a dangerous view: the person signed in or confirmed themselves within the last quarter of an hour."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if signed_in_recently(request, now=system_clock().now()):
            return view(request, *args, **kwargs)
        return _ask_again(request)

    return cast("V", guarded)


def asked_again(request: HttpRequest) -> HttpResponseBase | None:
    """The same guard inside a view, for what is dangerous only at times: the way to confirm, or None to go on."""
    return None if signed_in_recently(request, now=system_clock().now()) else _ask_again(request)


def require_recent_sign_in(request: AnyRequest, *, now: dt.datetime) -> None:
    """The same guard for an API endpoint; raises StaleSignInError."""
    plain = request._request if isinstance(request, Request) else request  # noqa: SLF001 - DRF offers no other way
    if not signed_in_recently(plain, now=now):
        raise StaleSignInError(
            _("This needs a sign-in from the last 15 minutes"),
            hint=_("Confirm that it is you on the page, then repeat."),
        )


def signed_in_recently(request: HttpRequest, *, now: dt.datetime) -> bool:
    """Whether this session's owner proved who they are within the last quarter of an hour, by any method."""
    if not isinstance(request.user, User):
        return False
    latest = max((float(item.get("at", 0)) for item in get_authentication_records(request, request.user)), default=0.0)
    age = now.timestamp() - latest
    return -RECENT.total_seconds() < age < RECENT.total_seconds()


def user_behind(who: Actor | AnyRequest | User) -> User | None:
    """The account that acts, directly or through one of its tokens; None for commands, jobs and whoever is gone."""
    if isinstance(who, User):
        return who
    if not isinstance(who, Actor):
        return who.user if isinstance(who.user, User) else None
    if who.kind is ActorKind.TOKEN:
        token = ApiToken.objects.select_related("user").filter(uuid=who.key, revoked_at=None).first()
        if token is None:
            return None
        token.user.__dict__["api_token"] = token
        return token.user
    return person_by_uuid(who.key) if who.kind is ActorKind.PERSON else None


def public(view: V) -> V:
    """Mark a view that everybody may see: without a mark every page asks for a sign-in."""

    @wraps(view)
    def open_to_all(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return view(request, *args, **kwargs)

    open_to_all.sapwood_permission = PUBLIC  # type: ignore[attr-defined]  # read back by access_of
    return cast("V", login_not_required(open_to_all))


def access_of(view: Callable[..., Any]) -> str | None:
    """The permission that guards a view, "" when signing in is enough, PUBLIC, or None when nothing was declared."""
    declared: str | None = getattr(view, "sapwood_permission", None)
    return declared


def _marked(guarded: Callable[..., HttpResponseBase], view: Callable[..., Any], code: str) -> Any:
    inner = access_of(view)
    guarded.sapwood_permission = code or inner or ""  # type: ignore[attr-defined]  # read back by access_of
    return guarded


def _ask_again(request: HttpRequest) -> HttpResponseRedirect:
    methods: list[dict[Literal["url"], str]] = get_adapter().get_reauthentication_methods(request.user)
    address = methods[0]["url"] if methods else reverse("accounts:confirm")
    back = request.get_full_path()
    if request.method != "GET":
        messages.info(request, _("Confirm that it is you, then press the button once more."))
        back = _page_before(request)
    return HttpResponseRedirect(f"{address}?{urlencode({REDIRECT_FIELD_NAME: back})}")


def _page_before(request: HttpRequest) -> str:
    referrer = request.headers.get("Referer", "")
    safe = url_has_allowed_host_and_scheme(referrer, {request.get_host()}, require_https=request.is_secure())
    return referrer if referrer and safe else "/"
