"""The feeds and blogs that are read, how that went, and what they left to look at."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from sapwood.accounts.api import actor_of, asked_again, permission_required
from sapwood.commons.announcements import api, words
from sapwood.commons.announcements.models import ImportedEntry, Source, SourceKind
from sapwood.commons.announcements.permissions import IMPORT
from sapwood.core.clock import system_clock
from sapwood.core.errors import SapwoodError

SHOWN = 50


class SourceForm(forms.Form):
    """A feed or blog to read."""

    name = forms.SlugField(label=gettext_lazy("Short name"), max_length=100)
    url = forms.CharField(label=gettext_lazy("Address"), max_length=2000)
    kind = forms.ChoiceField(
        label=gettext_lazy("What it is"),
        choices=[
            (SourceKind.FEED.value, gettext_lazy("RSS, Atom or JSON Feed")),
            (SourceKind.WORDPRESS.value, gettext_lazy("WordPress site")),
        ],
    )
    channel = forms.ChoiceField(
        label=gettext_lazy("Channel"), choices=list(words.CHANNELS.items()), initial="community"
    )
    audience = forms.ChoiceField(label=gettext_lazy("For whom"), choices=list(words.AUDIENCES.items()))
    locale = forms.CharField(label=gettext_lazy("Language"), initial="en", max_length=35)
    trusted = forms.BooleanField(
        label=gettext_lazy("Items without doubts go straight to the signers"),
        required=False,
        help_text=gettext_lazy("One source at most, and never the security channel."),
    )


@permission_required(IMPORT)
@require_http_methods(["GET", "POST"])
def listing(request: HttpRequest) -> HttpResponseBase:
    """Every source with its health, and a form for one more."""
    if request.method == "POST" and (way := asked_again(request)):
        return way
    form = SourceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            source = Source(**form.cleaned_data)
            api.add_source(source, actor=actor_of(request), now=system_clock().now())
        except SapwoodError as error:
            form.add_error(None, f"{error.message} {error.hint}")
        else:
            messages.success(request, _("It is read within a quarter of an hour."))
            return redirect("announcements:sources")
    doubtful = ImportedEntry.objects.exclude(problems=[]).select_related("source", "announcement").order_by("-seen_at")
    context: dict[str, Any] = {
        "sources": Source.objects.order_by("name"),
        "doubtful": doubtful[:SHOWN],
        "form": form,
    }
    return render(request, "sapwood/announcements/sources.html", context)


@permission_required(IMPORT)
@require_POST
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop reading one."""
    api.remove_source(get_object_or_404(Source, pk=pk), actor=actor_of(request), now=system_clock().now())
    messages.success(request, _("It is no longer read. What was imported stays."))
    return redirect("announcements:sources")
