"""Commands of announcements."""

from pathlib import Path

import click

from sapwood.commons.announcements import api
from sapwood.commons.announcements.data import FolderReport, Outcome
from sapwood.core.clock import system_clock
from sapwood.core.commands import Exit, emit, json_option
from sapwood.core.data import Actor

WORDS = {
    Outcome.STAGED: "staged",
    Outcome.UNCHANGED: "unchanged",
    Outcome.NEEDS_SECOND_PERSON: "waits for a second person's approval in the console",
    Outcome.NEEDS_CONSENT: "waits for the consent of the organisation that it describes",
    Outcome.INVALID: "not valid",
}


@click.group()
def announce() -> None:
    """Write, import and publish announcements."""


@announce.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@json_option
def publish(*, folder: Path, dry_run: bool, as_json: bool) -> None:
    """Validate, approve and stage the Markdown files in FOLDER; signing is 'sapwood channel sign'."""
    report = api.publish_folder(folder, actor=Actor.command(), now=system_clock().now(), dry_run=dry_run)
    emit(
        _as_data(report),
        _as_lines(report),
        as_json=as_json,
        exit_code=Exit.ERROR if report.problems else Exit.GOOD,
    )


def _as_data(report: FolderReport) -> dict[str, object]:
    return {
        "dry_run": report.dry_run,
        "announcements": [
            {
                "slug": line.slug,
                "outcome": line.outcome.value,
                "uuid": str(line.uuid) if line.uuid else None,
                "revision": line.revision,
                "title": line.title,
                "alert": line.alert,
            }
            for line in report.lines
        ],
        "problems": [problem.as_dict() for problem in report.problems],
        "warnings": [warning.as_dict() for warning in report.warnings],
    }


def _as_lines(report: FolderReport) -> list[str]:
    lines = [f"{problem}" for problem in report.problems]
    lines += [f"warning: {warning}" for warning in report.warnings]
    for line in report.lines:
        number = f" revision {line.revision}" if line.revision else ""
        quiet = " (without a new alert)" if not line.alert else ""
        lines.append(f"{line.slug}{number}: {WORDS[line.outcome]}{quiet}")
    if report.dry_run:
        lines.append("Dry run: nothing was changed.")
    elif report.staged:
        lines.append("Next: 'sapwood channel sign', then 'sapwood channel publish'.")
    return lines
