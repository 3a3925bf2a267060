"""Open sessions of a person: told apart, ended one by one or all at once."""

import datetime as dt
from dataclasses import dataclass

from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session

from sapwood.accounts.models import SessionNote, User, new_salt

SEEN_EVERY = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class OpenSession:
    """One open session as its owner sees it."""

    pk: int
    agent: str
    opened_at: dt.datetime
    seen_at: dt.datetime
    current: bool


def note_session(user: User, session: SessionBase, *, agent: str, now: dt.datetime) -> None:
    """Remember that this session was opened; called at sign-in, once it has its final key."""
    if session.session_key:
        SessionNote.objects.update_or_create(
            session_key=session.session_key,
            defaults={"user": user, "agent": agent[:200], "opened_at": now, "seen_at": now},
        )


def open_sessions(user: User, current_key: str | None, *, now: dt.datetime) -> list[OpenSession]:
    """This person's open sessions, the present one first."""
    alive = Session.objects.filter(expire_date__gt=now).values("session_key")
    rows = SessionNote.objects.filter(user=user, session_key__in=alive).order_by("-seen_at")
    found = [
        OpenSession(row.pk, row.agent, row.opened_at, row.seen_at, current=row.session_key == current_key)
        for row in rows
    ]
    return sorted(found, key=lambda item: not item.current)


def end_session(user: User, pk: int) -> bool:
    """End one session of this person; False when it is not theirs or over."""
    row = SessionNote.objects.filter(user=user, pk=pk).first()
    if row is None:
        return False
    Session.objects.filter(session_key=row.session_key).delete()
    row.delete()
    return True


def end_sessions(user: User, *, keep: str | None = None) -> int:
    """End all sessions of this person, but for the one with the key `keep`; the number ended."""
    rows = SessionNote.objects.filter(user=user).exclude(session_key=keep or "")
    keys = list(rows.values_list("session_key", flat=True))
    rows.delete()
    if keep is None:
        # Also ends what nobody noted: a session is only good with the salt under which it was opened.
        user.session_salt = new_salt()
        user.save(update_fields=["session_salt"])
    return Session.objects.filter(session_key__in=keys).delete()[0]


def prune_notes() -> int:
    """Remove notes about sessions that are over; the number removed."""
    return SessionNote.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()[0]
