"""The page where an organisation reads exactly the text about it and says yes or no."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from sapwood.accounts.api import public
from sapwood.commons.announcements.actions.consenting import answer_consent, consent_for
from sapwood.commons.announcements.documents import read_announcement
from sapwood.commons.announcements.errors import ConsentLinkError
from sapwood.commons.announcements.models import CaseStudyConsent
from sapwood.commons.announcements.reading import language_name, read_for
from sapwood.core.clock import system_clock


class AnswerForm(forms.Form):
    """Yes or no, by whom, and a word to the author."""

    text_sha256 = forms.CharField(widget=forms.HiddenInput)
    name = forms.CharField(max_length=200)
    comment = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 4}), max_length=5000)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Your name")
        self.fields["comment"].label = _("A word to the author")


@public
@never_cache
@sensitive_variables("token")
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, token: str) -> HttpResponse:
    """Read the text; answer once. Opening the page uses nothing up, since mail filters open links too."""
    now = system_clock().now()
    try:
        row = consent_for(token, now=now)
        form = AnswerForm(request.POST if request.method == "POST" else None, initial={"text_sha256": row.text_sha256})
        if request.method == "POST" and request.POST.get("answer") in {"agree", "refuse"} and form.is_valid():
            agreed = request.POST["answer"] == "agree"
            row = answer_consent(token, agreed=agreed, now=now, **form.cleaned_data)
            return _private(render(request, "sapwood/announcements/consent_done.html", {"row": row, "agreed": agreed}))
    except ConsentLinkError as error:
        context = {"error": error}
        return _private(render(request, "sapwood/announcements/consent_closed.html", context, status=error.http_status))
    return _private(
        render(request, "sapwood/announcements/consent.html", {"row": row, "form": form, "texts": _texts(row)})
    )


def _texts(row: CaseStudyConsent) -> list[tuple[str, Any]]:
    """Every language of the text: what is agreed to is all of them."""
    locales = sorted(read_announcement(row.raw).texts)
    return [(language_name(tag), read_for(row.raw, [tag], site_name=_("your site"))) for tag in locales]


def _private(response: HttpResponse) -> HttpResponse:
    """The address is a secret: it must not travel on in a Referer header or into a search engine."""
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response
