"""Files of people: read and compared with the list, line by line, and written."""

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from sapwood.console import figures
from sapwood.core import audit, jobs
from sapwood.core.data import JSON, Actor
from sapwood.core.errors import UsageError
from sapwood.site.inbox import staff
from sapwood.site.inbox.actions.people import FORMULA_STARTS, clean_address, clean_locale
from sapwood.site.inbox.data import SEVERITIES, Audience, Source
from sapwood.site.inbox.models import Person

IMPORT_JOB: Final = "inbox.import_people"
MAX_CSV_BYTES: Final = 5_000_000
MAX_ROWS: Final = 50_000
BATCH: Final = 500
# What a line of a file may change about somebody who is on the list.
FROM_A_FILE: Final = ("audience", "locale", "threshold", "digest", "confirmed_at")
AUDIENCES: Final = frozenset(Audience.values)


class CsvError(UsageError):
    """A CSV file cannot be imported as a whole."""

    code = "inbox.csv"
    http_status = 400


@dataclass(frozen=True)
class CsvReport:
    """What an import did, or would do; `refused` names the line and why."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: tuple[tuple[int, str], ...] = ()

    def as_dict(self) -> dict[str, JSON]:
        """For `--json` and the audit log."""
        return {
            "added": self.added,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "refused": [{"line": line, "why": why} for line, why in self.refused],
        }


def imported_words(report: CsvReport) -> str:
    """What the import of a file came to."""
    return _("%(added)d added, %(changed)d changed, %(refused)d refused.") % {
        "added": report.added,
        "changed": report.changed,
        "refused": len(report.refused),
    }


def import_csv(
    raw: bytes,
    *,
    audience: Audience,
    actor: Actor,
    now: dt.datetime,
    apply: bool = True,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> CsvReport:
    """Read a CSV file with a header; a line that does not fit is refused on its own. The importing person confirms.

    Nobody is signed up for a stream by an import: people beyond administrators ask for streams themselves. An
    address that unsubscribed stays unsubscribed. So many lines at a time are written and audited together; whoever is
    killed between them imports the file again.
    """
    staff.require(actor, staff.PEOPLE)
    rows, refused = _parse(raw, audience)
    counts = {"added": 0, "changed": 0, "unchanged": 0}
    for start in range(0, max(len(rows), 1), BATCH):
        progress(start, len(rows))
        with transaction.atomic():
            found = _take_in(rows[start : start + BATCH], now=now, apply=apply)
            if apply:
                details = {**found, "refused": 0 if start else len(refused)}
                audit.record(actor=actor, action="people.import", subject="people", at=now, details=details)
        counts = {name: counts[name] + found[name] for name in counts}
    progress(len(rows), len(rows))
    return CsvReport(**counts, refused=tuple(refused))


@transaction.atomic
def import_soon(raw: bytes, *, audience: Audience, actor: Actor, now: dt.datetime, language: str) -> UUID:
    """Have the worker import a long file that was looked at; the job that does it, and speaks the person's language."""
    staff.require(actor, staff.PEOPLE)
    payload: dict[str, JSON] = {
        "text": raw.decode("utf-8-sig"),
        "audience": audience.value,
        "actor": actor.packed(),
        "language": language,
    }
    return jobs.enqueue(IMPORT_JOB, payload, now=now)


def _take_in(rows: Sequence[Mapping[str, Any]], *, now: dt.datetime, apply: bool) -> dict[str, int]:
    """Compare some lines with the list in one question, and write what is new or different."""
    entries = {entry["email"].lower(): entry for entry in rows}
    changed: list[Person] = []
    known = list(Person.objects.annotate(address=Lower("email")).filter(address__in=list(entries)))
    for row in known:
        entry = entries.pop(row.email.lower())
        values = {name: value for name, value in entry.items() if name != "email" and getattr(row, name) != value}
        if row.confirmed_at is None:
            values["confirmed_at"] = now
        for name, value in values.items():
            setattr(row, name, value)
        changed += [row] if values else []
    if apply:
        Person.objects.bulk_create(
            [Person(**entry, source=Source.CSV, confirmed_at=now, added_at=now) for entry in entries.values()]
        )
        Person.objects.bulk_update(changed, FROM_A_FILE)
    return {"added": len(entries), "changed": len(changed), "unchanged": len(known) - len(changed)}


