"""Commands of announcements."""

import datetime as dt
import random
import uuid
from collections.abc import Callable
from difflib import unified_diff
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from sapwood.commons.announcements import api, queries
from sapwood.commons.announcements.data import FolderReport, Outcome
from sapwood.commons.announcements.documents import read_document
from sapwood.commons.announcements.errors import AnnouncementNotFoundError
from sapwood.commons.announcements.files.folder import MAX_SLUG_CHARS, SLUG
from sapwood.commons.announcements.models import (
    OPEN_STATES,
    Channel,
    ImportedEntry,
    Revision,
    Source,
    SourceKind,
    State,
)
from sapwood.commons.announcements.po import export_po, read_po
from sapwood.commons.announcements.queries import newest
from sapwood.commons.announcements.reading import lines
from sapwood.core.clock import system_clock
from sapwood.core.commands import Exit, emit, json_option
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError, NotFoundError, UsageError
from sapwood.core.files import write_atomically
from sapwood.core.http import default_client, names_private_address
from sapwood.formats.phrase import recalled
from sapwood.formats.publication import Audience

WORDS = {
    Outcome.STAGED: "staged",
    Outcome.UNCHANGED: "unchanged",
    Outcome.NEEDS_SECOND_PERSON: "waits for a second person's approval in the console",
    Outcome.NEEDS_CONSENT: "waits for the consent of the organisation that it describes",
    Outcome.INVALID: "not valid",
}
FILE = """\
---
uuid: {uuid}
title: {title}
summary: One or two sentences for people who read nothing else.
kind: news
# channel: community        security, releases, candidates, community or surveys; the kind suggests one
# severity: none            none, low, medium, high, critical
# audience: administrators  administrators, instructors, learners
# publish_at: 2026-12-09
# expires_at: 2027-01-31
# condition:                which sites it concerns; all when left out
#   fact: line
#   op: ==
#   value: teak
# links:
#   - kind: documentation
#     title: More about it
#     url: https://example.org/
---
The text, in Markdown. {{{{site_name}}}} becomes the institution's name.
"""


@click.group()
def announce() -> None:
    """Write, import and publish announcements."""


@announce.command()
@click.argument("slug")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(), help="Where to put the file.")
@json_option
def new(*, slug: str, folder: Path, as_json: bool) -> None:
    """Start a Markdown file SLUG.md with a fresh uuid."""
    if not SLUG.fullmatch(slug) or len(slug) > MAX_SLUG_CHARS:
        raise UsageError(f"{slug!r} is not a slug.", hint="Use lower case letters, digits and hyphens.")
    path = folder / f"{slug}.md"
    key = uuid.uuid4()
    text = FILE.format(uuid=key, title=slug.replace("-", " ").capitalize())
    if not write_atomically(path, text, mode=0o644, replace=False):
        raise ConflictError(f"{path} exists already.", hint="Edit it, or choose another slug.")
    lines = [f"{path} is ready to be written.", f"Next: sapwood announce publish {folder} --dry-run"]
    emit({"path": str(path), "uuid": str(key)}, lines, as_json=as_json)


@announce.command(name="list")
@click.option("--state", type=click.Choice(["open", *(s.value.lower() for s in State)]), help="Only these.")
@json_option
def list_all(*, state: str | None, as_json: bool) -> None:
    """Every announcement with its newest revision."""
    rows = newest(*State.values).order_by("-updated_at", "-pk")
    if state is not None:
        rows = rows.filter(state__in=OPEN_STATES if state == "open" else [state.upper()])
    data = [_row(row) for row in rows]
    lines = [f"{d['state']:<9}  {d['channel']:<10}  r{d['revision']:<3}  {d['slug']}  {d['title']}" for d in data]
    emit(data, lines or ["There are no announcements."], as_json=as_json)


@announce.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@json_option
def publish(*, folder: Path, dry_run: bool, as_json: bool) -> None:
    """Validate, approve and stage the Markdown files in FOLDER; signing is 'sapwood channel sign'."""
    report = api.publish_folder(folder, actor=Actor.command(), now=system_clock().now(), dry_run=dry_run)
    code = Exit.ERROR if report.problems else Exit.GOOD
    emit(_as_data(report), _as_lines(report), as_json=as_json, exit_code=code)


