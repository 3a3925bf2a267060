"""Writing in the console: the list, one announcement with all that can be done to it, the form, the preview."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from sapwood.accounts.api import actor_of, permission_required, reach, reauthentication_required, require, user_has
from sapwood.commons.announcements import api, queries
from sapwood.commons.announcements.actions.approving import has_consent, is_approved, needs_second_person
from sapwood.commons.announcements.actions.translating import stale_locales
from sapwood.commons.announcements.checks import check_document
from sapwood.commons.announcements.documents import read_announcement, read_document
from sapwood.commons.announcements.files.fields import is_locale
from sapwood.commons.announcements.forms import (
    ConsentForm,
    DraftForm,
    PoForm,
    ReasonForm,
    TranslationForm,
    initial_of,
    source_locale,
)
from sapwood.commons.announcements.history import history
from sapwood.commons.announcements.models import OPEN_STATES, Announcement, ImportedEntry, Retraction, Revision, State
from sapwood.commons.announcements.people import identity
from sapwood.commons.announcements.permissions import APPROVE, RETRACT, STAGE, TRANSLATE, VIEW, WRITE, OnChannel
from sapwood.commons.announcements.po import export_po
from sapwood.commons.announcements.profiles import profiles, verdict
from sapwood.commons.announcements.reading import language_name, lines, read_for
from sapwood.console.phrases import say_error
from sapwood.core import settings
from sapwood.core.clock import system_clock
from sapwood.core.errors import SapwoodError, UsageError
from sapwood.formats.conditions import Verdict, describe
from sapwood.formats.phrase import Phrase

PAGE = 50
OUTLETS = ("page", "mail", "feed")


@permission_required(VIEW)
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Everything, newest change first; a narrowed role sees its channels."""
    rows = queries.newest(*State.values).order_by("-updated_at", "-pk")
    found = reach(request.user, VIEW)
    if not found.everywhere:
        rows = rows.filter(channel__in=[key for kind, key in found.scopes if kind == "channel"])
    state = request.GET.get("state", "")
    if state == "open":
        rows = rows.filter(state__in=OPEN_STATES)
    elif state in State.values:
        rows = rows.filter(state=state)
    page = _page_number(request)
    shown = list(rows[(page - 1) * PAGE : page * PAGE + 1])
    query = f"state={state}&" if state else ""
    context = {
        "rows": shown[:PAGE],
        "tabs": [
            {"label": label, "url": f"?state={value}" if value else "?", "current": value == state, "count": None}
            for value, label in _TABS.items()
        ],
        "budgets": queries.live_budgets(system_clock().now()),
        "may_write": user_has(request.user, WRITE, OnChannel("")) or bool(reach(request.user, WRITE)),
        "previous_url": f"?{query}page={page - 1}" if page > 1 else "",
        "next_url": f"?{query}page={page + 1}" if len(shown) > PAGE else "",
    }
    return render(request, "sapwood/announcements/list.html", context)


_TABS = {
    "": gettext_lazy("All"),
    "open": gettext_lazy("To do"),
    "STAGED": gettext_lazy("Waiting for signatures"),
    "PUBLISHED": gettext_lazy("Published"),
}


