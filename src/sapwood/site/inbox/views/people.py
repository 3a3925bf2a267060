"""Pages for the people whom deliveries reach, and for the administrator who keeps the list."""

import datetime as dt

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from sapwood.accounts.api import (
    User,
    actor_of,
    owns_address,
    permission_required,
    reauthentication_required,
    sign_in_required,
)
from sapwood.core.clock import system_clock
from sapwood.core.errors import ForbiddenError, NotFoundError, SapwoodError, UsageError
from sapwood.site.inbox import api, staff, tokens
from sapwood.site.inbox.actions.people_files import imported_words
from sapwood.site.inbox.data import Audience
from sapwood.site.inbox.models import Person
from sapwood.site.inbox.queries import people as queries
from sapwood.site.inbox.views.people_forms import (
    AddForm,
    AudienceRuleForm,
    CsvForm,
    RefuseForm,
    SubscribeForm,
    WishForm,
)

SESSION_CSV = "inbox_csv"
# As many lines take well under a second.
AT_ONCE = 2_000


def _now() -> dt.datetime:
    return system_clock().now()


@require_GET
@permission_required(staff.PEOPLE)
def people(request: HttpRequest) -> HttpResponse:
    """Everybody on the list."""
    request.session.pop(SESSION_CSV, None)  # a file that nobody confirmed is not kept
    page = api.people(after=request.GET.get("after", ""), audience=request.GET.get("audience", ""))
    refused = queries.refused(page.rows)
    here = reverse("inbox:people")
    kept = {name: str(request.GET[name]) for name in ("audience",) if name in request.GET}
    context = {
        "people": [(row, row.pk in refused) for row in page.rows],
        "counts": queries.counts(),
        "next_url": f"{here}?{urlencode({**kept, 'after': page.after})}" if page.after else "",
        "first_url": f"{here}?{urlencode(kept)}" if request.GET.get("after") else "",
        "add_form": AddForm(),
        "csv_form": CsvForm(),
        "refuse_form": RefuseForm(),
    }
    return render(request, "sapwood/inbox/people.html", context)


@require_POST
@permission_required(staff.PEOPLE)
@reauthentication_required
def add(request: HttpRequest) -> HttpResponse:
    """Put one address on the list."""
    form = AddForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("That is not a mail address."))
        return redirect("inbox:people")
    data = form.cleaned_data
    api.add_person(
        data["email"], Audience(data["audience"]), actor=actor_of(request), now=_now(), locale=data["locale"]
    )
    messages.success(request, _("Added."))
    return redirect("inbox:people")


@require_POST
@permission_required(staff.PEOPLE)
@reauthentication_required
def import_csv(request: HttpRequest) -> HttpResponse:
    """First show what a file would do, then do exactly that."""
    if "confirmed" in request.POST:
        return _import_what_was_looked_at(request)
    form = CsvForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, _("Choose a CSV file and an audience."))
        return redirect("inbox:people")
    raw = form.cleaned_data["file"].read()
    audience = Audience(form.cleaned_data["audience"])
    report = api.import_csv(raw, audience=audience, actor=actor_of(request), now=_now(), apply=False)
    lines = report.added + report.changed + report.unchanged
    request.session[SESSION_CSV] = {"text": raw.decode("utf-8-sig"), "audience": audience.value, "lines": lines}
    return render(request, "sapwood/inbox/people_csv.html", {"report": report, "audience": audience})


def _import_what_was_looked_at(request: HttpRequest) -> HttpResponse:
    """A short file at once, a long one by the worker. Pressing the button twice does it once and answers alike."""
    kept = request.session.get(SESSION_CSV) or {}
    if "text" in kept:
        raw, audience, actor = kept["text"].encode("utf-8"), Audience(kept["audience"]), actor_of(request)
        if kept["lines"] > AT_ONCE:
            language = get_language() or "en"
            kept = {"job": str(api.import_soon(raw, audience=audience, actor=actor, now=_now(), language=language))}
        else:
            kept = {"done": imported_words(api.import_csv(raw, audience=audience, actor=actor, now=_now()))}
        request.session[SESSION_CSV] = kept
    if "job" in kept:
        return redirect("console:work", kept["job"])
    if "done" in kept:
        messages.success(request, kept["done"])
    else:
        messages.error(request, _("Choose the file again."))
    return redirect("inbox:people")