@announce.command()
@click.argument("slug")
@click.option("--reason", required=True, help="Why, for the administrators who read it.")
@click.option("--urgent", is_flag=True, help="Tell administrators at once.")
@json_option
def retract(*, slug: str, reason: str, urgent: bool, as_json: bool) -> None:
    """Take a published announcement back; in the security channel a second person confirms it in the console."""
    revision = _by_slug(slug)
    row = api.retract(
        revision.announcement.uuid, reason=reason, urgent=urgent, actor=Actor.command(), now=system_clock().now()
    )
    done = row.staged_at is not None
    words = "taken back; next: 'sapwood channel sign'" if done else "a second person has to confirm it in the console"
    emit({"slug": slug, "staged": done}, [f"{slug}: {words}"], as_json=as_json)


@announce.command()
@click.argument("audience", type=click.Choice([item.value for item in Audience]))
@click.argument("live_items", type=int)
@json_option
def budget(*, audience: str, live_items: int, as_json: bool) -> None:
    """Set how many live announcements AUDIENCE should have at most."""
    api.set_budget(audience, live_items=live_items, actor=Actor.command(), now=system_clock().now())
    emit({"audience": audience, "live_items": live_items}, [f"{audience}: {live_items}"], as_json=as_json)


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """What can be said of a source where it is named first."""
    for option in reversed(
        [
            click.option("--wordpress", is_flag=True, help="It is a WordPress site: read its posts, edits included."),
            click.option("--channel", type=click.Choice(Channel.values), default="community", show_default=True),
            click.option(
                "--audience",
                type=click.Choice([a.value for a in Audience]),
                default="administrators",
                show_default=True,
            ),
            click.option(
                "--locale", default="en", show_default=True, help="The language of items that do not say theirs."
            ),
            click.option(
                "--allow-private", is_flag=True, help="The address lies in our own network, and may be plain http."
            ),
        ]
    ):
        command = option(command)
    return command


@announce.command(name="import")
@click.argument("source")
@source_options
@json_option
def import_one(*, source: str, as_json: bool, **options: Any) -> None:
    """Read SOURCE now, unless its server asked for a pause: the name of a feed or blog, or the address of one.

    An address that is new here is noted as a source that is read only when somebody asks; the options are for it.
    """
    report: dict[str, Any] = api.import_source(
        _source_at(source, **options) if "://" in source else _source(source),
        http=default_client(),
        chance=random.Random(),  # noqa: S311 - spreads requests, guards nothing
        actor=Actor.command(),
        now=system_clock().now(),
        by_hand=True,
    )
    code = Exit.ERROR if report["outcome"] in {"failed", "gone"} else Exit.GOOD
    emit(report, _import_lines(report), as_json=as_json, exit_code=code)


@announce.command()
@json_option
def conflicts(*, as_json: bool) -> None:
    """Imports whose source changed after somebody here had edited the text; exit 3 when there are any."""
    rows = [(entry, _by_slug(entry.announcement.slug)) for entry in queries.conflicts() if entry.announcement]
    data = [_conflict_row(entry, revision) for entry, revision in rows]
    text = [line for row in data for line in _conflict_lines(row)]
    emit(
        data,
        text or ["Nothing is to be decided."],
        as_json=as_json,
        exit_code=Exit.BAD_NEWS if data else Exit.GOOD,
    )


@announce.command()
@click.argument("slug")
@click.option("--theirs/--ours", required=True, help="The source's words go into the draft, or the draft stays.")
@json_option
def resolve(*, slug: str, theirs: bool, as_json: bool) -> None:
    """Decide whose words of SLUG stand, after 'sapwood announce conflicts' showed them."""
    revision = _by_slug(slug)
    entry = queries.conflicts().filter(announcement=revision.announcement).first()
    seen = entry.fingerprint if entry else ""
    key, actor, now = revision.announcement.uuid, Actor.command(), system_clock().now()
    if theirs:
        revision = api.take_theirs(key, sha256=revision.sha256, seen=seen, actor=actor, now=now)
    else:
        api.keep_ours(key, seen=seen, actor=actor, now=now)
    words = f"the source's words are in the draft of revision {revision.number}" if theirs else "the text stays"
    emit(_row(revision), [f"{slug}: {words}."], as_json=as_json)


