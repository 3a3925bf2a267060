"""The pages of news, black-out dates, and what may happen by itself."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from sapwood.accounts.api import User, actor_of, permission_required, reauthentication_required
from sapwood.console.phrases import say_error
from sapwood.console.registry import SEVERITY_STATUS, SEVERITY_WORDS, Severity, may
from sapwood.core.clock import system_clock
from sapwood.core.errors import NotFoundError, SapwoodError
from sapwood.site.upgrades import automatic, blackouts, news, offers, releases, requests, targets
from sapwood.site.upgrades.automation_forms import BlackoutForm, RehearsalsForm, WindowForm
from sapwood.site.upgrades.conf import TIME_ZONE
from sapwood.site.upgrades.data import Subject
from sapwood.site.upgrades.models import Kind
from sapwood.site.upgrades.permissions import AUTOMATE, REHEARSE, VIEW


@require_safe
@permission_required(VIEW)
def news_page(request: HttpRequest) -> HttpResponse:
    """What is new for this site, and what happened by itself."""
    rows = [
        {"row": row, "level": SEVERITY_STATUS[Severity(row.severity)], "word": SEVERITY_WORDS[Severity(row.severity)]}
        for row in news.standing_news()
    ]
    ahead = releases.outlook(system_clock().now())
    held = [one for one in ahead.releases if one.why_not is not None][:10] if ahead else []
    context = {"rows": rows, "held": held, "known": ahead is not None, "may_dismiss": may(request, REHEARSE)}
    return render(request, "sapwood/upgrades/news.html", context)


@require_POST
@permission_required(REHEARSE)
def dismiss(request: HttpRequest, key: UUID) -> HttpResponse:
    """Take a piece of news off the lists."""
    try:
        news.dismiss(key, actor=actor_of(request), now=system_clock().now())
    except NotFoundError:
        raise Http404 from None
    return redirect("upgrades:news")


@require_safe
@permission_required(VIEW)
def calendar(request: HttpRequest) -> HttpResponse:
    """The black-out dates."""
    return _calendar(request, BlackoutForm())


@require_POST
@permission_required(AUTOMATE)
def add_blackout(request: HttpRequest) -> HttpResponse:
    """More days on which nothing happens by itself."""
    form = BlackoutForm(request.POST)
    if not form.is_valid():
        return _calendar(request, form, status=400)
    data, by, now = form.cleaned_data, _user(request), system_clock().now()
    try:
        blackouts.add_blackout(
            data["first_day"], data["last_day"], data["reason"], actor=actor_of(request), now=now, by=by
        )
    except SapwoodError as error:
        form.add_error(None, say_error(error))
        return _calendar(request, form, status=400)
    return redirect("upgrades:calendar")


@require_POST
@permission_required(AUTOMATE)
@reauthentication_required
def remove_blackout(request: HttpRequest, key: UUID) -> HttpResponse:
    """Let go of black-out dates: something may happen by itself then."""
    try:
        blackouts.remove_blackout(key, actor=actor_of(request), now=system_clock().now())
    except NotFoundError:
        raise Http404 from None
    return redirect("upgrades:calendar")


@require_safe
@permission_required(VIEW)
def automation(request: HttpRequest, place: str) -> HttpResponse:
    """What may happen by itself with one deployment, what would be next, and what that waits for."""
    return _automation(request, place)


@require_POST
@permission_required(AUTOMATE)
def allow_rehearsals(request: HttpRequest, place: str) -> HttpResponse:
    """Switch automatic rehearsal on or off."""
    _subject(place)
    form = RehearsalsForm(request.POST)
    if not form.is_valid():
        return _automation(request, place, rehearsals=form, status=400)
    data = form.cleaned_data
    automatic.allow_rehearsals(
        place,
        on=data["rehearses"],
        candidates=data["candidates"],
        in_blackouts=data["in_blackouts"],
        by=_user(request),
        actor=actor_of(request),
        now=system_clock().now(),
    )
    return redirect("upgrades:automation", place)


@require_POST
@permission_required(AUTOMATE)
@reauthentication_required
def allow_application(request: HttpRequest, place: str) -> HttpResponse:
    """Switch automatic application on, inside a window."""
    _subject(place)
    form = WindowForm(request.POST)
    if form.is_valid():
        now = system_clock().now()
        try:
            automatic.allow_application(place, form.window(), by=_user(request), actor=actor_of(request), now=now)
        except SapwoodError as error:
            form.add_error(None, say_error(error))
    if form.errors:
        return _automation(request, place, window=form, status=400)
    return redirect("upgrades:automation", place)


@require_POST
@permission_required(AUTOMATE)
def stop_automation(request: HttpRequest, place: str) -> HttpResponse:
    """One press: nothing happens by itself any more."""
    _offer(place)
    automatic.stop_everything(place, actor=actor_of(request), now=system_clock().now())
    return redirect("upgrades:automation", place)


@require_POST
@permission_required(REHEARSE)
def rehearse_release(request: HttpRequest, place: str) -> HttpResponse:
    """Have the release rehearsed now that would be rehearsed by itself."""
    subject, now = _subject(place), system_clock().now()
    wish = automatic.rehearsal_wish(subject, releases.outlook(now), now)
    if wish.subject is None or wish.offered is None:
        messages.error(request, _("There is no release to rehearse."))
        return redirect("upgrades:automation", place)
    options = {"release": wish.offered.version, "tag": wish.offered.tag, "target": targets.digest_of(wish.subject)}
    try:
        row = requests.ask(subject, Kind.REHEARSE, by=_user(request), now=now, options=options)
    except SapwoodError as error:
        messages.error(request, say_error(error))
        return redirect("upgrades:automation", place)
    return redirect("upgrades:rehearsal", row.uuid)


def _calendar(request: HttpRequest, form: BlackoutForm, status: int = 200) -> HttpResponse:
    now = system_clock().now()
    rows = [
        {"row": row, "ahead": blackouts.begins_at(row) > now, "over": blackouts.ends_at(row) <= now}
        for row in blackouts.every_blackout()
    ]
    context = {
        "rows": rows,
        "form": form,
        "zone": TIME_ZONE.get(),
        "may_change": may(request, AUTOMATE),
    }
    return render(request, "sapwood/upgrades/calendar.html", context, status=status)


def _automation(
    request: HttpRequest,
    place: str,
    *,
    rehearsals: forms.Form | None = None,
    window: forms.Form | None = None,
    status: int = 200,
) -> HttpResponse:
    offer, now = _offer(place), system_clock().now()
    setting = automatic.setting_of(place)
    context: dict[str, Any] = {
        "offer": offer,
        "setting": setting,
        "rehearsals_form": rehearsals or RehearsalsForm.of(setting),
        "window_form": window or WindowForm.of(setting),
        "may_change": may(request, AUTOMATE) and offer.subject is not None,
        "may_rehearse": may(request, REHEARSE) and offer.subject is not None,
        "number": releases.site_number(),
        "dark": blackouts.blackout_at(now),
    }
    if offer.subject is not None:
        ahead = releases.outlook(now)
        context |= {
            "rehearsal": automatic.rehearsal_wish(offer.subject, ahead, now),
            "application": automatic.application_wish(offer.subject, ahead, now),
        }
    if setting.applies:
        opening = automatic.window_of(setting)
        context |= {"open": opening.open_at(now), "next": opening.next_after(now)}
    return render(request, "sapwood/upgrades/automation.html", context, status=status)


def _offer(place: str) -> offers.Offer:
    try:
        return offers.offer(place)
    except NotFoundError:
        raise Http404 from None


def _subject(place: str) -> Subject:
    found = _offer(place).subject
    if found is None:
        raise Http404
    return found


def _user(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Http404
    return request.user
