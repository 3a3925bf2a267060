"""The pages of upgrades: a wizard of five steps, rehearsals, the button, the way back, and what was foretold."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from sapwood.accounts.api import User, actor_of, permission_required, reauthentication_required
from sapwood.console.phrases import say_error
from sapwood.console.registry import may
from sapwood.core.clock import system_clock
from sapwood.core.errors import NotFoundError, SapwoodError
from sapwood.core.models import Job
from sapwood.core.worker import silent_since
from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades import actions, blackouts, comparing, offers, queries, requests, screen
from sapwood.site.upgrades.applying import FORWARD
from sapwood.site.upgrades.data import Stage, Subject, Verdict
from sapwood.site.upgrades.models import Kind, Override, RehearsalRecord, Request, State, UpgradeRun
from sapwood.site.upgrades.permissions import APPLY, REHEARSE, VIEW
from sapwood.site.upgrades.report import page_of

# The report is ours, the names in it are strangers': a document of its own that may load and run nothing.
ALONE = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "sandbox"
)
MAX_REASON = 2000
CLOSED_FROM = "maintenance_on"


@require_safe
@permission_required(VIEW)
def home(request: HttpRequest) -> HttpResponse:
    """Every deployment whose upgrade the console offers."""
    rows = [{"offer": offer, **_standing(offer.key)} for offer in offers.offers()]
    return render(request, "sapwood/upgrades/home.html", {"rows": rows})


@require_safe
@permission_required(VIEW)
def subject(request: HttpRequest, place: str) -> HttpResponse:
    """One deployment: where it stands, and what its file says."""
    offer = _offer(place)
    context = {
        "offer": offer,
        "said": screen.subject_rows(offer.subject) if offer.subject else [],
        "postponed": queries.postponed(place),
        "rehearsals": _rehearsals(place),
        "standing": _standing(place),
    }
    return render(request, "sapwood/upgrades/subject.html", context)


@require_safe
@permission_required(VIEW)
def plan(request: HttpRequest, place: str) -> HttpResponse:
    """Step 1: what the upgrade would run."""
    found = queries.answer_of(queries.newest_look(place))
    told = found["plan"].get("verdict", "") if found else ""
    hints = screen.published(found["plan"].get("published", [])) if found else []
    return _step(request, place, "plan", shown=screen.verdict(told), published=hints)


@require_safe
@permission_required(VIEW)
def preflight(request: HttpRequest, place: str) -> HttpResponse:
    """Step 2: whether it could begin."""
    found = queries.answer_of(queries.newest_look(place))
    findings = found["preflight"]["findings"] if found else []
    rows = [{**row, "shown": screen.outcome(row["verdict"])} for row in findings]
    return _step(request, place, "preflight", findings=rows)


@require_safe
@permission_required(VIEW)
def rehearse(request: HttpRequest, place: str) -> HttpResponse:
    """Step 3: run it on a copy."""
    questions = [row for row in _in_the_way(place) if row.get("of_plan")]
    return _step(request, place, "rehearse", rehearsals=_rehearsals(place), questions=questions)


@require_safe
@permission_required(VIEW)
def certificate(request: HttpRequest, place: str) -> HttpResponse:
    """Step 4: what the newest rehearsal that says go is worth now."""
    return _step(request, place, "certificate", **_leave(place))


@require_safe
@permission_required(VIEW)
def press(request: HttpRequest, place: str) -> HttpResponse:
    """Step 5: what will happen, in order, and the button."""
    offer, now = _offer(place), system_clock().now()
    found = queries.answer_of(queries.newest_look(place))
    digest = found["plan"]["digest"] if found else ""
    leave = _leave(place)
    agreed = queries.overrides(str(offer.path), digest, now) if digest else []
    valid = leave["go"] if leave["holds"] else None
    going = queries.newest_run(place)
    context = {
        **leave,
        "order": [screen.STEPS[name] for name in FORWARD],
        "digest": digest,
        "failed": _in_the_way(place),
        "overrides": agreed,
        "confirmed": next((row for row in agreed if row.second_id), None),
        "postponable": (valid.document or {}).get("postponable", []) if valid else [],
        "unfinished": going if going and going.stage not in {Stage.DONE, Stage.ROLLED_BACK} else None,
        "may_apply": may(request, APPLY),
        "dark": blackouts.blackout_at(now),
    }
    return _step(request, place, "press", **context)


@require_POST
@permission_required(REHEARSE)
def look(request: HttpRequest, place: str) -> HttpResponse:
    """Have the worker plan and look."""
    return _asked(request, place, Kind.LOOK, "upgrades:plan")


@require_POST
@permission_required(REHEARSE)
def begin(request: HttpRequest, place: str) -> HttpResponse:
    """Have the worker rehearse; what somebody answers for is kept."""
    options = {"waivers": _waivers(request), "mask": "mask" in request.POST}
    return _asked(request, place, Kind.REHEARSE, "upgrades:rehearse", options)


@require_POST
@permission_required(APPLY)
@reauthentication_required
def apply(request: HttpRequest, place: str) -> HttpResponse:
    """The button: what the worker shall do, on whose word; on black-out dates only after a second word."""
    given = request.POST
    dark = blackouts.blackout_at(system_clock().now())
    if dark is not None and "in_blackout" not in given:
        messages.error(request, _("These are black-out dates. Confirm that you go on all the same."))
        return redirect("upgrades:press", place)
    options = {
        "rehearsal": _uuid(given.get("rehearsal")),
        "override": _uuid(given.get("override")),
        "postpone": "postpone" in given,
        "waivers": _waivers(request),
        **({"in_blackout": dark.reason} if dark is not None else {}),
    }
    return _asked(request, place, Kind.APPLY, "upgrades:press", options)


@require_POST
@permission_required(APPLY)
@reauthentication_required
def ask_override(request: HttpRequest, place: str) -> HttpResponse:
    """The first administrator's word that this plan may be applied without a certificate."""
    wanted = _subject(place)
    found = queries.answer_of(queries.newest_look(place))
    if not found:
        raise Http404

    def act() -> None:
        actions.ask_override(
            wanted,
            found["plan"]["digest"],
            request.POST.get("reason", ""),
            first=_user(request),
            actor=actor_of(request),
            now=system_clock().now(),
        )

    return _tried(request, act, reverse("upgrades:press", args=[place]))


