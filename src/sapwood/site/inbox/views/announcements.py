"""The announcements page: what this site let through, for whoever may read it."""

import re

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.http import require_GET

from sapwood.core.clock import system_clock
from sapwood.core.errors import NotFoundError
from sapwood.site.inbox import api, content, links, rendering, words
from sapwood.site.inbox.data import Reader
from sapwood.site.inbox.gate import Cleared
from sapwood.site.inbox.queries.page import WithdrawnError

COLOUR = re.compile(r"#[0-9a-f]{6}", re.ASCII)


def reader_of(request: HttpRequest) -> Reader:
    """Who reads: a signed-in person's audience, or a stranger; and in which language."""
    locale = get_language() or "en"
    user = request.user
    if not user.is_authenticated:
        return Reader(None, locale)
    return Reader(api.audience_of(user), locale)


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """What is published for this reader, newest first."""
    reader, now = reader_of(request), system_clock().now()
    open_to = api.open_audiences(reader)
    if not open_to and not request.user.is_authenticated:
        return redirect(f"{reverse('account_login')}?next={request.get_full_path()}")
    page = api.announcements(reader, now=now, after=request.GET.get("after", ""))
    context = {
        "announcements": [(one, reading(one, reader)) for one in page.items],
        "next_url": f"{reverse('inbox:announcements')}?after={page.after}" if page.after else "",
        "first_url": reverse("inbox:announcements") if request.GET.get("after") else "",
        "audiences": open_to,
    }
    return render(request, "sapwood/inbox/announcements.html", context)


@require_GET
def one(request: HttpRequest, item_id: int) -> HttpResponse:
    """One announcement at its permanent address."""
    reader, now = reader_of(request), system_clock().now()
    try:
        found = api.announcement(item_id, reader, now=now)
    except WithdrawnError as error:
        return render(request, "sapwood/inbox/gone.html", {"error": error}, status=error.http_status)
    except NotFoundError:
        if not request.user.is_authenticated:
            return redirect(f"{reverse('account_login')}?next={request.get_full_path()}")
        raise
    context = {
        "announcement": found,
        "reading": reading(found, reader),
        "event": words.event_lines(found.event),
        "hand_over": links.hand_over(found, reading(found, reader).locale),
        "did": [(one, reading(one, reader)) for one in api.closing([item_id], reader, now=now).get(item_id, [])],
        "asked": [(one, reading(one, reader)) for one in api.asked(item_id, reader, now=now)],
    }
    return render(request, "sapwood/inbox/announcement.html", context)


def reading(found: Cleared, reader: Reader) -> rendering.Reading:
    """An announcement in the reader's language."""
    return rendering.read_in(found.texts, found.links, found.brand, reader.locale)


@require_GET
def brand_css(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a view
    """The institution's colour, as the token that every page falls back on."""
    accent = content.brand().accent
    body = f":root {{ --pgn-color-primary-base: {accent}; }}\n" if COLOUR.fullmatch(accent) else ""
    response = HttpResponse(body, content_type="text/css; charset=utf-8")
    response["Cache-Control"] = "max-age=300"
    return response
