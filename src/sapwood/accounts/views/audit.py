"""The audit log on a page: filtered, page by page, and whether its chain holds."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from sapwood.accounts import audit_log
from sapwood.accounts.forms import AuditFilterForm
from sapwood.accounts.guards import permission_required
from sapwood.accounts.permissions import VIEW_AUDIT
from sapwood.accounts.tasks import VERIFY_JOB
from sapwood.core import audit as chain
from sapwood.core import jobs, paths
from sapwood.core.clock import system_clock
from sapwood.core.models import Job
from sapwood.formats.phrase import recalled

# Walking as many rows takes well under a second.
AT_ONCE = 10_000


@never_cache
@permission_required(VIEW_AUDIT)
@require_GET
def log(request: HttpRequest) -> HttpResponse:
    """Fifty rows, newest first."""
    form, filters = _filters(request)
    before = request.GET.get("before", "")
    shown = audit_log.page(filters, before=int(before) if before.isdecimal() and len(before) < 19 else None)  # noqa: PLR2004
    query = {name: value for name, value in form.data.items() if value and name in form.fields}
    here = reverse("accounts:audit")
    context: dict[str, Any] = {
        "form": form,
        "entries": shown.entries,
        "actions": audit_log.actions_seen(),
        "next_url": f"{here}?{urlencode({**query, 'before': shown.before})}" if shown.before else "",
        "previous_url": f"{here}?{urlencode(query)}" if before else "",
        "export_url": f"{reverse('accounts:audit_export')}?{urlencode(query)}",
        "filtered": bool(query),
    }
    return render(request, "sapwood/accounts/audit.html", context)


@never_cache
@permission_required(VIEW_AUDIT)
@require_http_methods(["GET", "HEAD", "POST"])
def verify(request: HttpRequest) -> HttpResponse:
    """Walk the whole chain, as `sapwood audit verify` does, and show what was found; the worker walks a long one."""
    rows = chain.length()
    if rows <= AT_ONCE:
        report = chain.verify(paths.role_dir() / "audit")
        return render(request, "sapwood/accounts/audit_verify.html", {"report": report})
    if request.method == "POST":
        return redirect("console:work", jobs.enqueue(VERIFY_JOB, key="by-hand", now=system_clock().now()))
    last = Job.objects.filter(name=VERIFY_JOB).order_by("-pk").first()
    found = {"rows": rows, "last": last, "error": recalled(last.error) if last else None}
    return render(request, "sapwood/accounts/audit_verify.html", found)


@never_cache
@permission_required(VIEW_AUDIT)
@require_GET
def export(request: HttpRequest) -> HttpResponseBase:
    """Every row that matches, one JSON object per line, oldest first, written while it is read."""
    _form, filters = _filters(request)
    response = StreamingHttpResponse(_lines(filters), content_type="application/x-ndjson; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="audit.ndjson"'
    response["Cache-Control"] = "no-store"
    return response


def _filters(request: HttpRequest) -> tuple[AuditFilterForm, audit_log.Filters]:
    form = AuditFilterForm(request.GET)
    data = form.cleaned_data if form.is_valid() else {}
    return form, audit_log.Filters(action=data.get("action", ""), subject=data.get("subject", ""), day=data.get("day"))


def _lines(filters: audit_log.Filters) -> Iterator[str]:
    for entry in audit_log.export(filters):
        yield json.dumps(entry.as_dict(), ensure_ascii=False) + "\n"