@require_POST
@permission_required(APPLY)
@reauthentication_required
def confirm_override(request: HttpRequest, key: UUID) -> HttpResponse:
    """The second administrator's word."""
    row = get_object_or_404(Override, uuid=key)
    place = next((offer.key for offer in offers.offers() if str(offer.path) == row.subject), None)
    if place is None:
        raise Http404

    def act() -> None:
        actions.confirm_override(key, second=_user(request), actor=actor_of(request), now=system_clock().now())

    return _tried(request, act, reverse("upgrades:press", args=[place]))


@require_POST
@permission_required(APPLY)
@reauthentication_required
def resume(request: HttpRequest, key: str) -> HttpResponse:
    """Have the worker go on with an upgrade."""
    return _of_run(request, key, Kind.RESUME)


@require_POST
@permission_required(APPLY)
@reauthentication_required
def rollback(request: HttpRequest, key: str) -> HttpResponse:
    """Have the worker take an upgrade back; what would be lost has to be accepted."""
    options = {"to_base": "to_base" in request.POST, "lose_writes": "lose_writes" in request.POST}
    return _of_run(request, key, Kind.ROLLBACK, options)


@require_POST
@permission_required(APPLY)
def pause(request: HttpRequest, key: str) -> HttpResponse:
    """Have an upgrade wait before it closes the site."""
    return _of_run(request, key, Kind.PAUSE)


@require_safe
@permission_required(VIEW)
def request_page(request: HttpRequest, key: UUID) -> HttpResponse:
    """How far something is that was asked for; it leads on to what came of it."""
    row = get_object_or_404(Request, uuid=key)
    onward = _onward(row)
    if onward:
        return _led(request, onward)
    return _live(request, "request", {"row": row, "offer": _named(row.place), **_progress(row)})


