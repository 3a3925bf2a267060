"""The trust page: which channel may reach whom, where things go, what is filed; each change audited."""

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from sapwood.accounts.api import actor_of, permission_required, reauthentication_required
from sapwood.console.registry import SEVERITY_WORDS, Severity
from sapwood.core.clock import system_clock
from sapwood.site.inbox import api, content, staff
from sapwood.site.inbox.data import SEVERITIES, Audience, OutletKind, RuleEffect
from sapwood.site.inbox.outlets.webhook import secret_of
from sapwood.site.inbox.queries import trust as queries


class BrandForm(forms.Form):
    """The institution's name and colours."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120, required=False)
    accent = forms.RegexField(
        r"^#[0-9a-fA-F]{6}$", label=gettext_lazy("Colour"), widget=forms.TextInput(attrs={"type": "color"})
    )
    contact = forms.EmailField(label=gettext_lazy("Answers go to"), required=False)
    sign_off = forms.CharField(label=gettext_lazy("Last line of each mail"), max_length=300, required=False)


class WebhookForm(forms.Form):
    """A receiver."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=60)
    url = forms.URLField(label=gettext_lazy("Address"), max_length=1000, assume_scheme="https")
    audience = forms.ChoiceField(label=gettext_lazy("Gets what is approved for"), choices=Audience.choices)
    allow_private = forms.BooleanField(label=gettext_lazy("It stands in our own network"), required=False)


class RuleForm(forms.Form):
    """A standing order."""

    effect = forms.ChoiceField(label=gettext_lazy("What to do"), choices=RuleEffect.choices)
    channel = forms.CharField(label=gettext_lazy("Channel"), max_length=100, required=False)
    kind = forms.CharField(label=gettext_lazy("Kind"), max_length=40, required=False)
    below = forms.ChoiceField(
        label=gettext_lazy("Below severity"),
        choices=[(word, SEVERITY_WORDS[Severity(word)]) for word in SEVERITIES[1:4]],
        initial="high",
    )


class FeedForm(forms.Form):
    """A plain feed."""

    name = forms.SlugField(label=gettext_lazy("Short name"), max_length=60)
    url = forms.URLField(label=gettext_lazy("Address of the feed"), max_length=1000, assume_scheme="https")


@require_GET
@permission_required(staff.TRUST)
def trust(request: HttpRequest) -> HttpResponse:
    """Channels, outlets, rules, brand."""
    brand = content.brand()
    values = {"name": brand.name, "accent": brand.accent, "contact": brand.contact, "sign_off": brand.sign_off}
    context = {
        "channels": queries.channels(),
        "public_outlets": queries.public_outlets(),
        "webhooks": [(row, secret_of(row)) for row in queries.webhooks()],
        "rules": queries.rules(),
        "feeds": api.feeds(),
        "brand_form": BrandForm(initial=values),
        "webhook_form": WebhookForm(),
        "rule_form": RuleForm(),
        "feed_form": FeedForm(),
    }
    return render(request, "sapwood/inbox/trust.html", context)


@require_POST
@permission_required(staff.TRUST)
@reauthentication_required
def open_channel(request: HttpRequest) -> HttpResponse:
    """Open a channel one stage further."""
    audience = _audience(request)
    channel = request.POST.get("channel", "")
    api.open_channel(channel, audience, actor=actor_of(request), now=system_clock().now())
    messages.success(
        request, _("%(channel)s is open to %(audience)s.") % {"channel": channel, "audience": audience.label}
    )
    return redirect("inbox:trust")


@require_POST
@permission_required(staff.TRUST)
def revoke_channel(request: HttpRequest) -> HttpResponse:
    """Close a channel at once: one press, nothing to confirm."""
    channel = request.POST.get("channel", "")
    count = api.revoke_channel(channel, actor=actor_of(request), now=system_clock().now())
    messages.success(
        request,
        _("%(channel)s is closed to everybody but administrators; %(count)d waiting deliveries are cancelled.")
        % {"channel": channel, "count": count},
    )
    return redirect("inbox:trust")


