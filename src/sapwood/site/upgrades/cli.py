"""`sapwood upgrade`: what an upgrade would do, and how it goes on a copy; `sapwood migrations`: its migrations."""

import dataclasses
import datetime as dt
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from django.conf import settings
from django.db import connections

from sapwood.core.clock import system_clock
from sapwood.core.commands import Exit, emit, harmless, json_option
from sapwood.core.data import Actor
from sapwood.core.errors import UsageError
from sapwood.core.paths import role_dir
from sapwood.history.delta import Sources, delta, sources_of_commit, sources_of_folder
from sapwood.site.upgrades import api
from sapwood.site.upgrades.data import class_line
from sapwood.site.upgrades.demo import ENGINES, VARIANTS, build, stop

LANGUAGES = [code for code, _name in settings.LANGUAGES]
SUBJECT = click.argument("subject", type=click.Path(path_type=Path))
CATALOGUE = click.option(
    "--catalogue", type=click.Path(path_type=Path), help="A catalogue; else the newest received or shipped."
)
WAIVE = click.option(
    "--waive", multiple=True, metavar="NAME=REASON", help="Go on in spite of this check, for this reason."
)
CONFIRM = click.option(
    "--confirm", multiple=True, metavar="NAME=REASON", help="You looked at what only a person can tell, and found this."
)


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """A command that looks at everything takes what it needs for that, and what somebody answers for, as `asked`."""

    @CATALOGUE
    @WAIVE
    @CONFIRM
    @functools.wraps(command)
    def look(*, catalogue: Path | None, waive: tuple[str, ...], confirm: tuple[str, ...], **given: Any) -> None:
        answers = {name: reason for name, _equals, reason in (one.partition("=") for one in (*waive, *confirm))}
        asked = api.Asked(_work(), system_clock().now(), _own_database(), None, catalogue, answers)
        command(asked=asked, **given)

    return look


MAX_SQL = 160
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
@asking
@json_option
def plan(*, subject: Path, to: str | None, asked: api.Asked, as_json: bool) -> None:
    """Say what the upgrade of SUBJECT would run; nothing is changed. Exit 3: something is in the way; 4: not known."""
    read = _read(subject, quiet=as_json)
    found = api.driver_of(read).plan(read, dataclasses.replace(asked, to=to))
    emit(found.data, found.lines, as_json=as_json, exit_code=CODES[found.verdict])


@upgrade.command()
@SUBJECT
@asking
@json_option
def preflight(*, subject: Path, asked: api.Asked, as_json: bool) -> None:
    """Look whether the upgrade of SUBJECT could begin now; nothing is changed. Exit 3: no; 4: not known."""
    read = _read(subject, quiet=as_json)
    found = api.driver_of(read).preflight(read, asked)
    lines = [finding.line for finding in found.findings]
    emit(found.to_dict(), lines, as_json=as_json, exit_code=PREFLIGHT_CODES[found.verdict])


@upgrade.command()
@SUBJECT
@click.option("--report", type=click.Path(path_type=Path), required=True, help="The folder for the report's files.")
@click.option(
    "--language", type=click.Choice([code for code, _name in settings.LANGUAGES]), help="Of the report's page."
)
@click.option("--mask", is_flag=True, help="Replace personal data in the copy before anything runs on it.")
@asking
@json_option
def rehearse(*, subject: Path, report: Path, language: str | None, mask: bool, asked: api.Asked, as_json: bool) -> None:
    """Run the upgrade of SUBJECT on a copy and judge it. Exit 3: no-go; 4: not known."""
    read = _read(subject, quiet=as_json)
    driver = api.driver_of(read)
    driver.require_rehearsal(read)
    found = driver.rehearse(read, dataclasses.replace(asked, masking=mask), _say(quiet=as_json))
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
@asking
@click.option("--postpone", is_flag=True, help="Leave for later what only takes away, where the rehearsal allows it.")
@click.option("--in-blackout", is_flag=True, help="Go on although these are black-out dates.")
@json_option
def apply(  # noqa: PLR0913 - one for each option
    *,
    subject: Path,
    certificate: Path | None,
    override: UUID | None,
    asked: api.Asked,
    postpone: bool,
    in_blackout: bool,
    as_json: bool,
) -> None:
    """Upgrade SUBJECT itself. Exit 3: it was taken back, and the data are what they were; 1: a person is needed."""
    api.refuse_in_blackout(system_clock().now(), accepted=in_blackout)
    read = _read(subject, quiet=as_json)
    api.driver_of(read).require_rehearsal(read)
    leave = {"certificate": certificate, "override": override, "postpone": postpone, "asked": asked}
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


@upgrade.group()
def blackout() -> None:
    """Days on which nothing happens by itself, such as exams; the button asks once more."""


@blackout.command(name="list")
@json_option
def list_blackouts(*, as_json: bool) -> None:
    """List the black-out dates."""
    rows = api.every_blackout()
    emit([api.as_dict(row) for row in rows], [_day_line(row) for row in rows] or ["There are none."], as_json=as_json)


