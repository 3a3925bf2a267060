"""`sapwood inbox`: the gate from the command line."""

import datetime as dt
from typing import Any
from uuid import UUID

import click

from sapwood.core.clock import system_clock
from sapwood.core.commands import Exit, emit, json_option
from sapwood.core.data import Actor
from sapwood.core.errors import UsageError
from sapwood.formats.phrase import recalled
from sapwood.site.inbox import api, shapes
from sapwood.site.inbox.data import Audience, Choices, DeliveryState, OutletKind, Window
from sapwood.site.inbox.queries.items import MAX_PAGE_SIZE, TABS
from sapwood.site.inbox.queries.trust import channels as trusted

INSTANT = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S"])


@click.group()
def inbox() -> None:
    """What arrived, and what this site decides about it."""


@inbox.command(name="list")
@click.option("--tab", type=click.Choice(TABS), default="open", show_default=True, help="Which list.")
@click.option("--channel", default="", help="Only this channel.")
@click.option("--kind", default="", help="Only this kind.")
@click.option("--severity", default="", help="Only this severity.")
@click.option("--limit", default=25, show_default=True, type=click.IntRange(1, MAX_PAGE_SIZE), help="How many.")
@click.option("--after", default="", help="The place after which to go on (`after` of the last answer).")
@json_option
def list_items(*, limit: int, after: str, as_json: bool, **wanted: str) -> None:
    """Items: what waits for a decision, or another list."""
    page = api.items(api.Filter(**wanted), after=after, size=limit)
    data = {"items": [shapes.item_dict(row) for row in page.rows], "after": page.after}
    lines = [
        f"{row.pk:>6}  {row.severity:<8}  {row.decision:<9}  {row.upstream:<10}  {row.channel:<10}  {row.title}"
        for row in page.rows
    ]
    emit(data, lines or ["Nothing in this list."], as_json=as_json)


@inbox.command()
@click.argument("item_id", metavar="ID", type=int)
@json_option
def show(*, item_id: int, as_json: bool) -> None:
    """One item with its texts, links, and the hash that an approval names."""
    found = api.review(item_id)
    emit(shapes.review_dict(found), _lines(found), as_json=as_json)


@inbox.command()
@click.argument("item_id", metavar="ID", type=int)
@click.option("--audience", type=click.Choice(Audience.values), default="administrators", show_default=True)
@click.option(
    "--outlet", "outlets", type=click.Choice(OutletKind.values), multiple=True, help="Default: page and feed."
)
@click.option("--locale", "locales", multiple=True, help="Default: every language that the item has.")
@click.option("--from", "start", type=INSTANT, help="When it may go out (UTC). Default: now.")
@click.option("--until", "end", type=INSTANT, help="Until when it stands (UTC). Default: the item's own expiry.")
@click.option("--seen", default="", help="The hash that `show` prints; required beyond administrators.")
@click.option("--confirm-removed-links", is_flag=True, help="An address was left out on purpose.")
@json_option
def approve(*, item_id: int, start: dt.datetime | None, end: dt.datetime | None, as_json: bool, **given: Any) -> None:
    """Let exactly this item through, to one audience."""
    now = system_clock().now()
    window = Window(_utc(start) or now, _utc(end)) if start or end else None
    choices = Choices(
        audience=Audience(given["audience"]),
        outlets=tuple(OutletKind(name) for name in given["outlets"]) or Choices().outlets,
        locales=given["locales"],
        window=window,
    )
    row = api.approve(
        item_id,
        choices,
        actor=Actor.command(),
        now=now,
        seen=given["seen"],
        confirm_removed_links=given["confirm_removed_links"],
    )
    data = shapes.approval_dict(row)
    complete = data["people"] >= data["people_needed"]
    words = "approved" if complete else "approved by one person; a second one has to approve it too"
    emit(data, [f"item {item_id}: {words} for {row.audience}, {row.digest[:16]}"], as_json=as_json)


@inbox.command()
@click.argument("item_id", metavar="ID", type=int)
@click.option("--reason", default="", help="For the audit log.")
@json_option
def reject(*, item_id: int, reason: str, as_json: bool) -> None:
    """Decide that this item goes to nobody here."""
    row = api.reject(item_id, actor=Actor.command(), now=system_clock().now(), reason=reason)
    emit(shapes.item_dict(row), [f"item {item_id}: rejected"], as_json=as_json)


@inbox.command()
@click.argument("item_id", metavar="ID", type=int)
@json_option
def archive(*, item_id: int, as_json: bool) -> None:
    """File an item without a verdict."""
    row = api.archive(item_id, actor=Actor.command(), now=system_clock().now())
    emit(shapes.item_dict(row), [f"item {item_id}: archived"], as_json=as_json)


@inbox.command()
@click.argument("item_id", metavar="ID", type=int)
@click.option("--until", type=INSTANT, help="When it comes back (UTC).")
@click.option("--days", type=click.IntRange(1, 366), help="Or: after how many days. Default: 7.")
@json_option
def snooze(*, item_id: int, until: dt.datetime | None, days: int | None, as_json: bool) -> None:
    """Let an item come back later."""
    now = system_clock().now()
    if until is not None and days is not None:
        raise UsageError("Give --until or --days, not both", hint="Such as --days 7.")
    end = _utc(until) or now + dt.timedelta(days=days or 7)
    row = api.snooze(item_id, until=end, actor=Actor.command(), now=now)
    emit(shapes.item_dict(row), [f"item {item_id}: snoozed until {end.isoformat()}"], as_json=as_json)


