"""Reads of the audit log for people: filtered, page by page, with names from their own table."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from sapwood.accounts.models import User
from sapwood.core.data import A_READER, COMMAND_LINE, JSON, ActorKind
from sapwood.core.models import AuditName, AuditRow

PAGE = 50
PERSON = "person:"


@dataclass(frozen=True)
class Entry:
    """One row as a screen shows it; `erased` says that the name behind the id is gone."""

    seq: int
    at: dt.datetime
    actor: str
    actor_kind: str
    erased: bool
    action: str
    subject: str
    subject_name: str
    details: dict[str, JSON]

    @property
    def actor_words(self) -> str:
        """Who it was, for people: names that Sapwood itself gives are said in the reader's language."""
        return _(self.actor) if self.actor in {COMMAND_LINE, A_READER} else self.actor

    def as_dict(self) -> dict[str, JSON]:
        """The same as JSON."""
        return {
            "seq": self.seq,
            "at": self.at.isoformat(),
            "actor": None if self.erased else self.actor,
            "actor_kind": self.actor_kind,
            "action": self.action,
            "subject": self.subject,
            "details": self.details,
        }


@dataclass(frozen=True)
class Filters:
    """What to look for; empty fields match everything."""

    action: str = ""
    subject: str = ""
    day: dt.date | None = None


@dataclass(frozen=True)
class LogPage:
    """Up to fifty rows, newest first, and where the next ones begin."""

    entries: list[Entry]
    before: int | None


def page(filters: Filters, *, before: int | None = None) -> LogPage:
    """The newest rows that match, older than row `before`: the price of a page does not grow with its depth."""
    rows = _filtered(filters)
    if before is not None:
        rows = rows.filter(seq__lt=before)
    found = list(rows.order_by("-seq")[: PAGE + 1])
    return LogPage(_entries(found[:PAGE]), found[PAGE - 1].seq if len(found) > PAGE else None)


def export(filters: Filters) -> Iterable[Entry]:
    """Every row that matches, oldest first, a batch at a time."""
    last = 0
    while rows := list(_filtered(filters).filter(seq__gt=last).order_by("seq")[:500]):
        yield from _entries(rows)
        last = rows[-1].seq


def actions_seen() -> list[str]:
    """The actions that the log knows, for the filter."""
    return list(AuditRow.objects.order_by("action").values_list("action", flat=True).distinct())


def rows_about(user: User, *, subject: str) -> list[JSON]:
    """What this person did and what was done to their account, oldest first."""
    tokens = [str(key) for key in user.api_tokens.values_list("uuid", flat=True)]
    mine = Q(kind=ActorKind.PERSON.value, key=str(user.uuid)) | Q(kind=ActorKind.TOKEN.value, key__in=tokens)
    refs = list(AuditName.objects.filter(mine).values_list("ref", flat=True))
    rows = AuditRow.objects.filter(Q(actor_ref__in=refs) | Q(subject=subject)).order_by("seq")
    return [
        {
            "seq": row.seq,
            "at": row.at.isoformat(),
            "by_this_person": row.actor_ref in refs,
            "action": row.action,
            "subject": row.subject,
            "details": cast("dict[str, JSON]", row.details) if row.actor_ref in refs else {},
        }
        for row in rows
    ]


def _filtered(filters: Filters) -> QuerySet[AuditRow]:
    rows = AuditRow.objects.all()
    if filters.action:
        rows = rows.filter(Q(action=filters.action) | Q(action__startswith=f"{filters.action}."))
    if filters.subject:
        rows = rows.filter(subject__startswith=_subject(filters.subject))
    if filters.day:
        start = dt.datetime.combine(filters.day, dt.time(), tzinfo=dt.UTC)
        rows = rows.filter(at__gte=start, at__lt=start + dt.timedelta(days=1))
    return rows


def _subject(typed: str) -> str:
    """A person may be looked for by address; the log itself knows only the id."""
    if "@" in typed:
        user = User.objects.filter(email__iexact=typed.strip()).first()
        return f"{PERSON}{user.uuid}" if user else f"{PERSON}?"
    return typed.strip()


def _entries(rows: list[AuditRow]) -> list[Entry]:
    named = {name.ref: name for name in AuditName.objects.filter(ref__in={row.actor_ref for row in rows})}
    subjects = {row.subject.removeprefix(PERSON) for row in rows if row.subject.startswith(PERSON)}
    people = {str(user.uuid): str(user) for user in User.objects.filter(uuid__in=subjects)}
    return [_entry(row, named.get(row.actor_ref), people) for row in rows]


def _entry(row: AuditRow, name: AuditName | None, people: dict[str, str]) -> Entry:
    erased = name is None or name.erased_at is not None
    is_person = row.subject.startswith(PERSON)
    return Entry(
        seq=row.seq,
        at=row.at,
        actor="" if name is None or erased else name.label or name.key,
        actor_kind=name.kind if name else "",
        erased=erased,
        action=row.action,
        subject=row.subject,
        subject_name=people.get(row.subject.removeprefix(PERSON), "") if is_person else "",
        details=row.details,
    )


def rows_about_count(user: User) -> int:
    """How many rows will name nobody once this person is erased."""
    refs = AuditName.objects.filter(kind=ActorKind.PERSON.value, key=str(user.uuid)).values("ref")
    return AuditRow.objects.filter(Q(actor_ref__in=refs) | Q(subject=f"{PERSON}{user.uuid}")).count()