@permission_required(WRITE)
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Write a new announcement."""
    form = DraftForm(request.POST or None, key=_key_of(request), resolve=_resolve, base={})
    if request.method == "POST" and form.is_valid():
        require(request, WRITE, OnChannel(str(form.document["channel"])))
        begun = queries.newest(*State.values).filter(announcement__uuid=form.document["uuid"]).first()
        if begun is not None:
            require(request, WRITE, begun)
            if read_document(begun.raw) == form.document:
                return redirect("announcements:detail", begun.announcement.uuid)
            form.add_error(None, _("This form was sent before, with other words. Open that draft and change it there."))
            return render(request, "sapwood/announcements/edit.html", {"form": form, "is_new": True, "begun": begun})
        try:
            revision = api.save_draft(
                form.document,
                slug=form.cleaned_data["slug"],
                actor=actor_of(request),
                now=system_clock().now(),
                organisation=form.cleaned_data["organisation"].strip(),
            )
        except SapwoodError as error:
            form.add_error("slug", say_error(error))
        else:
            _say_report(request, form)
            return redirect("announcements:detail", revision.announcement.uuid)
    return render(request, "sapwood/announcements/edit.html", {"form": form, "is_new": True})


def _key_of(request: HttpRequest) -> uuid.UUID:
    """What a new announcement will be known by: the form carries it, so that sending it twice makes one."""
    try:
        return uuid.UUID(request.POST.get("key", ""))
    except ValueError:
        return uuid.uuid4()


@permission_required(WRITE)
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """Change the text; what was published stays until the new one is."""
    revision = _newest(key)
    require(request, WRITE, revision)
    document = read_document(revision.raw)
    initial = initial_of(document, revision.organisation, _slugs(document)) | {"seen_sha256": revision.sha256}
    form = DraftForm(request.POST or None, key=key, resolve=_resolve, base=document, initial=initial)
    if request.method == "POST" and form.is_valid():
        require(request, WRITE, OnChannel(str(form.document["channel"])))
        try:
            api.save_draft(
                form.document,
                slug=revision.announcement.slug,
                actor=actor_of(request),
                now=system_clock().now(),
                organisation=form.cleaned_data["organisation"].strip(),
                seen_sha256=form.cleaned_data["seen_sha256"],
            )
        except SapwoodError as error:
            form.add_error(None, say_error(error))
        else:
            _say_report(request, form)
            return redirect("announcements:detail", key)
    return render(request, "sapwood/announcements/edit.html", {"form": form, "revision": revision})


@permission_required(VIEW)
@require_safe
def detail(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """One announcement: where it stands, what it needs, what can be done."""
    revision = _newest(key)
    require(request, VIEW, revision)
    published = queries.published().filter(announcement=revision.announcement).first()
    report = check_document(read_document(revision.raw), organisation=revision.organisation)
    stale = stale_locales(revision)
    context = {
        "revision": revision,
        "published": published,
        "open": revision.state in OPEN_STATES,
        "report": report,
        "readings": [(tag, language_name(tag), stale.get(tag)) for tag in revision.locales],
        "reading": read_for(revision.raw, ["en"], site_name=_("your site")),
        "own_locale": source_locale(read_document(revision.raw)),
        "condition": describe(read_announcement(revision.raw).condition),
        "verdicts": [(profile, found := verdict(revision.condition, profile), _why(found)) for profile in profiles()],
        "second_person": needs_second_person(revision),
        "is_author": identity(actor_of(request)) in revision.author_keys,
        "approved": is_approved(revision),
        "consent_missing": not has_consent(revision),
        "consents": revision.announcement.consents.order_by("-asked_at"),
        "retraction": Retraction.objects.filter(announcement=revision.announcement).first(),
        "events": history(key),
        "conflicts": [_conflict(entry, revision) for entry in queries.conflicts().filter(announcement__uuid=key)],
        "before": _text_of(published) if published and published.pk != revision.pk else "",
        "after": _text_of(revision),
        "may": {
            "write": user_has(request.user, WRITE, revision),
            "approve": user_has(request.user, APPROVE, revision),
            "stage": user_has(request.user, STAGE, revision),
            "retract": user_has(request.user, RETRACT, revision),
            "translate": user_has(request.user, TRANSLATE, revision),
        },
        "reason_form": ReasonForm(),
        "consent_form": ConsentForm(),
    }
    return render(request, "sapwood/announcements/detail.html", context)


@permission_required(VIEW)
@require_safe
def preview(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """As a reader sees it: by language, by example site, by outlet."""
    revision = _newest(key)
    require(request, VIEW, revision)
    locale = request.GET.get("locale", "")
    outlet = request.GET.get("outlet", "page")
    outlet = outlet if outlet in OUTLETS else "page"
    chosen = next((item for item in profiles() if item.slug == request.GET.get("profile", "")), profiles()[0])
    reading = read_for(revision.raw, [locale or "en"], site_name=settings.SITE_NAME.get() or _("Example University"))
    found = verdict(revision.condition, chosen)
    context = {
        "revision": revision,
        "reading": reading,
        "outlet": outlet,
        "locales": [(tag, language_name(tag), tag == reading.locale) for tag in revision.locales],
        "outlets": [(name, label, name == outlet) for name, label in _OUTLET_NAMES.items()],
        "profiles": [(item, item.slug == chosen.slug) for item in profiles()],
        "profile": chosen,
        "verdict": found,
        "why": _why(found),
        "condition": describe(read_announcement(revision.raw).condition),
    }
    return render(request, "sapwood/announcements/preview.html", context)


_OUTLET_NAMES = {"page": gettext_lazy("Page"), "mail": gettext_lazy("Mail"), "feed": gettext_lazy("Feed")}


@permission_required(TRANSLATE)
@require_http_methods(["GET", "POST"])
def translate(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """Add or correct one language, beside the author's text; as a form or as a gettext file."""
    revision = _newest(key)
    require(request, TRANSLATE, revision)
    locale = request.GET.get("locale", "")
    if request.GET.get("download") == "po" and is_locale(locale):
        return _po_file(revision, locale)
    text: Mapping[str, Any] = read_document(revision.raw)["texts"].get(locale, {})
    initial = {**text, "locale": locale, "seen_sha256": revision.sha256}
    uploaded = request.FILES.get("po")
    form = TranslationForm(None if uploaded else request.POST or None, initial=initial)
    upload = PoForm(request.POST if uploaded else None, request.FILES or None, initial=initial)
    if request.method == "POST":
        chosen = upload if uploaded else form
        if chosen.is_valid() and _translated(request, revision, chosen):
            return redirect("announcements:detail", key)
    source = read_for(revision.raw, ["en"], site_name="{{site_name}}")
    context = {"form": form, "upload": upload, "revision": revision, "source": source, "locale": locale}
    return render(request, "sapwood/announcements/translate.html", context)


