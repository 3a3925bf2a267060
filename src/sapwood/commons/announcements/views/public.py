"""The public announcements of the commons: pages, permanent links and feeds. Only what was published; no cookies."""

import datetime as dt
import json
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.http import http_date, quote_etag
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from sapwood.accounts.api import public
from sapwood.commons.announcements import queries, syndication
from sapwood.commons.announcements.files.fields import is_locale
from sapwood.commons.announcements.models import Revision, State
from sapwood.commons.announcements.reading import language_name, read_for
from sapwood.commons.announcements.words import AUDIENCES, KINDS
from sapwood.console.phrases import say
from sapwood.core import settings
from sapwood.core.clock import system_clock
from sapwood.formats.canonical import sha256_hex
from sapwood.formats.errors import FormatError
from sapwood.formats.versions import parse_version

PAGE = 20


class Filter(forms.Form):
    """Which announcements to show; a plain GET form, so that each choice has its address."""

    audience = forms.ChoiceField(required=False, choices=[("", gettext_lazy("Everybody")), *AUDIENCES.items()])
    release = forms.CharField(required=False, max_length=40)
    lang = forms.CharField(required=False, max_length=35)
    kind = forms.ChoiceField(required=False, choices=[("", gettext_lazy("All")), *KINDS.items()])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["audience"].label, self.fields["kind"].label = _("For whom"), _("Kind")
        self.fields["release"].label = _("Your release")
        self.fields["release"].help_text = _("Such as ulmo.3")
        self.fields["lang"].label = _("Language")
        self.fields["lang"].help_text = _("Such as es-419")

    def clean_release(self) -> str:
        """A release that can be compared with conditions."""
        release: str = self.cleaned_data["release"].strip()
        if release:
            try:
                parse_version(release)
            except FormatError as error:
                raise forms.ValidationError(say(error.hint)) from error
        return release

    def clean_lang(self) -> str:
        """A language tag."""
        lang: str = self.cleaned_data["lang"].strip()
        if lang and not is_locale(lang):
            raise forms.ValidationError(_("Write a language tag such as en or es-419."))
        return lang

    def chosen(self) -> dict[str, str]:
        """The valid choices that were made."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


@public
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """The announcements page."""
    now = system_clock().now()
    form = Filter(request.GET or {})
    chosen = form.chosen()
    rows = _rows(now, chosen)
    page = _page_number(request)
    found = list(rows[(page - 1) * PAGE : page * PAGE + 1])
    wanted = _languages(chosen)
    context = {
        "form": form,
        "items": [(row, read_for(row.raw, wanted, site_name=_site())) for row in found[:PAGE]],
        "previous_url": _with(chosen, page - 1) if page > 1 else "",
        "next_url": _with(chosen, page + 1) if len(found) > PAGE else "",
        "query": urlencode(chosen),
        "filtered": bool(chosen),
        "now": now,
    }
    return render(request, "sapwood/announcements/public_list.html", context)


@public
@require_safe
def permalink(request: HttpRequest, slug: str) -> HttpResponse:
    """One announcement at its permanent address, with what it answered or what answered it."""
    now = system_clock().now()
    revision = queries.by_slug(slug, now)
    if revision is None:
        raise Http404
    lang = request.GET.get("lang", "")
    wanted = [*([lang] if is_locale(lang) else []), get_language() or "en"]
    context = {
        "revision": revision,
        "retracted": revision.state == State.RETRACTED,
        "reading": read_for(revision.raw, wanted, site_name=_site()),
        "languages": [(tag, language_name(tag)) for tag in revision.locales],
        "asked": [(row, _title(row, wanted)) for row in queries.asked_in(revision)],
        "answered": [(row, _title(row, wanted)) for row in queries.answers_to(revision.announcement.uuid)],
        "ended": revision.expires_at is not None and revision.expires_at <= now,
        "now": now,
    }
    return render(request, "sapwood/announcements/public_detail.html", context)


@public
@require_safe
def atom(request: HttpRequest) -> HttpResponseBase:
    """The same items as Atom."""
    items, context = _syndicated(request, "announcements:atom")
    return _conditional(request, syndication.atom(items, **context), "application/atom+xml; charset=utf-8")


@public
@require_safe
def json_feed(request: HttpRequest) -> HttpResponseBase:
    """The same items as JSON Feed 1.1."""
    items, context = _syndicated(request, "announcements:json_feed")
    body = json.dumps(syndication.json_feed(items, **context), ensure_ascii=False, sort_keys=True).encode("utf-8")
    return _conditional(request, body, "application/feed+json; charset=utf-8")


def _rows(now: dt.datetime, chosen: dict[str, str]) -> Any:
    return queries.public_list(
        now,
        audience=chosen.get("audience", ""),
        release=chosen.get("release", ""),
        locale=chosen.get("lang", ""),
        kind=chosen.get("kind", ""),
    )


def _syndicated(request: HttpRequest, name: str) -> tuple[list[syndication.Syndicated], dict[str, str]]:
    chosen = Filter(request.GET or {}).chosen()
    language = chosen.get("lang", "en")
    base = settings.BASE_URL.get().rstrip("/")
    query = f"?{urlencode(sorted(chosen.items()))}" if chosen else ""
    rows: list[Revision] = list(_rows(system_clock().now(), chosen)[: syndication.ITEMS])
    items = [syndication.Syndicated(row, [language], site_name=_site(), base=base) for row in rows]
    return items, {
        "title": settings.SITE_NAME.get() or "Sapwood",
        "page_url": f"{base}{reverse('announcements:public')}{query}",
        "feed_url": f"{base}{reverse(name)}{query}",
        "language": language,
    }


def _conditional(request: HttpRequest, body: bytes, content_type: str) -> HttpResponseBase:
    etag = quote_etag(sha256_hex(body)[:32])
    changed = queries.last_change(system_clock().now())
    response = HttpResponse(body, content_type=content_type, headers={"ETag": etag, "Cache-Control": "max-age=300"})
    if changed is not None:
        response["Last-Modified"] = http_date(changed.timestamp())
    found = get_conditional_response(request, etag, int(changed.timestamp()) if changed else None, response)
    return found if found is not None else response


def _languages(chosen: dict[str, str]) -> list[str]:
    return [*([chosen["lang"]] if "lang" in chosen else []), get_language() or "en"]


def _site() -> str:
    """What stands for the institution's name on a page that belongs to none."""
    return _("your site")


def _title(row: Revision, wanted: list[str]) -> str:
    return read_for(row.raw, wanted, site_name=_site()).title


def _page_number(request: HttpRequest) -> int:
    raw = request.GET.get("page", "1")
    return min(int(raw), 10_000) if raw.isascii() and raw.isdigit() and int(raw) > 0 else 1


def _with(chosen: dict[str, str], page: int) -> str:
    return f"?{urlencode({**chosen, **({'page': page} if page > 1 else {})})}"
