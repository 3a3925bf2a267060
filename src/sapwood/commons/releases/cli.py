"""`sapwood catalogue`: check a catalogue, read it, ask it for a way; `sapwood release`: what goes with a release."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from sapwood.commons.releases import api
from sapwood.commons.releases.queries import read_any as read_catalogue
from sapwood.commons.releases.queries import read_bytes
from sapwood.commons.releases.shapes import hop_dict, line_summary, report_summary
from sapwood.core.clock import system_clock
from sapwood.core.commands import Exit, emit, json_option
from sapwood.core.data import Actor
from sapwood.core.errors import NotFoundError
from sapwood.formats.catalogue import (
    Catalogue,
    Finding,
    Hop,
    Weight,
    find_line,
    find_path,
    find_release,
    newest_release,
    publishable,
    support,
    validate,
)
from sapwood.formats.migration_report import Step

FILE = click.Path(path_type=Path)
SOURCE = click.option("--catalogue", "file", type=FILE, help="A catalogue file; else the one that is in use.")


@click.group()
def catalogue() -> None:
    """Lines, releases, upgrade edges and advisories of the project."""


@catalogue.command("validate")
@click.argument("file", type=FILE, required=False)
@json_option
def validate_command(file: Path | None, *, as_json: bool) -> None:
    """Check a catalogue. Exit 3 when it has an error; warnings and notes are listed only."""
    found = read_catalogue(file)
    findings = validate(found)
    good = publishable(findings)
    data = {
        "project": found.project,
        "as_of": found.as_of.isoformat(),
        "valid": good,
        "counts": {weight.value: sum(item.severity is weight for item in findings) for weight in Weight},
        "findings": [item.as_dict() for item in findings],
    }
    emit(data, _finding_lines(found, findings), as_json=as_json, exit_code=Exit.GOOD if good else Exit.BAD_NEWS)


@catalogue.command()
@click.argument("name", required=False)
@SOURCE
@json_option
def show(name: str | None, file: Path | None, *, as_json: bool) -> None:
    """List the lines, or show one line, release, distribution version or advisory."""
    found = read_catalogue(file)
    today = system_clock().now().date()
    if name is None:
        data: object = {
            "project": found.project,
            "as_of": found.as_of.isoformat(),
            "revision": found.revision,
            "lines": [line_summary(found, line, today) for line in found.lines],
        }
        emit(data, _overview(found, today), as_json=as_json)
        return
    one = _find(found, name, today)
    emit(one, _pairs(one), as_json=as_json)


@catalogue.command()
@click.argument("start", metavar="FROM")
@click.argument("end", metavar="TO")
@click.option("--announced", is_flag=True, help="Also use edges to lines that are only announced.")
@SOURCE
@json_option
def path(start: str, end: str, file: Path | None, *, announced: bool, as_json: bool) -> None:
    """Show the way from one line or release to another, with every step and risk."""
    found = read_catalogue(file)
    hops = find_path(found, start, end, announced=announced)
    emit({"from": start, "to": end, "path": [hop_dict(hop) for hop in hops]}, _path_lines(hops), as_json=as_json)


@click.group()
def release() -> None:
    """What is published with a release."""


@release.group("report")
def report_group() -> None:
    """What the migrations of a release cost: measured or read by the project, published to sites."""


@report_group.command("add")
@click.argument("name", metavar="RELEASE")
@click.argument("file", type=FILE)
@click.option("--from", "previous", required=True, metavar="RELEASE", help="The release that is upgraded.")
@json_option
def add_report(name: str, file: Path, *, previous: str, as_json: bool) -> None:
    """Publish the migration report in FILE with RELEASE; the channel's signers get it."""
    row = api.add_report(
        read_bytes(file), previous=previous, release=name, actor=Actor.command(), now=system_clock().now()
    )
    found = report_summary(api.report_named(row.uuid), api.report_in(row))
    emit(found, [*_report_lines(found), "Next: sapwood channel sign."], as_json=as_json)


@report_group.command("list")
@click.option("--release", "name", metavar="RELEASE", help="Only of this release.")
@json_option
def list_reports(*, name: str | None, as_json: bool) -> None:
    """List the reports that stand, newest first."""
    rows = api.newest_reports(**({"release": name} if name else {}))
    found = [report_summary(row, api.report_in(row)) for row in rows]
    lines = [line for one in found for line in _report_lines(one)]
    emit(found, lines or ["Nothing is published."], as_json=as_json)


@report_group.command("show")
@click.argument("uuid", type=click.UUID)
@json_option
def show_report(uuid: UUID, *, as_json: bool) -> None:
    """Show one report: what each migration is, and what it cost."""
    row = api.report_named(uuid)
    report = api.report_in(row)
    summary = report_summary(row, report)
    lines = [*_report_lines(summary), *map(_step_line, report.migrations)]
    emit({**summary, "document": report.to_dict()}, lines, as_json=as_json)