def _parse(raw: bytes, audience: Audience) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    if len(raw) > MAX_CSV_BYTES:
        most = figures.number(MAX_CSV_BYTES)
        raise CsvError(_("The file is too large"), hint=_("At most %(n)s bytes.") % {"n": most})
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CsvError(_("The file is not UTF-8"), hint=_("Save it as “CSV UTF-8”.")) from error
    if "\x00" in text:
        raise CsvError(_("The file holds NUL characters"), hint=_("Save it as “CSV UTF-8”."))
    reader = csv.DictReader(io.StringIO(text, newline=""), dialect=_dialect(text), strict=True)
    found: dict[str, dict[str, Any]] = {}
    refused: list[tuple[int, str]] = []
    try:
        names = [(name or "").strip().lower() for name in reader.fieldnames or []]
        if "email" not in names:
            raise CsvError(
                _("The first line has no column named email"),
                hint=_("Columns: email, audience, locale, threshold, digest."),
            )
        reader.fieldnames = names
        for cells in reader:
            if len(found) + len(refused) >= MAX_ROWS:
                raise CsvError(
                    _("The file has too many lines"), hint=_("At most %(n)s.") % {"n": figures.number(MAX_ROWS)}
                )
            try:
                entry = _entry(cells, audience)
            except UsageError as error:
                refused.append((reader.line_num, error.message))
                continue
            if entry["email"] in found:
                refused.append((reader.line_num, _("The address stands in the file twice")))
                continue
            found[entry["email"]] = entry
    except csv.Error as error:
        raise CsvError(_("Line %(n)s cannot be read") % {"n": reader.line_num}, hint=_("Check its quotes.")) from error
    return list(found.values()), refused


def _dialect(text: str) -> type[csv.Dialect]:
    first = text.split("\n", 1)[0]

    class Found(csv.excel):
        delimiter = max(",;\t", key=first.count)

    return Found


def _entry(cells: dict[Any, Any], audience: Audience) -> dict[str, Any]:
    if None in cells:
        raise UsageError(_("There are more cells than columns"))
    values = {name: (value or "").strip() for name, value in cells.items()}
    wanted = values.get("audience") or audience.value
    if wanted not in AUDIENCES:
        raise UsageError(_("There is no such audience"))
    threshold = values.get("threshold") or "high"
    if threshold not in {*SEVERITIES, "never"}:
        raise UsageError(_("There is no such threshold"))
    digest = (values.get("digest") or "yes").lower()
    if digest not in {"yes", "no", "true", "false", "1", "0"}:
        raise UsageError(_("digest is yes or no"))
    return {
        "email": clean_address(values["email"]),
        "audience": wanted,
        "locale": clean_locale(values.get("locale") or "en"),
        "threshold": threshold,
        "digest": digest in {"yes", "true", "1"},
    }


def export_csv(rows: Iterable[Person]) -> str:
    """The list as CSV that no spreadsheet takes for formulas."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["email", "audience", "locale", "threshold", "digest", "source", "confirmed_at", "unsubscribed_at"])
    for row in rows:
        cells = [
            row.email,
            row.audience,
            row.locale,
            row.threshold,
            "yes" if row.digest else "no",
            row.source,
            row.confirmed_at.isoformat() if row.confirmed_at else "",
            row.unsubscribed_at.isoformat() if row.unsubscribed_at else "",
        ]
        writer.writerow([harmless(cell) for cell in cells])
    return out.getvalue()


def harmless(cell: str) -> str:
    """A cell that a spreadsheet shows as text."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


# --- by the person ------------------------------------------------------------------------------------------------