def _translated(request: HttpRequest, revision: Revision, form: TranslationForm | PoForm) -> bool:
    try:
        locale, text = form.result(revision)
        api.translate(
            revision.announcement.uuid,
            locale=locale,
            text=text,
            actor=actor_of(request),
            now=system_clock().now(),
            seen_sha256=form.cleaned_data["seen_sha256"],
        )
    except SapwoodError as error:
        form.add_error(None, say_error(error))
        return False
    return True


def _po_file(revision: Revision, locale: str) -> HttpResponse:
    name = f"{revision.announcement.slug}.{locale}.po"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(export_po(revision, locale), content_type="text/x-gettext-translation", headers=headers)


@permission_required(VIEW)
@require_POST
def act(request: HttpRequest, key: uuid.UUID, verb: str) -> HttpResponse:
    """Do one thing to exactly the text that the person saw; what leads out of the house needs a fresh sign-in."""
    if verb not in _VERBS:
        raise Http404
    return _act_after_sign_in(request, key, verb) if verb in _DANGEROUS else _act(request, key, verb)


def _act(request: HttpRequest, key: uuid.UUID, verb: str) -> HttpResponse:
    code, words = _VERBS[verb]
    revision = _newest(key)
    require(request, code, revision)
    common = {"actor": actor_of(request), "now": system_clock().now()}
    try:
        _do(request, verb, key, common)
    except SapwoodError as error:
        messages.error(request, say_error(error))
    else:
        messages.success(request, words)
    if not Revision.objects.filter(announcement__uuid=key).exists():
        return redirect("announcements:list")
    return redirect("announcements:detail", key)