@require_safe
@permission_required(VIEW)
def rehearsal(request: HttpRequest, key: UUID) -> HttpResponse:
    """A rehearsal: how far it is, then what it found, reasons first."""
    record = get_object_or_404(RehearsalRecord.objects.select_related("request"), request__uuid=key)
    row = record.request
    context: dict[str, Any] = {"row": row, "record": record, "offer": _named(row.place), **_progress(row)}
    if record.document:
        level, word = screen.verdict(record.verdict)
        context |= {"level": level, "word": word, "report": screen.report(record.document)}
    elif "HX-Request" in request.headers and not row.open:
        return _led(request, reverse("upgrades:rehearsal", args=[key]))
    if record.document and "HX-Request" in request.headers:
        return _led(request, reverse("upgrades:rehearsal", args=[key]))
    return _live(request, "rehearsal", context)


@require_safe
@permission_required(VIEW)
def report_page(request: HttpRequest, key: UUID) -> HttpResponse:  # noqa: ARG001 - the shape of a view
    """The report as a document of its own, which may load and run nothing."""
    response = HttpResponse(page_of(_document(key)))
    response["Content-Security-Policy"] = ALONE
    return response


@require_safe
@permission_required(VIEW)
def report_json(request: HttpRequest, key: UUID) -> HttpResponse:  # noqa: ARG001 - the shape of a view
    """The report for programs."""
    return _file(json.dumps(_document(key), ensure_ascii=False, indent=2) + "\n", "rehearsal.json")


@require_safe
@permission_required(VIEW)
def certificate_file(request: HttpRequest, key: UUID) -> HttpResponse:  # noqa: ARG001 - the shape of a view
    """The certificate, as it was signed."""
    record = get_object_or_404(RehearsalRecord, request__uuid=key)
    if not record.certificate_text:
        raise Http404
    return _file(record.certificate_text, "certificate.json")


@require_safe
@permission_required(VIEW)
def run(request: HttpRequest, key: str) -> HttpResponse:
    """One upgrade: where it stands, what may be done, and its journal."""
    row = get_object_or_404(UpgradeRun, key=key)
    lines = list(row.lines.order_by("seq"))
    asked = queries.under_way(row.place)
    moving = row.stage == Stage.RUNNING or asked is not None
    level, word = screen.stage(row.stage)
    steps = screen.steps(lines, under_way=row.stage == Stage.RUNNING)
    over = row.stage in {Stage.DONE, Stage.ROLLED_BACK}
    newest = queries.newest_run(row.place) == row
    open_still = not any(line.event == "started" and line.details.get("step") == CLOSED_FROM for line in lines)
    last = Request.objects.filter(place=row.place, run=key).order_by("-asked_at").first()
    context = {
        "run": row,
        "offer": _named(row.place),
        "level": level,
        "word": word,
        "steps": steps,
        "over": over,
        "step": screen.STEPS.get(row.step, ""),
        "events": screen.events(lines),
        "moving": moving,
        "asked": asked,
        "refused": last if last and last.state == State.FAILED else None,
        "may_apply": may(request, APPLY),
        "may_resume": newest and not over and asked is None,
        "may_roll_back": newest and asked is None and row.stage != Stage.ROLLED_BACK,
        "may_go_to_base": newest and asked is None and row.stage == Stage.ROLLED_BACK,
        "may_pause": newest and row.stage == Stage.RUNNING and open_still,
        "closed": not over and not open_still,
        "lost": screen.lost(lines),
        "lost_to_base": screen.lost(lines, to_base=True),
        "poll_url": request.path if moving else "",
    }
    return _live(request, "run", context)