@require_POST
@permission_required(staff.TRUST)
@reauthentication_required
def two_people(request: HttpRequest) -> HttpResponse:
    """Whether learners need two approvers."""
    needed = request.POST.get("needed") == "yes"
    channel = request.POST.get("channel", "")
    api.set_two_people(channel, needed=needed, actor=actor_of(request), now=system_clock().now())
    return redirect("inbox:trust")


@require_POST
@permission_required(staff.TRUST)
@reauthentication_required
def set_public(request: HttpRequest) -> HttpResponse:
    """Whether strangers may read."""
    outlet = OutletKind.FEED if request.POST.get("outlet") == "feed" else OutletKind.PAGE
    public = request.POST.get("public") == "yes"
    api.set_public(outlet, _audience(request), public=public, actor=actor_of(request), now=system_clock().now())
    return redirect("inbox:trust")


@require_POST
@permission_required(staff.TRUST)
@reauthentication_required
def set_brand(request: HttpRequest) -> HttpResponse:
    """Name and colours."""
    form = BrandForm(request.POST)
    if form.is_valid():
        api.set_brand(api.BrandValues(**form.cleaned_data), actor=actor_of(request), now=system_clock().now())
        messages.success(request, _("Saved. It counts from the next approval; what is approved keeps its own."))
    else:
        messages.error(request, _("Check the colour and the address."))
    return redirect("inbox:trust")


@require_POST
@permission_required(staff.TRUST)
@reauthentication_required
def add_webhook(request: HttpRequest) -> HttpResponse:
    """A new receiver."""
    form = WebhookForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        api.add_webhook(
            data["name"],
            data["url"],
            Audience(data["audience"]),
            actor=actor_of(request),
            now=system_clock().now(),
            allow_private=data["allow_private"],
        )
        messages.success(request, _("Added. Give the receiver its secret."))
    else:
        messages.error(request, _("A receiver needs a name and an address."))
    return redirect("inbox:trust")


@require_POST
@permission_required(staff.TRUST)
@reauthentication_required
def change_webhook(request: HttpRequest, webhook: UUID) -> HttpResponse:
    """Remove a receiver, or give it a new secret."""
    now, actor = system_clock().now(), actor_of(request)
    if request.POST.get("what") == "remove":
        api.remove_webhook(webhook, actor=actor, now=now)
    else:
        api.renew_webhook_secret(webhook, actor=actor, now=now)
    return redirect("inbox:trust")


@require_POST
@permission_required(staff.TRUST)
@reauthentication_required
def add_rule(request: HttpRequest) -> HttpResponse:
    """A new rule."""
    form = RuleForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        api.add_rule(
            RuleEffect(data["effect"]),
            actor=actor_of(request),
            now=system_clock().now(),
            channel=data["channel"],
            kind=data["kind"],
            below=data["below"],
        )
    return redirect("inbox:trust")


@require_POST
@permission_required(staff.TRUST)
def remove_rule(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Take a rule away."""
    api.remove_rule(rule_id, actor=actor_of(request), now=system_clock().now())
    return redirect("inbox:trust")


@require_POST
@permission_required(staff.TRUST)
def subscribe_feed(request: HttpRequest) -> HttpResponse:
    """Read a plain feed."""
    form = FeedForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        api.subscribe_feed(data["name"], data["url"], actor=actor_of(request), now=system_clock().now())
        messages.success(request, _("Subscribed. Its items are unsigned and pass the same gate."))
    else:
        messages.error(request, _("A feed needs a short name and an address."))
    return redirect("inbox:trust")


@require_POST
@permission_required(staff.TRUST)
def unsubscribe_feed(request: HttpRequest, feed_id: int) -> HttpResponse:
    """Read a plain feed no longer; its items stay."""
    api.unsubscribe_feed(feed_id, actor=actor_of(request), now=system_clock().now())
    return redirect("inbox:trust")


def _audience(request: HttpRequest) -> Audience:
    wanted = request.POST.get("audience", "")
    return Audience(wanted) if wanted in Audience.values else Audience.ADMINISTRATORS