@announce.group()
def sources() -> None:
    """Feeds and blogs that are read on a schedule."""


@sources.command(name="list")
@json_option
def list_sources(*, as_json: bool) -> None:
    """Every source, and how its last reading went; exit 3 when one failed."""
    rows = list(Source.objects.order_by("name"))
    data = [_source_row(row) for row in rows]
    lines = [f"{d['name']}  {d['url']}  {'trusted  ' if d['trusted'] else ''}{d['health']}" for d in data]
    bad = any((row.last_error or row.gone) and not row.paused for row in rows)
    code = Exit.BAD_NEWS if bad else Exit.GOOD
    emit(data, lines or ["There are no sources."], as_json=as_json, exit_code=code)


@sources.command()
@click.argument("name")
@click.argument("url")
@source_options
@click.option("--trusted", is_flag=True, help="Items without doubts go straight to the signers (one source at most).")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="With --wordpress: only what was changed since.")
@json_option
def add(*, name: str, url: str, since: dt.datetime | None, as_json: bool, **options: Any) -> None:
    """Read the feed or blog at URL from now on, into drafts."""
    row = _new_source(name, url, modified_after=since.replace(tzinfo=dt.UTC) if since else None, **options)
    api.add_source(row, actor=Actor.command(), now=system_clock().now())
    emit(_source_row(row), [f"{name} is read within a quarter of an hour."], as_json=as_json)


@sources.command()
@click.argument("name")
@click.option("--resume", is_flag=True, help="Read it again.")
@json_option
def pause(*, name: str, resume: bool, as_json: bool) -> None:
    """Leave a source unread until it is resumed."""
    row = api.pause_source(_source(name), paused=not resume, actor=Actor.command(), now=system_clock().now())
    emit(_source_row(row), [f"{name} is {'read again' if resume else 'paused'}."], as_json=as_json)


@sources.command()
@click.argument("name")
@json_option
def remove(*, name: str, as_json: bool) -> None:
    """Stop reading a source; what was imported stays."""
    api.remove_source(_source(name), actor=Actor.command(), now=system_clock().now())
    emit({"removed": name}, [f"{name} is no longer read."], as_json=as_json)


@announce.group()
def translation() -> None:
    """Translations as gettext files."""


@translation.command(name="export")
@click.argument("slug")
@click.argument("locale")
@click.option("--output", type=click.Path(path_type=Path), help="A file; standard output when left out.")
@json_option
def export_one(*, slug: str, locale: str, output: Path | None, as_json: bool) -> None:
    """Write the gettext file of one language of SLUG."""
    text = export_po(_by_slug(slug), locale)
    if output is not None:
        write_atomically(output, text, mode=0o644)
    lines = [text] if output is None else [f"{output} is ready to be translated."]
    emit({"slug": slug, "locale": locale, "po": text}, lines, as_json=as_json)


@translation.command(name="import")
@click.argument("slug")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def import_translation(*, slug: str, file: Path, as_json: bool) -> None:
    """Read a translated gettext file into a draft of SLUG, without a new alert."""
    revision = _by_slug(slug)
    locale, text = read_po(file.read_bytes(), revision)
    draft = api.translate(
        revision.announcement.uuid, locale=locale, text=text, actor=Actor.command(), now=system_clock().now()
    )
    emit(_row(draft), [f"{slug}: {locale} is in the draft of revision {draft.number}."], as_json=as_json)


def _by_slug(slug: str) -> Revision:
    found = newest(*State.values).filter(announcement__slug=slug).first()
    if found is None:
        raise AnnouncementNotFoundError(f"There is no announcement {slug!r}.", hint="See 'sapwood announce list'.")
    return found


def _source(name: str) -> Source:
    found = Source.objects.filter(name=name).first()
    if found is None:
        raise NotFoundError(f"There is no source {name!r}.", hint="See 'sapwood announce sources list'.")
    return found