@require_safe
@permission_required(VIEW)
def history(request: HttpRequest, place: str) -> HttpResponse:
    """Every upgrade of a deployment: foretold against actual."""
    rows = [screen.compared(row) for row in queries.runs(place)]
    held = queries.comparisons(place)
    newest = queries.newest_rehearsal(place)
    context = {
        "offer": _offer(place),
        "rows": rows,
        "held": comparing.rows(held),
        "pictures": comparing.pictures(held),
        "basis": comparing.basis(newest.document) if newest and newest.document else "",
    }
    return render(request, "sapwood/upgrades/history.html", context)


def _in_the_way(place: str) -> list[Any]:
    """What the newest look found to fail, or to be a person's to tell."""
    found = queries.answer_of(queries.newest_look(place))
    rows = found["preflight"]["findings"] if found else []
    return [row for row in rows if row["verdict"] == "fail" or (row["verdict"] == "unknown" and row.get("by_person"))]


def _waivers(request: HttpRequest) -> dict[str, str]:
    return {
        name.removeprefix("waive-"): " ".join(value.split())[:MAX_REASON]
        for name, value in request.POST.items()
        if name.startswith("waive-") and isinstance(value, str) and value.strip()
    }


def _offer(place: str) -> offers.Offer:
    try:
        return offers.offer(place)
    except NotFoundError:
        raise Http404 from None


def _named(place: str) -> offers.Offer | None:
    """The subject of an older page, which the settings may name no more."""
    return next((offer for offer in offers.offers() if offer.key == place), None)


def _subject(place: str) -> Subject:
    """The subject to act on; one that is not offered is not there."""
    found = _offer(place).subject
    if found is None:
        raise Http404
    return found


