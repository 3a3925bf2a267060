"""`sapwood upgrade`: what an upgrade would do, and how it goes on a copy; `sapwood migrations`: its migrations."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from django.conf import settings
from django.db import connections

from sapwood.core.clock import system_clock
from sapwood.core.commands import Exit, emit, harmless, json_option
from sapwood.core.data import Actor
from sapwood.core.paths import role_dir
from sapwood.site.upgrades import api
from sapwood.site.upgrades.demo import ENGINES, VARIANTS, build, stop

LANGUAGES = [code for code, _name in settings.LANGUAGES]
SUBJECT = click.argument("subject", type=click.Path(path_type=Path))
CATALOGUE = click.option(
    "--catalogue", type=click.Path(path_type=Path), help="A catalogue; else the newest received or shipped."
)
WAIVE = click.option(
    "--waive", multiple=True, metavar="NAME=REASON", help="Go on in spite of this check, for this reason."
)
CODES = {api.Verdict.GO: Exit.GOOD, api.Verdict.NO_GO: Exit.BAD_NEWS, api.Verdict.UNKNOWN: Exit.UNKNOWN}

PREFLIGHT_CODES = {
    api.Outcome.PASS: Exit.GOOD,
    api.Outcome.FAIL: Exit.BAD_NEWS,
    api.Outcome.UNKNOWN: Exit.UNKNOWN,
}


@click.group()
def upgrade() -> None:
    """Know before you upgrade: what would change, and how it goes on a copy of your data."""


@upgrade.command()
@SUBJECT
@click.option("--to", metavar="RELEASE", help="The release or line to reach; else what the target installs.")
@CATALOGUE
@WAIVE
@json_option
def plan(*, subject: Path, to: str | None, catalogue: Path | None, waive: tuple[str, ...], as_json: bool) -> None:
    """Say what the upgrade of SUBJECT would run; nothing is changed. Exit 3: something is in the way; 4: not known."""
    read = _read(subject, quiet=as_json)
    found = api.driver_of(read).plan(read, _asked(waive, to=to, catalogue=catalogue))
    emit(found.data, found.lines, as_json=as_json, exit_code=CODES[found.verdict])


@upgrade.command()
@SUBJECT
@CATALOGUE
@WAIVE
@json_option
def preflight(*, subject: Path, catalogue: Path | None, waive: tuple[str, ...], as_json: bool) -> None:
    """Look whether the upgrade of SUBJECT could begin now; nothing is changed. Exit 3: no; 4: not known."""
    read = _read(subject, quiet=as_json)
    found = api.driver_of(read).preflight(read, _asked(waive, catalogue=catalogue))
    lines = [finding.line for finding in found.findings]
    emit(found.to_dict(), lines, as_json=as_json, exit_code=PREFLIGHT_CODES[found.verdict])


@upgrade.command()
@SUBJECT
@click.option("--report", type=click.Path(path_type=Path), required=True, help="The folder for the report's files.")
@click.option(
    "--language", type=click.Choice([code for code, _name in settings.LANGUAGES]), help="Of the report's page."
)
@click.option("--mask", is_flag=True, help="Replace personal data in the copy before anything runs on it.")
@json_option
def rehearse(*, subject: Path, report: Path, language: str | None, mask: bool, as_json: bool) -> None:
    """Run the upgrade of SUBJECT on a copy and judge it. Exit 3: no-go; 4: not known."""
    read = _read(subject, quiet=as_json)
    api.driver_of(read).require_rehearsal(read)
    found = api.rehearse(read, work=_work(), now=system_clock().now(), masking=mask, say=_say(quiet=as_json))
    certificate = api.issue(found, report, now=system_clock().now())
    found.certificate = str(certificate.absolute()) if certificate else None
    paths = api.write_report(found, report, language=language or "")
    low, likely, high = found.to_dict()["predicted_downtime_s"].values()
    lines = [
        f"{found.verdict.value}: {found.reasons[0]}",
        *[f"  {reason}" for reason in found.reasons[1:]],
        f"downtime about {likely:.1f} s ({low:.1f} to {high:.1f}), way back about {found.restore_s:.1f} s",
        *([f"masked: {len(found.masked.columns)} columns, see the report"] if found.masked else []),
        f"The report: {paths[1]}",
        *([f"The certificate, valid for 7 days: {certificate}"] if certificate else []),
    ]
    emit(found.to_dict(), lines, as_json=as_json, exit_code=CODES[found.verdict])


@upgrade.command()
@click.option("--engine", type=click.Choice(ENGINES), default=ENGINES[0], show_default=True, help="Its database.")
@click.option(
    "--variant",
    type=click.Choice(VARIANTS),
    default=VARIANTS[0],
    show_default=True,
    help="The target: as it was published, or with packages that work on MariaDB too.",
)
@click.option("--rows", type=click.IntRange(100, 10_000_000), default=20_000, show_default=True, help="How much data.")
@click.option("--stop", "stopping", is_flag=True, help="Stop the demonstration's database servers.")
@json_option
def demo(*, engine: str, variant: str, rows: int, stopping: bool, as_json: bool) -> None:
    """Build a campus of real Open edX packages to try a plan and a rehearsal on; run it again to go on or to change."""
    folder = _work() / "demo"
    if stopping:
        stopped = stop(folder)
        emit({"stopped": stopped}, [f"stopped: {', '.join(stopped) or 'none was running'}"], as_json=as_json)
        return
    made = build(folder, engine=engine, variant=variant, rows=rows, say=_say(quiet=as_json))
    data = {"subject": str(made.subject), "engine": engine, "variant": variant, "rows": rows, "commands": made.commands}
    lines = [f"The subject file: {made.subject}", "Next:", *[f"  {command}" for command in made.commands]]
    emit(data, lines, as_json=as_json)


@upgrade.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--subject", type=click.Path(path_type=Path), help="Also hold it against this subject as it is now.")
@json_option
def certificate(*, file: Path, subject: Path | None, as_json: bool) -> None:
    """Show and verify the certificate in FILE. Exit 3: it does not hold, or not any more."""
    against = None if subject is None else _read(subject, quiet=as_json)
    found, refusal = api.examine(file, now=system_clock().now(), subject=against, work=_work())
    downtime, way_back = found.predicted_downtime_s, found.predicted_rollback_s
    lines = [
        f"refused: {refusal.message}. {refusal.hint}" if refusal else "holds",
        f"  {found.subject}, plan {found.plan[:12]}, {', '.join(found.engines.values())}",
        f"  downtime {downtime.low:g} to {downtime.high:g} s, way back {way_back.low:g} to {way_back.high:g} s",
        f"  from {found.issued_at:%Y-%m-%d %H:%M} to {found.expires_at:%Y-%m-%d %H:%M} UTC, Sapwood {found.sapwood}",
    ]
    masked = ", ".join(f"{row.table}.{row.column}" for row in found.masked)
    lines += [f"  masked in the copy: {masked}"] if masked else []
    data = {"holds": refusal is None, "refusal": refusal.as_dict() if refusal else None, "certificate": found.to_dict()}
    emit(data, lines, as_json=as_json, exit_code=Exit.BAD_NEWS if refusal else Exit.GOOD)


STAGE_CODES = {
    api.Stage.RUNNING: Exit.GOOD,
    api.Stage.DONE: Exit.GOOD,
    api.Stage.PAUSED: Exit.GOOD,
    api.Stage.ROLLED_BACK: Exit.BAD_NEWS,
    api.Stage.STOPPED: Exit.ERROR,
    api.Stage.INTERRUPTED: Exit.ERROR,
}


@upgrade.command()
@SUBJECT
@click.option("--certificate", type=click.Path(path_type=Path), help="The certificate of a rehearsal that says go.")
@click.option("--override", type=click.UUID, help="The agreement of two administrators to go without one.")
@WAIVE
@click.option("--postpone", is_flag=True, help="Leave for later what only takes away, where the rehearsal allows it.")
@json_option
def apply(
    *,
    subject: Path,
    certificate: Path | None,
    override: UUID | None,
    waive: tuple[str, ...],
    postpone: bool,
    as_json: bool,
) -> None:
    """Upgrade SUBJECT itself. Exit 3: it was taken back, and the data are what they were; 1: a person is needed."""
    read = _read(subject, quiet=as_json)
    api.driver_of(read).require_rehearsal(read)
    ready = api.preflight(read, work=_work(), own=_own_database(), waivers=_waivers(waive))
    leave = {"certificate": certificate, "override": override, "postpone": postpone, "ready": ready}
    _press(api.apply, subject, as_json=as_json, **leave)


@upgrade.command()
@SUBJECT
@json_option
def resume(*, subject: Path, as_json: bool) -> None:
    """Go on with the upgrade of SUBJECT after an interruption, a pause or a stop."""
    _press(api.resume, subject, as_json=as_json)


@upgrade.command()
@SUBJECT
@click.option("--to-base", is_flag=True, help="Back to the backup before the upgrade began, early migrations too.")
@click.option("--lose-writes", is_flag=True, help="Accept that what was written since is lost.")
@json_option
def rollback(*, subject: Path, to_base: bool, lose_writes: bool, as_json: bool) -> None:
    """Take the upgrade of SUBJECT back, and prove the data equal."""
    _press(api.rollback, subject, as_json=as_json, to_base=to_base, lose_writes=lose_writes)


@upgrade.command()
@SUBJECT
@json_option
def pause(*, subject: Path, as_json: bool) -> None:
    """Have the upgrade of SUBJECT wait before it closes the site; `resume` goes on."""
    found = api.pause(api.read_subject(subject), work=_work(), clock=system_clock())
    emit(found.to_dict(), ["It waits before the site is closed.", *_status_lines(found)], as_json=as_json)


@upgrade.command()
@SUBJECT
@json_option
def status(*, subject: Path, as_json: bool) -> None:
    """Say where the upgrade of SUBJECT stands, and what may be done now."""
    found = api.status(api.read_subject(subject), work=_work(), clock=system_clock())
    emit(found.to_dict(), _status_lines(found), as_json=as_json, exit_code=STAGE_CODES[found.stage])


@upgrade.command()
@SUBJECT
@json_option
def history(*, subject: Path, as_json: bool) -> None:
    """List the upgrades of SUBJECT: what was predicted, and what it took."""
    rows = api.history(api.read_subject(subject), work=_work(), clock=system_clock())
    lines = [
        f"{row['began_at'][:16]}  {row['stage']:<12}  downtime {_seconds(row['downtime_s'])}"
        f" (predicted {_predicted(row['predicted_downtime_s'])})"
        for row in rows
    ]
    emit(rows, lines or ["There was no upgrade yet."], as_json=as_json)


def _read(subject: Path, *, quiet: bool) -> api.Subject:
    """The subject, with the environments built that it only describes."""
    return api.with_environments(api.read_subject(subject), work=_work(), say=_say(quiet=quiet))


def _asked(waive: tuple[str, ...], *, to: str | None = None, catalogue: Path | None = None) -> api.Asked:
    return api.Asked(_work(), system_clock().now(), _own_database(), to, catalogue, _waivers(waive))


def _waivers(given: tuple[str, ...]) -> dict[str, str]:
    return {name: reason for name, _equals, reason in (one.partition("=") for one in given)}


def _press(act: Callable[..., api.Status], subject: Path, *, as_json: bool, **given: Any) -> None:
    read, actor = _read(subject, quiet=as_json), Actor.command()
    found = act(read, work=_work(), clock=system_clock(), actor=actor, say=_say(quiet=as_json), **given)
    emit(found.to_dict(), _status_lines(found), as_json=as_json, exit_code=STAGE_CODES[found.stage])


def _status_lines(found: api.Status) -> list[str]:
    lines = [f"{found.stage.value}{f' at {found.step}' if found.stage is not api.Stage.DONE else ''}"]
    lines += [found.message] if found.message else []
    lines += [f"downtime {found.downtime_s:.1f} s"] if found.downtime_s is not None else []
    lines += [f"way back {found.rollback_s:.1f} s"] if found.rollback_s is not None else []
    lines += [found.warning] if found.warning else []
    return lines + [f"you may: sapwood upgrade {command}" for command in found.may]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _predicted(value: Mapping[str, float] | None) -> str:
    return f"{value['low']:g} to {value['high']:g} s" if value else "not"


@click.group()
def migrations() -> None:
    """Migrations and what they mean for the release that still runs."""


@migrations.command()
@SUBJECT
@json_option
def classify(*, subject: Path, as_json: bool) -> None:
    """Classify every migration that the upgrade of SUBJECT would run."""
    found = api.make_plan(_read(subject, quiet=as_json), _work() / "plan")
    lines = [migration.line for migration in found.migrations]
    emit([one.to_dict() for one in found.migrations], lines or ["Nothing is pending."], as_json=as_json)


def _work() -> Path:
    return role_dir() / "upgrades"


def _say(*, quiet: bool) -> Callable[[str], None]:
    return lambda line: click.echo(harmless(f"· {line}"), err=quiet)


def _own_database() -> Mapping[str, Any]:
    return connections["default"].settings_dict