@inbox.command()
@click.argument("item_id", metavar="ID", type=int)
@click.option("--reason", default="", help="For the audit log.")
@json_option
def withdraw(*, item_id: int, reason: str, as_json: bool) -> None:
    """Take an approval back: it leaves the page, and what waits is cancelled."""
    row = api.withdraw(item_id, actor=Actor.command(), now=system_clock().now(), reason=reason)
    emit(shapes.item_dict(row), [f"item {item_id}: withdrawn"], as_json=as_json)


@inbox.command()
@click.option("--item", "item_id", type=int, help="Only of this item.")
@click.option("--state", type=click.Choice(DeliveryState.values), default=None, help="Only in this state.")
@click.option("--limit", default=25, show_default=True, type=click.IntRange(1, MAX_PAGE_SIZE), help="How many.")
@click.option("--after", default="", help="The place after which to go on.")
@json_option
def deliveries(*, item_id: int | None, state: str | None, limit: int, after: str, as_json: bool) -> None:
    """What went out, waits, failed or is uncertain; exit 3 when something failed or is uncertain."""
    page = api.deliveries(item_id=item_id, state=state or "", after=after, size=limit)
    data = {"deliveries": [shapes.delivery_dict(row) for row in page.rows], "after": page.after}
    bad = any(row.state in {DeliveryState.FAILED, DeliveryState.UNCERTAIN} for row in page.rows)
    lines = [
        f"{row.uuid}  item {row.approval.item_id:<5}  {row.outlet:<8} {row.state:<9}  {row.target or '-'}  {row.reason}"
        for row in page.rows
    ]
    emit(data, lines or ["No deliveries."], as_json=as_json, exit_code=Exit.BAD_NEWS if bad else Exit.GOOD)


@inbox.command()
@click.argument("item_id", metavar="ID", type=int)
@click.option("--digest", required=True, help="The approval's digest, as `show` prints it.")
@json_option
def second(*, item_id: int, digest: str, as_json: bool) -> None:
    """Approve, as the second person, exactly what the first one approved."""
    row = api.second(item_id, digest=digest, actor=Actor.command(), now=system_clock().now())
    emit(shapes.approval_dict(row), [f"item {item_id}: approved by two people"], as_json=as_json)


@inbox.command()
@click.argument("delivery", type=click.UUID)
@json_option
def repeat(*, delivery: UUID, as_json: bool) -> None:
    """Send an uncertain or failed delivery once more, with the same Message-ID or key."""
    row = api.repeat(delivery, actor=Actor.command(), now=system_clock().now())
    emit(shapes.delivery_dict(row), [f"{row.uuid}: {row.state}"], as_json=as_json)


@inbox.command()
@click.option("--open", "opened", metavar="CHANNEL", default="", help="Open this channel one stage further.")
@click.option("--close", "closed", metavar="CHANNEL", default="", help="Close this channel to all but administrators.")
@json_option
def trust(*, opened: str, closed: str, as_json: bool) -> None:
    """How far each channel is trusted; open one a stage further, or close it at once."""
    now, actor = system_clock().now(), Actor.command()
    if closed:
        api.revoke_channel(closed, actor=actor, now=now)
    if opened:
        wanted = next((row.following for row in trusted() if row.policy.channel == opened), None)
        if wanted is None:
            raise UsageError(f"{opened} cannot be opened further", hint="See 'sapwood inbox trust'.")
        api.open_channel(opened, wanted, actor=actor, now=now)
    data = [
        {"channel": row.policy.channel, "open_to": row.stage.value, "two_people": row.policy.two_people}
        for row in trusted()
    ]
    lines = [f"{row['channel']:<24} {row['open_to']}" for row in data]
    emit({"channels": data}, lines or ["No channel yet."], as_json=as_json)


@inbox.command(name="import")
@json_option
def import_now(*, as_json: bool) -> None:
    """Take in what the channel received; the worker does so every minute."""
    report = api.import_received(now=system_clock().now(), actor=Actor.command())
    counts = (
        f"{report.seen} seen, {report.fresh} new, {report.revised} revised, {report.retracted} retracted, "
        f"{report.filed} archived, {report.unreadable} unreadable"
    )
    lines = [counts, *[f"  {problem}" for problem in report.problems]]
    emit(report.as_dict(), lines, as_json=as_json)


def _utc(value: dt.datetime | None) -> dt.datetime | None:
    return value.replace(tzinfo=dt.UTC) if value else None


def _lines(found: api.Review) -> list[str]:
    row = found.item
    lines = [
        f"{row.title}",
        f"  item {row.pk}, {row.kind}, severity {row.severity}, channel {row.channel}, revision {row.revision}",
        f"  decision {row.decision}, upstream {row.upstream}, {row.get_verdict_display()}",
        f"  signed by {', '.join(found.revision.verified_by) if found.revision and row.signed else 'nobody'}",
    ]
    lines += [f"  note: {note}" for note in (row.note, found.problem, row.retraction) if note]
    lines += [f"  {reason}" for reason in recalled(row.verdict_reasons)]
    for language in found.languages:
        mark = " (changed here)" if language.local else ""
        lines += ["", f"[{language.locale}]{mark} {language.final.title}", language.final.summary, language.final.body]
    lines += ["", *[f"  link: {link.title or link.kind}  {link.report.url}" for link in found.links]]
    lines += [f"seen {found.seen}"] if found.seen else []
    lines += [f"approval {found.approval.digest} for {found.approval.audience}"] if found.approval else []
    return lines
