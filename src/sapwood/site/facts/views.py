"""The page of this site's release: what runs, what threatens it, which way leads out, and what is not known."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from sapwood.accounts.api import actor_of, permission_required
from sapwood.console.registry import may
from sapwood.core.clock import system_clock
from sapwood.core.data import JSON
from sapwood.core.jobs import enqueue
from sapwood.formats.exposure import Exposure
from sapwood.site.facts import api, queries, screen
from sapwood.site.facts.permissions import REFRESH, VIEW
from sapwood.site.facts.tasks import LOOK_JOB


@require_safe
@permission_required(VIEW)
def release(request: HttpRequest) -> HttpResponse:
    """Everything about this site's release."""
    now = system_clock().now()
    found = api.try_exposure(now)
    facts, snapshot = api.current_facts(), queries.current_snapshot()
    context = {
        "now": now,
        "look": api.last_look(),
        "configured": api.configured(),
        "may_refresh": may(request, REFRESH),
        "snapshot": snapshot,
        "facts": facts,
        "known": screen.fact_rows(facts) if facts else [],
        "why": [(screen.fact_name(name), why) for name, why in sorted(facts.why.items())] if facts else [],
    }
    if isinstance(found, Exposure):
        context |= {
            "found": found,
            "planned_end": screen.planned_end(found),
            "standing": screen.standing(found),
            "exposed": screen.exposed(found),
            "picture": screen.path_picture(found),
            "path_words": screen.path_words(found),
            "threats": [screen.threat_row(threat) for threat in found.advisories],
            "undecided": [screen.threat_row(threat) for threat in found.undecided],
            "legs": [screen.leg_section(leg) for leg in found.path],
        }
    else:
        context["error"] = found
    return render(request, "sapwood/facts/release.html", context)


@require_POST
@permission_required(REFRESH)
def look(request: HttpRequest) -> HttpResponse:
    """Have the worker inspect the site now: it starts programs of the platform, which takes its time."""
    if not api.configured():
        messages.warning(request, _("No site is configured: set SAPWOOD_TUTOR_ROOT or SAPWOOD_FACTS."))
        return redirect("facts:release")
    actor = actor_of(request)
    payload: dict[str, JSON] = {"actor": actor.packed()}
    return redirect("console:work", enqueue(LOOK_JOB, payload, key=actor.key, now=system_clock().now()))
