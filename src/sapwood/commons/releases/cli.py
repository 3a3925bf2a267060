"""`sapwood catalogue`: check a catalogue, read it, ask it for a way."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import click

from sapwood.commons.releases.queries import read_any as read_catalogue
from sapwood.commons.releases.shapes import hop_dict, line_summary
from sapwood.core.clock import system_clock
from sapwood.core.commands import Exit, emit, json_option
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