def _source_at(url: str, **options: Any) -> Source:
    """The source at an address; a new one is named after its host, and paused: only people have it read."""
    if (found := Source.objects.filter(url=url).order_by("pk").first()) is not None:
        return found
    host = urlsplit(url).hostname or "source"
    names = (host if number == 1 else f"{host} {number}" for number in count(1))
    name = next(name for name in names if not Source.objects.filter(name=name).exists())
    return api.add_source(
        _new_source(name, url, paused=True, **options), actor=Actor.command(), now=system_clock().now()
    )


def _new_source(name: str, url: str, *, wordpress: bool, allow_private: bool, **options: Any) -> Source:
    kind = SourceKind.WORDPRESS if wordpress else SourceKind.FEED
    # Who types 127.0.0.1 at this machine's command line means it; a name may lead anywhere.
    return Source(name=name, url=url, kind=kind, allow_private=allow_private or names_private_address(url), **options)


def _row(row: Revision) -> dict[str, Any]:
    return {
        "uuid": str(row.announcement.uuid),
        "slug": row.announcement.slug,
        "revision": row.number,
        "state": row.state.lower(),
        "title": row.title,
        "kind": row.kind,
        "channel": row.channel,
        "audience": row.audience,
        "severity": row.severity,
        "locales": row.locales,
        "alert": row.alert,
        "sha256": row.sha256,
    }


def _conflict_row(entry: ImportedEntry, revision: Revision) -> dict[str, Any]:
    ours = read_document(revision.raw)["texts"].get(entry.locale, {})
    return {
        "slug": revision.announcement.slug,
        "source": entry.source.name,
        "locale": entry.locale,
        "since": entry.seen_at.isoformat(),
        "base": lines(entry.base),
        "ours": lines(ours),
        "theirs": lines(entry.theirs),
    }


def _conflict_lines(row: dict[str, Any]) -> list[str]:
    """What the source changed, and what was changed here, each as a patch to the words as imported."""
    found = [f"{row['slug']}: {row['source']} changed its {row['locale']} text"]
    for side in ("theirs", "ours"):
        patch = unified_diff(row["base"].splitlines(), row[side].splitlines(), "imported", side, lineterm="")
        found += [f"  {line}" for line in patch]
    return [*found, f"Next: sapwood announce resolve {row['slug']} --theirs | --ours"]


def _source_row(row: Source) -> dict[str, Any]:
    health = "not read yet"
    if row.paused:
        health = "paused"
    elif row.gone:
        health = "gone for good"
    elif row.last_error:
        health = f"failed {row.failures} times: {recalled(row.last_error)['message']}"
    elif row.last_good_at:
        health = f"last good reading {row.last_good_at:%Y-%m-%d %H:%M} UTC"
    return {
        "name": row.name,
        "url": row.url,
        "kind": row.kind.lower(),
        "channel": row.channel,
        "trusted": row.trusted,
        "paused": row.paused,
        "health": health,
        "last_good_at": row.last_good_at.isoformat() if row.last_good_at else None,
        "next_at": row.next_poll_at.isoformat() if row.next_poll_at else None,
        "moved_to": row.moved_to,
        "error": recalled(row.last_error),
        "report": recalled(row.report),
    }


def _import_lines(report: dict[str, Any]) -> list[str]:
    if report["outcome"] == "not_due":
        until = report["not_before"]
        why = f"its server asks us to wait until {until}" if until else "it is being read at this moment"
        return [f"{report['source']}: {why}"]
    if "error" in report:
        return [f"{report['source']}: {report['error']['message']} {report['error']['hint']}"]
    names = ("new", "edited", "moved", "reused", "same", "staged", "conflicts")
    counts = ", ".join(f"{report[name]} {name}" for name in names if report.get(name))
    lines = [f"{report['source']}: {counts or report['outcome']}"]
    lines += [f"  left out: {entry['title']!r}: {entry['why']}" for entry in report.get("refused", [])]
    return lines + [f"  {problem}" for problem in report.get("problems", [])]


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
    if not lines:
        lines.append("There is no announcement in this folder: 'sapwood announce new' begins one.")
    if report.dry_run:
        lines.append("Dry run: nothing was changed.")
    elif report.staged:
        lines.append("Next: 'sapwood channel sign', then 'sapwood channel publish'.")
    return lines
