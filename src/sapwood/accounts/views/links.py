"""Coming in by a one-time link, and confirming who one is."""

from typing import cast

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from sapwood.accounts.actions.links import find_link, mail_own_link, redeem_link
from sapwood.accounts.guards import public, sign_in_required
from sapwood.accounts.mail import MailError
from sapwood.accounts.models import User
from sapwood.core.clock import system_clock


@public
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def link(request: HttpRequest, secret: str) -> HttpResponse:
    """GET shows whose link it is and a button; only pressing it uses the link up."""
    now = system_clock().now()
    if request.method != "POST":
        row = find_link(secret, now=now)
        return render(request, "sapwood/accounts/link.html", {"person": row.user, "expires_at": row.expires_at})
    user = redeem_link(secret, now=now)
    if request.user.is_authenticated:
        get_adapter().logout(request)
    record_authentication(request, user, method="link")
    # A second factor is still asked for: a link in a mailbox is one factor, not two.
    return cast("HttpResponse", perform_login(request, user, email_verification="none", redirect_url=_next(request)))


@never_cache
@sign_in_required
@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """For people who have neither password nor second factor: sign in again, by a fresh link or the provider."""
    following = _next(request)
    if request.method == "POST":
        user = cast("User", request.user)
        if request.POST.get("by") == "mail":
            try:
                mail_own_link(user, now=system_clock().now())
            except MailError as error:
                messages.error(request, f"{error.message}. {error.hint}")
                return render(request, "sapwood/accounts/confirm.html", {"next": following}, status=error.http_status)
            return render(request, "sapwood/accounts/link_sent.html", {"email": user.email})
        get_adapter().logout(request)
        return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({REDIRECT_FIELD_NAME: following})}")
    return render(request, "sapwood/accounts/confirm.html", {"next": following})


def _next(request: HttpRequest) -> str:
    asked = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME) or ""
    if url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure()):
        return asked
    return reverse("console:home")
