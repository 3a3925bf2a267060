"""`sapwood people`: whom deliveries reach."""

import sys
from pathlib import Path

import click

from sapwood.core.clock import system_clock
from sapwood.core.commands import Exit, emit, json_option
from sapwood.core.data import Actor
from sapwood.core.errors import NotFoundError, UsageError
from sapwood.site.inbox import api
from sapwood.site.inbox.actions.people import MAX_CSV_BYTES, export_csv
from sapwood.site.inbox.data import Audience
from sapwood.site.inbox.models import Person
from sapwood.site.inbox.queries import people as queries
from sapwood.site.inbox.queries.items import MAX_PAGE_SIZE


@click.group()
def people() -> None:
    """People whom approved items may reach."""


@people.command(name="list")
@click.option("--audience", type=click.Choice(Audience.values), default=None, help="Only this audience.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, MAX_PAGE_SIZE), help="How many.")
@click.option("--after", default="", help="The place after which to go on.")
@json_option
def list_people(*, audience: str | None, limit: int, after: str, as_json: bool) -> None:
    """Everybody on the list."""
    page = api.people(audience=audience or "", after=after, size=limit)
    data = {"people": [_shown(row) for row in page.rows], "after": page.after}
    lines = [f"{row.audience:<14}  {row.locale:<7} {_standing(row):<12}  {row.email}" for row in page.rows]
    emit(data, lines or ["Nobody is on the list."], as_json=as_json)


@people.command()
@click.argument("email")
@click.option("--audience", type=click.Choice(Audience.values), default="administrators", show_default=True)
@click.option("--locale", default="en", show_default=True, help="The language of their mail.")
@json_option
def add(*, email: str, audience: str, locale: str, as_json: bool) -> None:
    """Put one address on the list; your word confirms it."""
    row = api.add_person(email, Audience(audience), actor=Actor.command(), now=system_clock().now(), locale=locale)
    emit(_shown(row), [f"added {row.email} to {row.audience}"], as_json=as_json)


@people.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--audience", type=click.Choice(Audience.values), required=True, help="For lines that name none.")
@click.option("--dry-run", is_flag=True, help="Only say what it would do.")
@json_option
def import_file(*, file: Path, audience: str, dry_run: bool, as_json: bool) -> None:
    """Read a CSV file with the column email (and audience, locale, threshold, digest); exit 3 if lines are refused."""
    if file.stat().st_size > MAX_CSV_BYTES:
        raise UsageError("The file is too large", hint=f"At most {MAX_CSV_BYTES:,} bytes.")
    report = api.import_csv(
        file.read_bytes(),
        audience=Audience(audience),
        actor=Actor.command(),
        now=system_clock().now(),
        apply=not dry_run,
    )
    verb = "would be " if dry_run else ""
    lines = [f"{report.added} {verb}added, {report.changed} {verb}changed, {report.unchanged} unchanged"]
    lines += [f"  line {line}: {why}" for line, why in report.refused]
    emit(report.as_dict(), lines, as_json=as_json, exit_code=Exit.BAD_NEWS if report.refused else Exit.GOOD)


@people.command()
@click.option("--email", default="", help="Everything kept about one address, as JSON.")
@json_option
def export(*, email: str, as_json: bool) -> None:
    """The list as CSV, or with --email everything that is kept about one person."""
    if email:
        found = api.export_personal(email)
        if not found:
            raise NotFoundError("Nobody on the list has this address", hint="See 'sapwood people list'.")
        emit(found, [f"{name}: {value}" for name, value in found.items()], as_json=as_json)
    elif as_json:
        emit({"people": [_shown(row) for row in queries.everybody()]}, [], as_json=True)
    else:
        sys.stdout.write(export_csv(queries.everybody()))


@people.command()
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def erase(*, email: str, yes: bool, as_json: bool) -> None:
    """Forget an address and everything about it."""
    if not yes and sys.stdin.isatty():
        click.confirm(f"Forget {email}?", abort=True)
    elif not yes:
        raise UsageError("Erasing asks for --yes where nobody can answer", hint="Add --yes.")
    if not api.erase_personal(email, actor=Actor.command(), now=system_clock().now()):
        raise NotFoundError("Nobody on the list has this address", hint="See 'sapwood people list'.")
    emit({"erased": True}, ["erased"], as_json=as_json)


def _shown(row: Person) -> dict[str, object]:
    return {
        "id": str(row.uuid),
        "email": row.email,
        "audience": row.audience,
        "locale": row.locale,
        "source": row.source,
        "threshold": row.threshold,
        "digest": row.digest,
        "standing": _standing(row),
    }


def _standing(row: Person) -> str:
    if row.unsubscribed_at is not None:
        return "unsubscribed"
    return "reachable" if row.confirmed_at is not None else "unconfirmed"