@require_GET
@permission_required(staff.PEOPLE)
@reauthentication_required
def export_csv(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a view
    """The list as a file."""
    response = HttpResponse(api.export_csv(queries.everybody()), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="people.csv"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_POST
@permission_required(staff.PEOPLE)
@reauthentication_required
def erase(request: HttpRequest) -> HttpResponse:
    """Forget one person."""
    person = queries.by_uuid(request.POST.get("person", ""))
    api.erase_personal(person.email, actor=actor_of(request), now=_now())
    messages.success(request, _("Erased. What was delivered stays counted, to nobody."))
    return redirect("inbox:people")


@require_POST
@permission_required(staff.PEOPLE)
def invite(request: HttpRequest) -> HttpResponse:
    """Invite somebody to the community forum."""
    person = queries.by_uuid(request.POST.get("person", ""))
    count = api.invite_to_forum([person.uuid], actor=actor_of(request), now=_now())
    messages.success(request, _("Invited.") if count else _("Only instructors are invited, and only once."))
    return redirect("inbox:people")


@require_POST
@permission_required(staff.PEOPLE)
@reauthentication_required
def refuse(request: HttpRequest) -> HttpResponse:
    """Put an address on the bounce list, or take it off."""
    form = RefuseForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("That is not a mail address."))
        return redirect("inbox:people")
    email, actor, now = form.cleaned_data["email"], actor_of(request), _now()
    try:
        if request.POST.get("what") == "allow":
            api.allow_mail(email, actor=actor, now=now)
            done = _("Mail goes to this address again.")
        else:
            api.refuse_mail(email, actor=actor, now=now)
            done = _("No mail goes to this address any more.")
    except (NotFoundError, UsageError) as error:
        messages.error(request, f"{error.message}. {error.hint}")
    else:
        messages.success(request, done)
    return redirect("inbox:people")


@never_cache
@require_http_methods(["GET", "POST"])
@permission_required(staff.PEOPLE)
@reauthentication_required
def claims(request: HttpRequest) -> HttpResponse:
    """Which claims of an identity provider give which audience."""
    form = AudienceRuleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        api.map_claim(data["claim"], data["value"], Audience(data["audience"]), actor=actor_of(request), now=_now())
        messages.success(request, _("From their next sign-in on, these people belong to the audience."))
        return redirect("inbox:people_claims")
    context = {"form": form, "rules": api.audience_rules()}
    status = 400 if request.method == "POST" else 200
    return render(request, "sapwood/inbox/people_claims.html", context, status=status)


@require_POST
@permission_required(staff.PEOPLE)
@reauthentication_required
def remove_claim(request: HttpRequest, rule: int) -> HttpResponse:
    """End such a rule."""
    api.unmap_claim(rule, actor=actor_of(request), now=_now())
    messages.success(request, _("The rule is removed; what it gave ends at each person's next sign-in."))
    return redirect("inbox:people_claims")


# --- pages of readers ---------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def subscribe(request: HttpRequest) -> HttpResponse:
    """Ask for announcements by mail; the answer is the same whether the address is known or not."""
    form = SubscribeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        api.subscribe(data["email"], Audience(data["audience"]), now=_now(), locale=get_language() or "en")
        return render(request, "sapwood/inbox/subscribe_asked.html")
    status = 400 if request.method == "POST" else 200
    return render(request, "sapwood/inbox/subscribe.html", {"form": form}, status=status)


@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Opening the link changes nothing (mail scanners open links); the button confirms."""
    if request.method == "GET":
        tokens.read(token, "confirm", now=_now())
        return render(request, "sapwood/inbox/confirm.html", {"token": token})
    person = api.confirm(token, now=_now())
    messages.success(request, _("Confirmed. Choose what you want to hear about."))
    return redirect("inbox:subscription", tokens.manage(person))


@csrf_exempt
@require_http_methods(["GET", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """One click (RFC 8058): a POST without cookies ends all mail; a GET shows the button and changes nothing."""
    if request.method == "GET":
        tokens.read(token, "unsubscribe", now=_now())
        return render(request, "sapwood/inbox/unsubscribe.html", {"token": token, "done": False})
    api.unsubscribe(token, now=_now())
    return render(request, "sapwood/inbox/unsubscribe.html", {"token": token, "done": True})


@require_http_methods(["GET", "POST"])
def subscription(request: HttpRequest, token: str) -> HttpResponse:
    """One's own choices, by the link in every mail."""
    return _choices(request, tokens.read(token, "manage", now=_now()))


@require_http_methods(["GET", "POST"])
def forget(request: HttpRequest, token: str) -> HttpResponse:
    """Have one's address forgotten: a GET says what that means, the button does it."""
    if request.method == "GET":
        person = tokens.read(token, "manage", now=_now())
        return render(request, "sapwood/inbox/forget.html", {"person": person, "token": token})
    api.erase_self(token, now=_now())
    return render(request, "sapwood/inbox/forget.html", {"done": True})


@require_http_methods(["GET", "POST"])
@sign_in_required
def mine(request: HttpRequest) -> HttpResponse:
    """One's own choices, signed in."""
    user = request.user
    if not isinstance(user, User):
        raise ForbiddenError(_("Sign in first."))
    if not owns_address(user):
        messages.info(request, _("Nobody has confirmed yet that your address is yours. Ask for the link here."))
        return redirect("inbox:subscribe")
    person = queries.by_address(user.email)
    audience = api.audience_of(user)
    if person is None or person.unsubscribed_at is not None:
        if audience is None:
            return redirect("inbox:subscribe")
        if request.method == "POST":
            api.join_signed_in(
                user,
                audience,
                actor=actor_of(request),
                now=_now(),
                locale=user.language or get_language() or "en",
            )
            messages.success(request, _("You are on the list."))
            return redirect("inbox:mine")
        return render(request, "sapwood/inbox/join.html", {"audience": audience})
    return _choices(request, person)


def _choices(request: HttpRequest, person: Person) -> HttpResponse:
    streams = sorted({*api.open_streams(Audience(person.audience)), *queries.streams_of(person)})
    form = WishForm(request.POST or None, person=person, streams=streams)
    error: SapwoodError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            api.choose(person.uuid, form.wish(), now=_now())
        except SapwoodError as problem:
            error = problem
        else:
            messages.success(request, _("Saved."))
            return redirect(request.path)
    context = {
        "form": form,
        "person": person,
        "error": error,
        "unsubscribe": reverse("inbox:unsubscribe", args=[tokens.unsubscribe(person)]),
        "forget": reverse("inbox:forget", args=[tokens.manage(person)]),
    }
    return render(request, "sapwood/inbox/subscription.html", context, status=error.http_status if error else 200)