_act_after_sign_in = reauthentication_required(_act)
_DANGEROUS = frozenset({"approve", "stage", "retract", "ask-consent"})
_VERBS: dict[str, tuple[str, Any]] = {
    "submit": (WRITE, gettext_lazy("Submitted for approval.")),
    "take-theirs": (WRITE, gettext_lazy("The source's words are in the draft.")),
    "keep-ours": (WRITE, gettext_lazy("The text stays as it is here.")),
    "discard": (WRITE, gettext_lazy("The draft was thrown away.")),
    "test": (WRITE, gettext_lazy("On the test channel, waiting for its signers.")),
    "ask-consent": (WRITE, gettext_lazy("The organisation is being asked.")),
    "approve": (APPROVE, gettext_lazy("Approved: exactly this text.")),
    "send-back": (APPROVE, gettext_lazy("Sent back to its author.")),
    "stage": (STAGE, gettext_lazy("It now waits for signatures.")),
    "retract": (RETRACT, gettext_lazy("Noted.")),
}


def _do(request: HttpRequest, verb: str, key: uuid.UUID, common: dict[str, Any]) -> None:
    sha256 = request.POST.get("sha256", "")
    if verb in {"submit", "approve", "stage", "test", "discard"}:
        plain: dict[str, Any] = {
            "submit": api.submit,
            "approve": api.approve,
            "stage": api.stage,
            "test": api.stage_for_test,
            "discard": api.discard_draft,
        }
        plain[verb](key, sha256=sha256, **common)
    elif verb == "take-theirs":
        api.take_theirs(key, sha256=sha256, seen=request.POST.get("seen", ""), **common)
    elif verb == "keep-ours":
        api.keep_ours(key, seen=request.POST.get("seen", ""), **common)
    elif verb == "ask-consent":
        api.ask_consent(key, sha256=sha256, email=_valid(ConsentForm(request.POST))["email"], **common)
    elif verb == "send-back":
        api.send_back(key, sha256=sha256, reason=_valid(ReasonForm(request.POST))["reason"], **common)
    else:
        api.retract(key, reason=_valid(ReasonForm(request.POST))["reason"], urgent="urgent" in request.POST, **common)


def _valid(form: ReasonForm | ConsentForm) -> dict[str, Any]:
    if not form.is_valid():
        raise UsageError(_("Something is missing."), hint=_("Fill in the field and press the button again."))
    return form.cleaned_data


def _why(found: Verdict) -> Phrase:
    return Phrase.listed(found.reasons)


def _newest(key: uuid.UUID) -> Revision:
    found = queries.newest(*State.values).filter(announcement__uuid=key).first()
    if found is None:
        raise Http404
    return found


def _resolve(slug: str) -> uuid.UUID | None:
    return Announcement.objects.filter(slug=slug).values_list("uuid", flat=True).first()


def _slugs(document: Mapping[str, Any]) -> dict[str, str]:
    keys = [*document.get("supersedes", []), *document.get("closes", [])]
    return {str(key): slug for key, slug in Announcement.objects.filter(uuid__in=keys).values_list("uuid", "slug")}


def _text_of(revision: Revision) -> str:
    """The author's words in plain lines, for a comparison."""
    text = read_for(revision.raw, ["en"], site_name="{{site_name}}").item.text("en")
    return lines({"title": text.title, "summary": text.summary, "body": text.body})


def _conflict(entry: ImportedEntry, revision: Revision) -> dict[str, Any]:
    """An import whose source changed: the words as imported, as they are here, and as the source has them."""
    ours: Mapping[str, Any] = read_document(revision.raw)["texts"].get(entry.locale, {})
    return {"entry": entry, **{name: lines(text) for name, text in
            (("base", entry.base), ("ours", ours), ("theirs", entry.theirs))}}  # fmt: skip


def _say_report(request: HttpRequest, form: DraftForm) -> None:
    count = len(form.report.problems)
    if count:
        messages.warning(
            request, _("Saved. Before it can be submitted, look at what is listed under “What is missing”.")
        )
    else:
        messages.success(request, _("Saved."))


def _page_number(request: HttpRequest) -> int:
    raw = request.GET.get("page", "1")
    return min(int(raw), 10_000) if raw.isascii() and raw.isdigit() and int(raw) > 0 else 1