@blackout.command(name="add")
@click.argument("first_day", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("last_day", type=click.DateTime(["%Y-%m-%d"]))
@click.option("--reason", required=True, help="What goes on, such as exams.")
@json_option
def add_blackout(*, first_day: dt.datetime, last_day: dt.datetime, reason: str, as_json: bool) -> None:
    """Let nothing happen by itself from FIRST_DAY to the end of LAST_DAY, in the site's time zone."""
    now = system_clock().now()
    row = api.add_blackout(first_day.date(), last_day.date(), reason, actor=Actor.command(), now=now)
    emit(api.as_dict(row), [_day_line(row)], as_json=as_json)


@blackout.command(name="remove")
@click.argument("key", metavar="ID", type=click.UUID)
@json_option
def remove_blackout(*, key: UUID, as_json: bool) -> None:
    """Remove the black-out dates ID."""
    row = api.remove_blackout(key, actor=Actor.command(), now=system_clock().now())
    emit(api.as_dict(row), [f"removed: {_day_line(row)}"], as_json=as_json)


def _day_line(row: api.Blackout) -> str:
    return f"{row.first_day} to {row.last_day} ({row.zone})  {row.reason}  {row.uuid}"


def _read(subject: Path, *, quiet: bool) -> api.Subject:
    """The subject, with the environments built that it only describes."""
    return api.with_environments(api.read_subject(subject), work=_work(), say=_say(quiet=quiet))


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
    lines += [f"postponed {row['label']} since {row['since'][:10]}" for row in found.postponed]
    return lines + [f"you may: sapwood upgrade {command}" for command in found.may]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _predicted(value: Mapping[str, float] | None) -> str:
    return f"{value['low']:g} to {value['high']:g} s" if value else "not"


@click.group()
def migrations() -> None:
    """Migrations and what they mean for the release that still runs."""


@migrations.command()
@click.argument("subject", type=click.Path(path_type=Path), required=False)
@click.option("--repo", type=click.Path(path_type=Path), help="A clone, instead of a subject: nothing is run.")
@click.option("--from", "start", metavar="REF", help="With --repo: the release that runs.")
@click.option("--to", "end", metavar="REF", help="With --repo: the release that follows.")
@click.option(
    "--packages",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="OLD NEW",
    help="Two folders of packages or sources, instead of a subject: nothing is run.",
)
@click.option("--report", type=click.Path(path_type=Path), help="Also write a migration report, for publication.")
@json_option
def classify(  # noqa: PLR0913 - three ways to name both sides
    *,
    subject: Path | None,
    repo: Path | None,
    start: str | None,
    end: str | None,
    packages: tuple[Path, Path] | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Classify every migration that an upgrade would run: of SUBJECT, between two commits, or between two folders.

    Of a SUBJECT each also runs on a private server, on an empty copy of the schema, which tells the statements and by
    which algorithm this server would run them.
    """
    now = system_clock().now()
    if sum(given is not None for given in (subject, repo, packages)) != 1 or bool(repo) != bool(start and end):
        raise UsageError(
            "Name one of SUBJECT, --repo with --from and --to, --packages OLD NEW",
            hint="See 'sapwood migrations classify --help'.",
        )
    if subject is not None:
        effects = api.classify(_read(subject, quiet=as_json), work=_work(), now=now, say=_say(quiet=as_json))
        data = [effect.to_dict() for effect in effects]
        lines = [line for effect in effects for line in _effect_lines(effect)]
        document = api.planned_report([one.migration for one in effects if one.migration is not None], now=now)
    else:
        before, after = _sources(repo, start, end, packages)
        steps = delta(before, after)
        data = [step.to_dict() for step in steps]
        lines = [class_line(step.classes, step.label, step.why) for step in steps]
        document = api.static_report(steps, now=now)
    if report is not None:
        lines = [*lines, f"The report: {api.write_migrations(document, report)}"]
    emit(data, lines or ["Nothing is pending."], as_json=as_json)


def _effect_lines(effect: api.Effect) -> Iterator[str]:
    """A migration, what of the real tables it is about, and its statements."""
    yield effect.migration.line if effect.migration else effect.label
    if effect.tables:
        rows = "an unknown number of" if effect.rows is None else f"{effect.rows:,}"
        size = "" if effect.size_bytes is None else f", {effect.size_bytes:,} bytes"
        yield f"    {rows} rows{size} in {', '.join(effect.tables)}"
    for statement in effect.statements:
        yield f"    {statement.algorithm}: {' '.join(statement.sql.split())[:MAX_SQL]}"
    if effect.blocks_writes:
        yield "    writes wait while it runs"
    if effect.outcome != "done":
        yield f"    {effect.outcome} on the empty copy"
    yield from (f"    it reaches for the {what}" for what in effect.outside)


def _sources(
    repo: Path | None, start: str | None, end: str | None, packages: tuple[Path, Path] | None
) -> tuple[Sources, Sources]:
    if repo is not None:
        return sources_of_commit(repo, start or ""), sources_of_commit(repo, end or "")
    before, after = packages or (Path(), Path())
    return sources_of_folder(before), sources_of_folder(after)


def _work() -> Path:
    return role_dir() / "upgrades"


def _say(*, quiet: bool) -> Callable[[str], None]:
    return lambda line: click.echo(harmless(f"· {line}"), err=quiet)


def _own_database() -> Mapping[str, Any]:
    return connections["default"].settings_dict
