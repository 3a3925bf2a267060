"""The front door of the inbox."""

from sapwood.site.inbox.actions.approving import approve, second
from sapwood.site.inbox.actions.deciding import (
    archive,
    keep_approved,
    reject,
    snooze,
    start_review,
    wake_snoozed,
    withdraw,
)
from sapwood.site.inbox.actions.delivering import deliver_due
from sapwood.site.inbox.actions.importing import decide_mass_withdrawal, import_received
from sapwood.site.inbox.actions.retiring import retire
from sapwood.site.inbox.actions.texts import drop_text, save_text
from sapwood.site.inbox.actions.trust import open_channel, revoke_channel, set_two_people
from sapwood.site.inbox.queries.items import (
    Filter,
    deliveries,
    items,
    mass_withdrawals,
    most_urgent,
    neighbours,
    waiting_count,
)
from sapwood.site.inbox.queries.page import announcement, announcements, asked, closing, open_audiences
from sapwood.site.inbox.queries.people import audience_of
from sapwood.site.inbox.queries.review import Review, review

__all__ = [
    "Filter",
    "Review",
    "announcement",
    "announcements",
    "approve",
    "archive",
    "asked",
    "audience_of",
    "closing",
    "decide_mass_withdrawal",
    "deliver_due",
    "deliveries",
    "drop_text",
    "import_received",
    "items",
    "keep_approved",
    "mass_withdrawals",
    "most_urgent",
    "neighbours",
    "open_audiences",
    "open_channel",
    "reject",
    "retire",
    "review",
    "revoke_channel",
    "save_text",
    "second",
    "set_two_people",
    "snooze",
    "start_review",
    "waiting_count",
    "wake_snoozed",
    "withdraw",
]
