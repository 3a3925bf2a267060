"""The feeds and blogs that are read, how that went, and what they left to look at."""

import datetime as dt
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
from sapwood.commons.announcements.actions.polling import READ_JOB
from sapwood.commons.announcements.models import ImportedEntry, Source, SourceKind
from sapwood.commons.announcements.permissions import IMPORT
from sapwood.console import work
from sapwood.console.phrases import say_error
from sapwood.core.clock import system_clock
from sapwood.core.errors import SapwoodError
from sapwood.core.models import Job

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
    since = forms.DateField(
        label=gettext_lazy("Only what was changed since"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("For a WordPress site with many old posts."),
    )
    trusted = forms.BooleanField(
        label=gettext_lazy("Items without doubts go straight to the signers"),
        required=False,
        help_text=gettext_lazy("One source at most, and never the security channel."),
    )


def start_of_day(day: dt.date | None) -> dt.datetime | None:
    """When a day began, in UTC."""
    return dt.datetime.combine(day, dt.time(), dt.UTC) if day else None


@permission_required(IMPORT)
@require_http_methods(["GET", "POST"])
def listing(request: HttpRequest) -> HttpResponseBase:
    """Every source with its health, and a form for one more."""
    if request.method == "POST" and (way := asked_again(request)):
        return way
    form = SourceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            fields = dict(form.cleaned_data)
            since = start_of_day(fields.pop("since"))
            source = Source(**fields, modified_after=since)
            api.add_source(source, actor=actor_of(request), now=system_clock().now())
        except SapwoodError as error:
            form.add_error(None, say_error(error))
        else:
            messages.success(request, _("It is read within a quarter of an hour."))
            return redirect("announcements:sources")
    doubtful = ImportedEntry.objects.exclude(problems=[], conflict=False).select_related("source", "announcement")
    now, reading = system_clock().now(), work.under_way(READ_JOB)
    rows = [_shown(source, reading.get(str(source.uuid)), now) for source in Source.objects.order_by("name")]
    context: dict[str, Any] = {
        "sources": rows,
        "doubtful": doubtful.order_by("-conflict", "-seen_at")[:SHOWN],
        "form": form,
        "now": now,
    }
    return render(request, "sapwood/announcements/sources.html", context)


def _shown(source: Source, job: Job | None, now: dt.datetime) -> dict[str, Any]:
    error = source.last_error or {}
    counts = [(label, source.report.get(name)) for name, label in words.SIGHTINGS.items()]
    return {
        "source": source,
        "job": job,
        "failed_at": dt.datetime.fromisoformat(error["at"]) if error.get("at") else None,
        "brought": [(label, count) for label, count in counts if count],
        "pause_until": source.pause_until if source.pause_until and source.pause_until > now else None,
        "soon": source.next_poll_at is None or source.next_poll_at <= now,
    }


@permission_required(IMPORT)
@require_POST
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Leave one unread for a while, or read it again."""
    source = get_object_or_404(Source, pk=pk)
    paused = request.POST.get("paused") == "yes"
    api.pause_source(source, paused=paused, actor=actor_of(request), now=system_clock().now())
    messages.success(request, _("It is paused.") if paused else _("It is read again."))
    return redirect("announcements:sources")


@permission_required(IMPORT)
@require_POST
def read(request: HttpRequest, pk: int) -> HttpResponse:
    """Read one now; the page of the work says how far it is."""
    key = api.read_soon(get_object_or_404(Source, pk=pk), actor=actor_of(request), now=system_clock().now())
    return redirect("console:work", key)


@permission_required(IMPORT)
@require_POST
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop reading one."""
    api.remove_source(get_object_or_404(Source, pk=pk), actor=actor_of(request), now=system_clock().now())
    messages.success(request, _("It is no longer read. What was imported stays."))
    return redirect("announcements:sources")
