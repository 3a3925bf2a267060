"""`sapwood people`: whom deliveries reach."""

import mailbox
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from django.utils.translation import gettext as _

from sapwood.core.clock import system_clock
from sapwood.core.commands import Exit, emit, json_option
from sapwood.core.data import Actor
from sapwood.core.errors import NotFoundError, UsageError
from sapwood.site.inbox import api
from sapwood.site.inbox.actions.people_files import MAX_CSV_BYTES, export_csv
from sapwood.site.inbox.data import Audience
from sapwood.site.inbox.models import AudienceRule, Person
from sapwood.site.inbox.notices import MAX_BYTES
from sapwood.site.inbox.queries import people as queries
from sapwood.site.inbox.queries.items import MAX_PAGE_SIZE

BEYOND = [audience.value for audience in Audience if audience is not Audience.ADMINISTRATORS]


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
    refused = queries.refused(page.rows)
    shown = [{**_shown(row), "mail_is_refused": row.pk in refused} for row in page.rows]
    data = {"people": shown, "after": page.after}
    lines = [
        f"{row.audience:<14}  {row.locale:<7} {_standing(row):<12}  {row.email}"
        + ("  (mail is refused)" if row.pk in refused else "")
        for row in page.rows
    ]
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


@people.group()
def claims() -> None:
    """Which claims of an identity provider give which audience."""


@claims.command(name="list")
@json_option
def claims_list(*, as_json: bool) -> None:
    """The rules."""
    rows = api.audience_rules()
    lines = [f"{row.claim} = {row.value}: {row.audience}" for row in rows]
    emit([_rule(row) for row in rows], lines or ["No claim gives an audience."], as_json=as_json)


@claims.command(name="add")
@click.argument("claim")
@click.argument("value")
@click.argument("audience", type=click.Choice(BEYOND))
@json_option
def claims_add(*, claim: str, value: str, audience: str, as_json: bool) -> None:
    """Whose provider says CLAIM = VALUE reads what is for AUDIENCE from their next sign-in on."""
    row = api.map_claim(claim, value, Audience(audience), actor=Actor.command(), now=system_clock().now())
    emit(_rule(row), [f"{row.claim} = {row.value} makes {row.audience}"], as_json=as_json)


@claims.command(name="remove")
@click.argument("claim")
@click.argument("value")
@click.argument("audience", type=click.Choice(BEYOND))
@json_option
def claims_remove(*, claim: str, value: str, audience: str, as_json: bool) -> None:
    """End such a rule; what it gave ends at each person's next sign-in."""
    row = api.audience_rules().filter(claim=claim, value=value, audience=audience).first()
    if row is None:
        raise NotFoundError(_("There is no such rule"), hint=_("See 'sapwood people claims list'."))
    gone = _rule(api.unmap_claim(row.pk, actor=Actor.command(), now=system_clock().now()))
    emit({"removed": gone}, [f"{claim} = {value} makes no {audience} any more"], as_json=as_json)


@people.command()
@click.argument("email")
@json_option
def block(*, email: str, as_json: bool) -> None:
    """Put an address on the bounce list: no mail goes to it any more."""
    api.refuse_mail(email, actor=Actor.command(), now=system_clock().now())
    emit({"refused": True}, [f"no mail goes to {email} any more"], as_json=as_json)


@people.command()
@click.argument("email")
@json_option
def unblock(*, email: str, as_json: bool) -> None:
    """Take an address off the bounce list."""
    api.allow_mail(email, actor=Actor.command(), now=system_clock().now())
    emit({"refused": False}, [f"mail goes to {email} again"], as_json=as_json)


@people.command()
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@json_option
def bounced(*, path: Path | None, as_json: bool) -> None:
    """Read what mail servers sent back: one mail from standard input, or PATH, an mbox file or a Maildir folder.

    PATH is only read. A notice counts once, and only for a mail that this site sent to that address.
    """
    if path is None and sys.stdin.isatty():
        raise UsageError(_("There is nothing to read"), hint=_("Pipe one mail in, or name an mbox file or a Maildir."))
    mails = [sys.stdin.buffer.read(MAX_BYTES + 1)] if path is None else _mails(path)
    report = api.read_notices(mails, actor=Actor.command(), now=system_clock().now())
    line = (
        f"{report.mails} mails: {report.hard} came back for good, {report.soft} for now, {report.late} are late, "
        f"{report.known} were known, {report.foreign} name no mail of ours, {report.other} are no notifications"
    )
    emit(report.as_dict(), [line], as_json=as_json)


def _mails(path: Path) -> Iterator[bytes]:
    """The mails in an mbox or Maildir, one at a time, each cut where it is too long to be a notification."""
    folder = path.is_dir()
    box: Any = mailbox.Maildir(path, create=False) if folder else mailbox.mbox(path, create=False)
    try:
        for key in box.iterkeys():
            with box.get_file(key) as mail:
                yield mail.read(MAX_BYTES + 1)
    except (OSError, mailbox.Error, KeyError) as error:
        raise UsageError(
            _("%(path)s cannot be read as a mailbox") % {"path": path},
            hint=_("Name an mbox file, or a folder with cur, new and tmp in it."),
        ) from error
    finally:
        box.close()


def _rule(row: AudienceRule) -> dict[str, object]:
    return {"claim": row.claim, "value": row.value, "audience": row.audience}


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
