"""Changing the catalogue: upload, look at findings and differences, approve or turn down."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from sapwood.accounts.api import actor_of, permission_required, reauthentication_required
from sapwood.commons.releases import api, queries, screen
from sapwood.commons.releases.forms import Proposal
from sapwood.commons.releases.models import CatalogueRevision, State
from sapwood.commons.releases.permissions import APPROVE, PROPOSE, VIEW
from sapwood.console.phrases import say_error
from sapwood.console.registry import may
from sapwood.core import audit
from sapwood.core.clock import system_clock
from sapwood.core.errors import SapwoodError
from sapwood.formats.catalogue import Catalogue, validate
from sapwood.formats.catalogue.changes import changes
from sapwood.formats.errors import FormatError


@require_safe
@permission_required(VIEW)
def revisions(request: HttpRequest) -> HttpResponse:
    """Every proposal and what became of it."""
    rows = api.revisions()
    names = audit.names({ref for row in rows for ref in (row.proposed_by, row.decided_by) if ref})
    context = {
        "rows": [(row, names.get(row.proposed_by, ""), names.get(row.decided_by, "")) for row in rows],
        "may_propose": may(request, PROPOSE),
    }
    return render(request, "sapwood/releases/revisions.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(PROPOSE)
def propose(request: HttpRequest) -> HttpResponse:
    """Upload a catalogue: its errors are shown and keep it out, its warnings go along to the second look."""
    form = Proposal(request.POST or None, request.FILES or None)
    context: dict[str, object] = {"form": form}
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            raw = form.cleaned_data["file"]
            try:
                note = form.cleaned_data["note"]
                row = api.propose(raw, actor=actor_of(request), now=system_clock().now(), note=note)
            except SapwoodError as error:
                form.add_error("file", say_error(error))
                context["findings"] = _findings(raw)
            else:
                messages.success(request, _("The catalogue is proposed; somebody else must look at it now."))
                return redirect("releases:revision", pk=row.pk)
    return render(request, "sapwood/releases/propose.html", context, status=status)


@require_safe
@permission_required(VIEW)
def revision(request: HttpRequest, pk: int) -> HttpResponse:
    """One revision with its findings, and what it changes against the one in use."""
    row = _row(pk)
    base = CatalogueRevision.objects.filter(project=row.project, state=State.APPROVED, number__lt=row.number)
    before = base.order_by("-number").first()
    changed = changes(queries.parsed(before), queries.parsed(row)) if before else []
    names = audit.names({ref for ref in (row.proposed_by, row.decided_by) if ref})
    context = {
        "row": row,
        "open": row.state == State.PROPOSED,
        "before": before,
        "changes": screen.change_rows(changed),
        "findings": screen.finding_rows(row.findings),
        "proposed_by": names.get(row.proposed_by, ""),
        "decided_by": names.get(row.decided_by, ""),
        "may_approve": may(request, APPROVE),
        "may_refuse": may(request, PROPOSE),
    }
    return render(request, "sapwood/releases/revision.html", context)


@require_POST
@permission_required(APPROVE)
@reauthentication_required
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve exactly what was looked at."""
    sha256 = request.POST.get("sha256", "")
    try:
        api.approve(pk, sha256=sha256, actor=actor_of(request), now=system_clock().now())
    except SapwoodError as error:
        messages.error(request, say_error(error))
    else:
        messages.success(request, _("The catalogue is approved and goes to the signers."))
    return redirect("releases:revision", pk=pk)


@require_POST
@permission_required(PROPOSE)
def refuse(request: HttpRequest, pk: int) -> HttpResponse:
    """Turn a proposal down."""
    sha256 = request.POST.get("sha256", "")
    try:
        api.refuse(pk, sha256=sha256, actor=actor_of(request), now=system_clock().now())
    except SapwoodError as error:
        messages.error(request, say_error(error))
    else:
        messages.success(request, _("The proposal is turned down."))
    return redirect("releases:revision", pk=pk)


def _row(pk: int) -> CatalogueRevision:
    row = CatalogueRevision.objects.filter(pk=pk).first()
    if row is None:
        raise Http404
    return row


def _findings(raw: bytes) -> list[dict[str, object]]:
    try:
        return screen.finding_rows([item.as_dict() for item in validate(Catalogue.from_bytes(raw))])
    except FormatError:
        return []
