"""People with accounts: list, invite, roles, switching off, erasing."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from sapwood.accounts import actions
from sapwood.accounts.audit_log import rows_about_count
from sapwood.accounts.forms import ClaimRuleForm, GrantForm, InviteForm
from sapwood.accounts.guards import actor_of, permission_required, reauthentication_required
from sapwood.accounts.models import ClaimRule, RoleGrant, User
from sapwood.accounts.permissions import MANAGE_PEOPLE, VIEW_PEOPLE
from sapwood.accounts.queries import user_has
from sapwood.accounts.views.answers import attempt, json_download
from sapwood.console.phrases import say_error
from sapwood.core.clock import system_clock
from sapwood.core.errors import SapwoodError

PAGE = 50


@never_cache
@permission_required(VIEW_PEOPLE)
@require_GET
def people(request: HttpRequest) -> HttpResponse:
    """Who has an account, and with which roles."""
    # PostgreSQL refuses to compare with the character 0.
    words, after = (request.GET.get(name, "").replace("\0", "").strip() for name in ("q", "after"))
    rows = User.objects.order_by("email").prefetch_related("grants")
    if words:
        rows = rows.filter(Q(email__icontains=words) | Q(name__icontains=words))
    if after:
        rows = rows.filter(email__gt=after)
    found = list(rows[: PAGE + 1])
    following = f"?{urlencode({'q': words, 'after': found[PAGE - 1].email})}" if len(found) > PAGE else ""
    first = f"?{urlencode({'q': words})}" if after else ""
    context = {
        "people": found[:PAGE],
        "q": words,
        "next_url": following,
        "previous_url": first,
        "may_manage": user_has(request.user, MANAGE_PEOPLE),
    }
    return render(request, "sapwood/accounts/people.html", context)


@never_cache
@permission_required(MANAGE_PEOPLE)
@reauthentication_required
@require_http_methods(["GET", "POST"])
def invite(request: HttpRequest) -> HttpResponse:
    """Make an account with a first role and mail a one-time link."""
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data, now = form.cleaned_data, system_clock().now()
        try:
            made = actions.invite(
                data["email"],
                role=data["role"],
                scope=form.scope(),
                name=data["name"],
                actor=actor_of(request),
                now=now,
            )
        except SapwoodError as error:
            form.add_error(None, say_error(error))
        else:
            return _invited(request, made)
    return render(request, "sapwood/accounts/invite.html", {"form": form})


@never_cache
@permission_required(VIEW_PEOPLE)
@require_GET
def person(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One person: roles, second factor, what can be done."""
    user = get_object_or_404(User, uuid=uuid)
    return _person_page(request, user, GrantForm())


