"""My account: name and language, ways to sign in, sessions, tokens, my data."""

import datetime as dt
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from sapwood.accounts import sessions
from sapwood.accounts.actions import (
    create_token,
    erase_person,
    export_person,
    may_erase_themselves,
    revoke_token,
)
from sapwood.accounts.audit_log import rows_about_count
from sapwood.accounts.conf import OIDC_ISSUER, PLATFORM_URL
from sapwood.accounts.forms import ProfileForm, TokenForm
from sapwood.accounts.guards import actor_for, reauthentication_required, sign_in_required
from sapwood.accounts.language import remember_language
from sapwood.accounts.models import ApiToken
from sapwood.accounts.notes import note_sign_out
from sapwood.accounts.queries import grants_in_force
from sapwood.accounts.views.answers import attempt, json_download, me
from sapwood.core.clock import system_clock
from sapwood.core.errors import ForbiddenError


@never_cache
@sign_in_required
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Everything about one's own account on one page."""
    user, now = me(request), system_clock().now()
    form = ProfileForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        form.save()
        response = HttpResponseRedirect(reverse("accounts:me"))
        remember_language(response, user.language)
        messages.success(request, _("Saved."))
        return response
    context = {
        "form": form,
        "grants": grants_in_force(user, now=now),
        "factors": Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.RECOVERY_CODES),
        "connections": SocialAccount.objects.filter(user=user),
        "has_provider": bool(OIDC_ISSUER.get() or PLATFORM_URL.get()),
        "may_erase": may_erase_themselves(user),
        "sessions": sessions.open_sessions(user, request.session.session_key, now=now),
        "tokens": ApiToken.objects.filter(user=user, revoked_at=None).order_by("-created_at"),
        "now": now,
    }
    return render(request, "sapwood/accounts/me.html", context)


@sign_in_required
@require_POST
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of my sessions."""
    if sessions.end_session(me(request), pk):
        note_sign_out(me(request))
    messages.success(request, _("That session is ended."))
    return HttpResponseRedirect(reverse("accounts:me") + "#sessions")


@sign_in_required
@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """End all of my sessions but this one."""
    if ended := sessions.end_sessions(me(request), keep=request.session.session_key):
        note_sign_out(me(request), sessions=ended)
    messages.success(request, _("All other sessions are ended."))
    return HttpResponseRedirect(reverse("accounts:me") + "#sessions")


@never_cache
@sign_in_required
@reauthentication_required
@require_http_methods(["GET", "POST"])
def new_token(request: HttpRequest) -> HttpResponse:
    """Make a token; its secret is on the answer and nowhere else."""
    user, now = me(request), system_clock().now()
    form = TokenForm(user, now, request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        ttl = dt.timedelta(days=data["days"])
        made = create_token(user, name=data["name"], scopes=data["scopes"], actor=actor_for(user), now=now, ttl=ttl)
        return render(request, "sapwood/accounts/token_made.html", {"made": made})
    return render(request, "sapwood/accounts/token_new.html", {"form": form})


@sign_in_required
@require_POST
def end_token(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Revoke one of my tokens."""
    user, now = me(request), system_clock().now()
    row = get_object_or_404(ApiToken, user=user, uuid=uuid)
    back = reverse("accounts:me") + "#tokens"
    return attempt(
        request,
        lambda: revoke_token(row, actor=actor_for(user), now=now),
        done=_("That token opens nothing any more."),
        back=back,
    )


@never_cache
@sign_in_required
@reauthentication_required
@require_GET
def export(request: HttpRequest) -> HttpResponse:
    """Everything that is kept about me, as JSON."""
    user = me(request)
    document = export_person(user, actor=actor_for(user), now=system_clock().now())
    return json_download(document, "my-data.json")


@never_cache
@sign_in_required
@reauthentication_required
@require_http_methods(["GET", "POST"])
def erase(request: HttpRequest) -> HttpResponse:
    """Say what being forgotten means, then do it; whoever works here asks an administrator."""
    user = me(request)
    if not may_erase_themselves(user):
        raise ForbiddenError(
            _("You hold a role here, so this is not yours alone to do"), hint=_("Ask an administrator to erase you.")
        )
    if request.method == "POST":
        erase_person(user, actor=actor_for(user), now=system_clock().now())
        request.session.flush()
        messages.success(request, _("You are forgotten here."))
        return HttpResponseRedirect(reverse("account_login"))
    context = {"person": user, "rows": rows_about_count(user), "own": True}
    return render(request, "sapwood/accounts/erase.html", context)