@report_group.command("withdraw")
@click.argument("uuid", type=click.UUID)
@click.option("--reason", required=True, help="Why it no longer stands, for sites.")
@json_option
def withdraw_report(uuid: UUID, *, reason: str, as_json: bool) -> None:
    """Take a report back; the channel's signers get the word for sites."""
    row = api.withdraw_report(uuid, reason=reason, actor=Actor.command(), now=system_clock().now())
    found = {"uuid": str(row.uuid), "revision": row.revision, "reason": row.reason}
    emit(found, [f"withdrawn: {row.previous} > {row.release}", "Next: sapwood channel sign."], as_json=as_json)


def _report_lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['previous']} > {found['release']}  {found['uuid']}, revision {found['revision']}"
    yield (
        f"  {found['migrations']} migrations with {found['operations']} operations,"
        f" {found['contract_steps']} take something away"
    )
    if longest := found["longest"]:
        speed = f"{longest['seconds_per_million']:.1f} s per million rows"
        yield f"  longest: {longest['app']}.{longest['name']}, {speed}, on {', '.join(found['engines'].values())}"
    else:
        yield "  measured on too few rows to say" if found["measured"] else "  read only, nothing was run"


def _step_line(step: Step) -> str:
    words = [f"{step.seconds:.1f} s"] if step.seconds is not None else []
    words += [f"{step.rows:,} rows"] if step.rows is not None else []
    words += sorted({statement.algorithm for statement in step.statements if statement.algorithm})
    words += ["failed"] if step.failed else []
    cost = f" ({', '.join(words)})" if words else ""
    return f"  {'+'.join(step.classes):<22}  {step.label}{cost}"


def _overview(found: Catalogue, today: dt.date) -> Iterator[str]:
    yield f"{found.title or found.project}, as of {found.as_of}, revision {found.revision}"
    for line in found.lines:
        standing = support(found, line, today)
        newest = newest_release(found, today, line)
        if not line.releases:
            word = f"planned for {line.planned}" if line.planned else "planned"
        elif standing.supported:
            word = "supported"
        else:
            word = f"unsupported since {standing.until}" if standing.until else "support unknown"
        yield f"  {line.name:<12} {newest[1].version if newest else '-':<14} {word}"


def _find(found: Catalogue, name: str, today: dt.date) -> dict[str, object]:
    line = find_line(found, name)
    if line is not None:
        edges = [edge.to_dict() for edge in found.edges if name in (edge.start, edge.end)]
        return {
            **line.to_dict(),
            **line_summary(found, line, today),
            "releases": line.to_dict()["releases"],
            "edges": edges,
        }
    release = find_release(found, name)
    if release is not None:
        ships = [
            f"{distribution} {entry.version}"
            for distribution, entries in found.distributions.items()
            for entry in entries
            if entry.ships == release[1].version
        ]
        return {"line": release[0].name, **release[1].to_dict(), "shipped_by": ships}
    for advisory in found.advisories:
        if name in (advisory.id, advisory.cve):
            return advisory.to_dict()
    for distribution, entries in found.distributions.items():
        for entry in entries:
            if name.removeprefix(f"{distribution} ").removeprefix(f"{distribution}-") == entry.version:
                return {"distribution": distribution, **entry.to_dict()}
    raise NotFoundError(f"The catalogue holds nothing named {name!r}", hint="`sapwood catalogue show` lists the lines.")


def _pairs(data: dict[str, object]) -> Iterator[str]:
    for key, value in data.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{key}:"
            for item in value:
                title = item.get("title") or item.get("version") or f"{item.get('from')} > {item.get('to')}"
                yield f"  {title} {item.get('date') or ''}".rstrip()
        elif value not in (None, [], {}):
            yield f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}"


def _finding_lines(found: Catalogue, findings: list[Finding]) -> Iterator[str]:
    errors = sum(item.severity is Weight.ERROR for item in findings)
    word = "has errors" if errors else "is valid"
    remarks = len(findings) - errors
    yield f"The catalogue of {found.project} as of {found.as_of} {word}: {errors} errors, {remarks} remarks."
    for item in findings:
        yield f"{item.severity.value:<8} {item.where}: {item.message} [{item.code}]"


def _path_lines(hops: tuple[Hop, ...]) -> Iterator[str]:
    if not hops:
        yield "There is nothing to do."
        return
    yield " > ".join([hops[0].start, *[hop.end for hop in hops]])
    for hop in hops:
        yield (
            f"{hop.start} > {hop.end}"
            + (f" ({hop.release})" if hop.release else "")
            + (" announced" if hop.announced else "")
        )
        for step in hop.steps:
            yield f"  step {step.when:<7} {step.title} (if: {step.applies.words}) [{step.id}]"
        for risk in hop.risks:
            yield f"  risk {risk.severity}: {risk.title} (if: {risk.applies.words}) [{risk.id}]"