@permission_required(MANAGE_PEOPLE)
@reauthentication_required
@require_POST
def grant(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Give a role."""
    user, now = get_object_or_404(User, uuid=uuid), system_clock().now()
    form = GrantForm(request.POST)
    if not form.is_valid():
        return _person_page(request, user, form)
    return attempt(
        request,
        lambda: actions.grant_role(
            user,
            role=form.cleaned_data["role"],
            scope=form.scope(),
            expires_at=form.expires_at(now),
            actor=actor_of(request),
            now=now,
        ),
        done=_("The role is granted."),
        back=_page(user),
    )


@permission_required(MANAGE_PEOPLE)
@reauthentication_required
@require_POST
def revoke(request: HttpRequest, uuid: UUID, pk: int) -> HttpResponse:
    """Take a role away."""
    row = get_object_or_404(RoleGrant.objects.select_related("user"), user__uuid=uuid, pk=pk)
    scope = (row.scope_kind, row.scope_key) if row.scope_kind else None
    return attempt(
        request,
        lambda: actions.revoke_role(
            row.user, role=row.role, scope=scope, actor=actor_of(request), now=system_clock().now()
        ),
        done=_("The role is revoked."),
        back=_page(row.user),
    )


@never_cache
@permission_required(MANAGE_PEOPLE)
@reauthentication_required
@require_POST
def mail_link(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Mail a fresh one-time link."""
    user = get_object_or_404(User, uuid=uuid)
    return _invited(request, actions.send_link(user, actor=actor_of(request), now=system_clock().now()))


@permission_required(MANAGE_PEOPLE)
@reauthentication_required
@require_POST
def switch(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Switch an account off or on."""
    user, active = get_object_or_404(User, uuid=uuid), request.POST.get("state") == "on"
    return attempt(
        request,
        lambda: actions.set_active(user, active=active, actor=actor_of(request), now=system_clock().now()),
        done=_("The account is switched on.") if active else _("The account is switched off; its sessions are ended."),
        back=_page(user),
    )


@permission_required(MANAGE_PEOPLE)
@reauthentication_required
@require_POST
def reset_factor(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Remove the second factors of somebody who lost theirs."""
    user = get_object_or_404(User, uuid=uuid)
    return attempt(
        request,
        lambda: actions.reset_second_factor(user, actor=actor_of(request), now=system_clock().now()),
        done=_("The second factors are removed; send a new sign-in link."),
        back=_page(user),
    )


@never_cache
@permission_required(MANAGE_PEOPLE)
@reauthentication_required
@require_http_methods(["GET", "POST"])
def erase(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Say what erasing means, then do it."""
    user = get_object_or_404(User, uuid=uuid)
    if request.method == "POST":
        back = reverse("accounts:people")
        return attempt(
            request,
            lambda: actions.erase_person(user, actor=actor_of(request), now=system_clock().now()),
            done=_("The person is forgotten."),
            back=back,
        )
    context = {"person": user, "rows": rows_about_count(user)}
    return render(request, "sapwood/accounts/erase.html", context)


@permission_required(MANAGE_PEOPLE)
@reauthentication_required
@require_POST
def export(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Everything that is kept about a person, as JSON."""
    user = get_object_or_404(User, uuid=uuid)
    document = actions.export_person(user, actor=actor_of(request), now=system_clock().now())
    return json_download(document, f"person-{user.uuid}.json")


@never_cache
@permission_required(MANAGE_PEOPLE)
@reauthentication_required
@require_http_methods(["GET", "POST"])
def claims(request: HttpRequest) -> HttpResponse:
    """Which claims of the identity provider give which roles."""
    form = ClaimRuleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        return attempt(
            request,
            lambda: actions.add_claim_rule(
                data["claim"], value=data["value"], role=data["role"], actor=actor_of(request), now=system_clock().now()
            ),
            done=_("From their next sign-in on, these people hold the role."),
            back=reverse("accounts:claims"),
        )
    rules = ClaimRule.objects.order_by("claim", "value", "role")
    return render(request, "sapwood/accounts/claims.html", {"form": form, "rules": rules})


@permission_required(MANAGE_PEOPLE)
@reauthentication_required
@require_POST
def remove_claim(request: HttpRequest, pk: int) -> HttpResponse:
    """End such a rule."""
    row = get_object_or_404(ClaimRule, pk=pk)
    return attempt(
        request,
        lambda: actions.remove_claim_rule(row, actor=actor_of(request), now=system_clock().now()),
        done=_("The rule is removed; roles that it gave end at the next sign-in."),
        back=reverse("accounts:claims"),
    )


def _invited(request: HttpRequest, made: actions.Invitation) -> HttpResponse:
    """Back to the person when the mail left; otherwise the link, shown once, to be handed over."""
    if not made.mailed:
        return render(request, "sapwood/accounts/invited.html", {"made": made})
    messages.success(
        request, _("A sign-in link is on its way to %(email)s; it works for 3 days.") % {"email": made.user.email}
    )
    return HttpResponseRedirect(_page(made.user))


def _person_page(request: HttpRequest, user: User, form: GrantForm) -> HttpResponse:
    context: dict[str, Any] = {
        "person": user,
        "grants": user.grants.order_by("role", "scope_kind", "scope_key"),
        "factors": Authenticator.objects.filter(user=user).count(),
        "tokens": user.api_tokens.filter(revoked_at=None).count(),
        "form": form,
        "may_manage": user_has(request.user, MANAGE_PEOPLE),
        "now": system_clock().now(),
    }
    return render(request, "sapwood/accounts/person.html", context)


def _page(user: User) -> str:
    return reverse("accounts:person", kwargs={"uuid": user.uuid})
