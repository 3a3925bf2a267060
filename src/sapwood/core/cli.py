"""Commands of the audit log and the worker."""

from dataclasses import asdict

import click

from sapwood.core import audit as log
from sapwood.core import paths
from sapwood.core.clock import system_clock
from sapwood.core.commands import Exit, emit, json_option
from sapwood.core.models import AuditRow
from sapwood.core.worker import run_worker


@click.group()
def audit() -> None:
    """The log of every change, chained by hash."""


@audit.command()
@json_option
def verify(*, as_json: bool) -> None:
    """Walk the chain; exit 3 when a row was edited, removed or cut off."""
    report = log.verify(paths.role_dir() / "audit")
    lines = [f"{report.rows} rows, {report.heads} signed heads: {'broken' if report.problems else 'the chain holds'}"]
    lines += [f"  {problem}" for problem in report.problems]
    emit(asdict(report), lines, as_json=as_json, exit_code=Exit.BAD_NEWS if report.problems else Exit.GOOD)


@audit.command()
@json_option
def seal(*, as_json: bool) -> None:
    """Sign the chain's end and keep it outside the database (the worker does so daily)."""
    head = log.seal(paths.role_dir() / "audit", now=system_clock().now())
    emit(head, [f"sealed at row {head['seq']}" if head else "nothing to seal"], as_json=as_json)


@audit.command(name="list")
@click.option("--limit", default=50, show_default=True, help="How many of the newest rows.")
@json_option
def list_rows(*, limit: int, as_json: bool) -> None:
    """The newest changes, newest first."""
    rows = list(AuditRow.objects.order_by("-seq")[:limit])
    called = log.names({row.actor_ref for row in rows})
    data = [
        {
            "seq": row.seq,
            "at": row.at.isoformat(),
            "actor": called.get(row.actor_ref, row.actor_ref),
            "action": row.action,
            "subject": row.subject,
            "details": row.details,
        }
        for row in rows
    ]
    emit(
        data, [f"{d['seq']:>6}  {d['at']}  {d['actor']}  {d['action']}  {d['subject']}" for d in data], as_json=as_json
    )


@click.command()
@click.option("--once", is_flag=True, help="Run what is due, then stop.")
@json_option
def worker(*, once: bool, as_json: bool) -> None:
    """Run background work: deliveries, pulls, schedules."""
    run_worker(clock=system_clock(), once=once)
    emit({"stopped": True}, [], as_json=as_json)
