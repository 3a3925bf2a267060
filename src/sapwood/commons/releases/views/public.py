"""The public pages: all lines at once, one line, one edge, what its migrations cost, and the documents themselves."""

import datetime as dt
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.views.decorators.http import require_safe

from sapwood.commons.releases import api, screen
from sapwood.commons.releases.models import MigrationReportRevision
from sapwood.commons.releases.permissions import PROPOSE, VIEW
from sapwood.console.registry import may
from sapwood.core.clock import system_clock
from sapwood.formats.canonical import sha256_hex
from sapwood.formats.catalogue import find_line


def today() -> dt.date:
    """The day that pages judge for."""
    return system_clock().now().date()


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Lines and support in one picture, then as a table; advisories below."""
    catalogue = api.current_catalogue()
    everything = request.GET.get("lines") == "all"
    lines = catalogue.lines if everything else catalogue.lines[-screen.RECENT :]
    context = {
        "catalogue": catalogue,
        "picture": screen.timeline(catalogue, today(), everything=everything),
        "lines": [screen.line_row(catalogue, line, today()) for line in reversed(lines)],
        "everything": everything,
        "more": len(catalogue.lines) - len(lines),
        "edges": list(reversed(catalogue.edges)),
        "advisories": [
            screen.advisory_row(item)
            for item in sorted(catalogue.advisories, key=lambda item: item.disclosed or dt.date.min, reverse=True)
        ],
        "revision": api.newest_approved(catalogue.project),
        "may_view": may(request, VIEW),
        "may_propose": may(request, PROPOSE),
    }
    return render(request, "sapwood/releases/overview.html", context)


@require_safe
def line(request: HttpRequest, name: str) -> HttpResponse:
    """One line: its releases, what ships them, what it runs on, what threatens it."""
    catalogue = api.current_catalogue()
    found = find_line(catalogue, name)
    if found is None:
        raise Http404
    ships = {
        release.version: [
            f"{distribution} {entry.version}"
            for distribution, entries in catalogue.distributions.items()
            for entry in entries
            if entry.ships == release.version
        ]
        for release in found.releases
    }
    runtimes = found.runtimes or {}
    reports = [row for row in api.newest_reports(line=name) if row.previous_line == name]
    context = {
        "catalogue": catalogue,
        "reports": [screen.report_facts(row, api.report_in(row)) for row in reports],
        "line": found,
        "row": screen.line_row(catalogue, found, today()),
        "releases": [(release, ships[release.version]) for release in found.releases],
        "runtimes": [(name, part) for name, part in runtimes.items() if isinstance(part, dict)],
        "runtimes_note": runtimes.get("note"),
        "edges": [edge for edge in catalogue.edges if name in (edge.start, edge.end)],
        "advisories": [screen.advisory_row(item) for item in catalogue.advisories if name in item.lines],
        "disputes": [item for item in catalogue.contradictions if name in str(item.get("id", "")).split("-")],
    }
    return render(request, "sapwood/releases/line.html", context)


@require_safe
def edge(request: HttpRequest, start: str, end: str) -> HttpResponse:
    """One upgrade edge: what to do before, during and after, and what can go wrong."""
    catalogue = api.current_catalogue()
    found = next((item for item in catalogue.edges if (item.start, item.end) == (start, end)), None)
    if found is None:
        raise Http404
    reports = api.newest_reports(previous_line=start, line=end)
    context = {
        "catalogue": catalogue,
        "edge": found,
        "reports": [screen.report_facts(row, api.report_in(row)) for row in reports],
        **screen.edge_rows(catalogue, found),
    }
    return render(request, "sapwood/releases/edge.html", context)


@require_safe
def report(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """What the migrations between two releases cost: in short, as a picture, by app, and one by one."""
    row = _report(uuid)
    found = api.report_in(row)
    edges = api.current_catalogue().edges
    context = {
        "row": row,
        "facts": screen.report_facts(row, found),
        "picture": screen.slowest_picture(found),
        "apps": screen.app_rows(found),
        "steps": [screen.step_row(step) for step in found.migrations[: screen.MOST_STEPS]],
        "left_out": max(0, len(found.migrations) - screen.MOST_STEPS),
        "edge": next((item for item in edges if (item.start, item.end) == (row.previous_line, row.line)), None),
    }
    return render(request, "sapwood/releases/report.html", context)


@require_safe
def report_document(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """The report, byte for byte."""
    return _sent(request, bytes(_report(uuid).raw))


def _report(uuid: UUID) -> MigrationReportRevision:
    try:
        return api.report_named(uuid)
    except api.NoSuchReportError:
        raise Http404 from None


@require_safe
def document(request: HttpRequest) -> HttpResponseBase:
    """The catalogue in use, byte for byte."""
    return _sent(request, api.current_bytes())


def _sent(request: HttpRequest, raw: bytes) -> HttpResponseBase:
    etag = quote_etag(sha256_hex(raw))
    response = get_conditional_response(request, etag=etag)
    if response is None:
        response = HttpResponse(raw, content_type="application/json; charset=utf-8")
        response["ETag"] = etag
    response["Cache-Control"] = "public, max-age=300"
    response["Access-Control-Allow-Origin"] = "*"
    return response
