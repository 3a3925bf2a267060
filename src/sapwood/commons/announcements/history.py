"""What happened to an announcement, from the audit log."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from sapwood.core import audit
from sapwood.core.models import AuditRow

WORDS: Final[dict[str, tuple[Any, str]]] = {
    "announcements.save": (_("Text saved"), ""),
    "announcements.submit": (_("Submitted for approval"), "info"),
    "announcements.send_back": (_("Sent back"), "caution"),
    "announcements.approve": (_("Approved"), "good"),
    "announcements.stage": (_("Put before the signers"), "info"),
    "announcements.stage_for_test": (_("Put on the test channel"), "info"),
    "announcements.published": (_("Published"), "good"),
    "announcements.discard": (_("Draft thrown away"), "caution"),
    "announcements.import": (_("Imported"), "info"),
    "announcements.take_theirs": (_("The source's words were taken"), "info"),
    "announcements.keep_ours": (_("Our words were kept"), "info"),
    "announcements.ask_consent": (_("The organisation was asked"), "info"),
    "announcements.consent_agreed": (_("The organisation agreed"), "good"),
    "announcements.consent_refused": (_("The organisation refused"), "bad"),
    "announcements.ask_to_retract": (_("Taking back was asked for"), "caution"),
    "announcements.retract": (_("Taken back"), "bad"),
}
MOST: Final = 200


@dataclass(frozen=True)
class Event:
    """One line of the history."""

    at: datetime
    title: Any
    text: str
    level: str


def history(announcement_uuid: uuid.UUID) -> list[Event]:
    """What happened, newest first, each with who did it."""
    rows = list(AuditRow.objects.filter(subject=str(announcement_uuid)).order_by("-seq")[:MOST])
    called = audit.names({row.actor_ref for row in rows})
    return [_event(row, called) for row in rows]


def _event(row: AuditRow, called: dict[str, str]) -> Event:
    title, level = WORDS.get(row.action, (row.action, ""))
    revision, reason = row.details.get("revision"), row.details.get("reason", "")
    parts = [called.get(row.actor_ref, ""), f"r{revision}" if revision else "", str(reason)]
    return Event(row.at, title, " · ".join(part for part in parts if part), level)