def _user(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Http404
    return request.user


def _standing(place: str) -> dict[str, Any]:
    rehearsed, going = queries.newest_rehearsal(place), queries.newest_run(place)
    return {
        "rehearsed": rehearsed,
        "verdict": screen.verdict(rehearsed.verdict) if rehearsed else None,
        "run": going,
        "stage": screen.stage(going.stage) if going else None,
        "asked": queries.under_way(place),
    }


def _rehearsals(place: str) -> list[dict[str, Any]]:
    rows = RehearsalRecord.objects.filter(request__place=place).select_related("request").order_by("-request__asked_at")
    return [
        {"record": row, "shown": screen.verdict(row.verdict), "open": row.request.open, "failed": row.request.error}
        for row in rows[:10]
    ]


def _leave(place: str) -> dict[str, Any]:
    """The newest certificate, and why it does not hold, as far as is known without asking the site."""
    go, found, now = requests.newest_go(place), queries.newest_look(place), system_clock().now()
    refusal: Any = None
    if go is not None:
        told = queries.answer_of(found).get("certificate")
        if go.expires_at and now >= go.expires_at:
            refusal = {"message": Phrase("It is older than a week"), "hint": Phrase("Rehearse again.")}
        elif found and found.asked_at >= go.request.asked_at:
            refusal = told["refusal"] if told and told["rehearsal"] == str(go.request.uuid) else None
        shown = screen.report(go.document) if go.document else None
    else:
        shown = None
    looked = bool(found and go and found.asked_at >= go.request.asked_at)
    return {
        "go": go,
        "refusal": refusal,
        "holds": go is not None and refusal is None,
        "looked": looked,
        "report": shown,
    }


def _reached(place: str, answer: Any) -> set[str]:
    """The steps of the wizard that came out well, by what is known here."""
    rehearsed = queries.newest_rehearsal(place)
    well = {
        "plan": bool(answer),
        "preflight": bool(answer) and answer["preflight"]["verdict"] == Verdict.GO,
        "rehearse": rehearsed is not None and rehearsed.verdict == Verdict.GO,
        "certificate": _leave(place)["holds"],
    }
    return {name for name, so in well.items() if so}


def _step(request: HttpRequest, place: str, name: str, **more: Any) -> HttpResponse:
    """One page of the wizard."""
    offer, found = _offer(place), queries.newest_look(place)
    at = screen.WIZARD.index(name)
    context = {
        "offer": offer,
        "here": name,
        "steps": screen.wizard(name, _reached(place, queries.answer_of(found))),
        "look": found,
        "found": queries.answer_of(found),
        "asked": queries.under_way(place),
        "may_rehearse": may(request, REHEARSE) and offer.subject is not None,
        "before": reverse(f"upgrades:{screen.WIZARD[at - 1]}", args=[place]) if at else "",
        "after": reverse(f"upgrades:{screen.WIZARD[at + 1]}", args=[place]) if at + 1 < len(screen.WIZARD) else "",
        **more,
    }
    return render(request, f"sapwood/upgrades/{name}.html", context)


def _asked(
    request: HttpRequest, place: str, kind: Kind, back: str, options: dict[str, Any] | None = None
) -> HttpResponse:
    wanted = _subject(place)
    try:
        row = requests.ask(wanted, kind, by=_user(request), now=system_clock().now(), options=options)
    except SapwoodError as error:
        messages.error(request, say_error(error))
        return redirect(back, place)
    return redirect("upgrades:rehearsal" if kind == Kind.REHEARSE else "upgrades:request", row.uuid)


def _of_run(request: HttpRequest, key: str, kind: Kind, options: dict[str, Any] | None = None) -> HttpResponse:
    row = get_object_or_404(UpgradeRun, key=key)
    wanted = _subject(row.place)

    def act() -> None:
        requests.ask(wanted, kind, by=_user(request), now=system_clock().now(), options=options, run=key)

    return _tried(request, act, reverse("upgrades:run", args=[key]))


def _tried(request: HttpRequest, act: Callable[[], None], back: str) -> HttpResponse:
    """Do it, or say what stands in the way, and go back."""
    try:
        act()
    except SapwoodError as error:
        messages.error(request, say_error(error))
    return redirect(back)


def _onward(row: Request) -> str:
    """Where a request leads as soon as there is something to see; nowhere while it waits, or when it failed."""
    if row.kind == Kind.REHEARSE:
        return reverse("upgrades:rehearsal", args=[row.uuid])
    if row.kind == Kind.LOOK:
        return reverse("upgrades:plan", args=[row.place]) if row.state == State.DONE else ""
    key = row.run or (row.answer or {}).get("run", "")
    if not key and row.state == State.RUNNING:
        begun = UpgradeRun.objects.filter(place=row.place, began_at__gte=row.begun_at).order_by("-began_at").first()
        key = begun.key if begun else ""
    return reverse("upgrades:run", args=[key]) if key else ""


def _progress(row: Request) -> dict[str, Any]:
    job = queries.job_of(row)
    return {
        "label": screen.KINDS[Kind(row.kind)],
        "job": job,
        "done": job.done if job else 0,
        "total": max(1, job.total, job.done + 1) if job else 1,
        "note": _note(row, job),
    }


def _note(row: Request, job: Job | None) -> str:
    """In words how far something is, or why it does not move."""
    if row.open and silent_since(system_clock().now()) is not None:
        return _("No worker is running, so this does not move. Start one with sapwood worker.")
    if row.state == State.WAITING:
        return _("It waits for the worker.")
    return screen.line(job.note) if job else ""


def _live(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    """A page that moves: htmx asks for its moving part alone."""
    part = "HX-Request" in request.headers
    template = f"sapwood/upgrades/{name}_part.html" if part else f"sapwood/upgrades/{name}.html"
    response = render(request, template, {"poll_url": request.path, **context})
    patch_vary_headers(response, ["HX-Request"])
    return response


def _led(request: HttpRequest, url: str) -> HttpResponse:
    """On to another page, also for htmx, which would put it into this one."""
    if "HX-Request" in request.headers:
        return HttpResponse(headers={"HX-Redirect": url})
    return redirect(url)


def _document(key: UUID) -> Any:
    record = get_object_or_404(RehearsalRecord, request__uuid=key)
    if not record.document:
        raise Http404
    return record.document


def _file(text: str, name: str) -> HttpResponse:
    return HttpResponse(
        text, content_type="application/json", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _uuid(text: Any) -> str:
    """An id as it was given, or nothing."""
    try:
        return str(UUID(str(text)))
    except ValueError:
        return ""
