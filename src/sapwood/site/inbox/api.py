"""The front door of the inbox."""

from sapwood.site.inbox.actions.approving import approve, second
from sapwood.site.inbox.actions.bounces import BounceReport, allow_mail, read_notices, refuse_mail
from sapwood.site.inbox.actions.claims import admits as claims_admit
from sapwood.site.inbox.actions.claims import follow as follow_claims
from sapwood.site.inbox.actions.claims import map_claim, unmap_claim
from sapwood.site.inbox.actions.claims import names as claim_names
from sapwood.site.inbox.actions.deciding import (
    archive,
    keep_approved,
    reject,
    snooze,
    start_review,
    wake_snoozed,
    withdraw,
)
from sapwood.site.inbox.actions.delivering import deliver_digests, deliver_due
from sapwood.site.inbox.actions.feedback import answer, hand_over
from sapwood.site.inbox.actions.feeds import feeds, poll_feeds, subscribe_feed, unsubscribe_feed
from sapwood.site.inbox.actions.importing import import_received
from sapwood.site.inbox.actions.outlets import (
    BrandValues,
    add_rule,
    add_webhook,
    remove_rule,
    remove_webhook,
    renew_webhook_secret,
    set_brand,
    set_public,
)
from sapwood.site.inbox.actions.people import (
    Wish,
    add_person,
    choose,
    confirm,
    erase_personal,
    erase_self,
    export_personal,
    forget_departed,
    forget_unconfirmed,
    invite_to_forum,
    join_signed_in,
    open_streams,
    subscribe,
    unsubscribe,
)
from sapwood.site.inbox.actions.people_files import CsvReport, export_csv, import_csv, import_soon
from sapwood.site.inbox.actions.repeating import give_up, repeat
from sapwood.site.inbox.actions.retiring import retire
from sapwood.site.inbox.actions.taking_back import decide_mass_withdrawal
from sapwood.site.inbox.actions.texts import drop_text, save_text
from sapwood.site.inbox.actions.trust import open_channel, revoke_channel, set_two_people
from sapwood.site.inbox.queries.items import (
    Filter,
    deliveries,
    held,
    items,
    mass_withdrawals,
    most_urgent,
    neighbours,
    open_ends,
    waiting_count,
)
from sapwood.site.inbox.queries.page import announcement, announcements, asked, closing, open_audiences
from sapwood.site.inbox.queries.people import audience_of, audience_rules, people
from sapwood.site.inbox.queries.review import Review, review

__all__ = [
    "BounceReport",
    "BrandValues",
    "CsvReport",
    "Filter",
    "Review",
    "Wish",
    "add_person",
    "add_rule",
    "add_webhook",
    "allow_mail",
    "announcement",
    "announcements",
    "answer",
    "approve",
    "archive",
    "asked",
    "audience_of",
    "audience_rules",
    "choose",
    "claim_names",
    "claims_admit",
    "closing",
    "confirm",
    "decide_mass_withdrawal",
    "deliver_digests",
    "deliver_due",
    "deliveries",
    "drop_text",
    "erase_personal",
    "erase_self",
    "export_csv",
    "export_personal",
    "feeds",
    "follow_claims",
    "forget_departed",
    "forget_unconfirmed",
    "give_up",
    "hand_over",
    "held",
    "import_csv",
    "import_received",
    "import_soon",
    "invite_to_forum",
    "items",
    "join_signed_in",
    "keep_approved",
    "map_claim",
    "mass_withdrawals",
    "most_urgent",
    "neighbours",
    "open_audiences",
    "open_channel",
    "open_ends",
    "open_streams",
    "people",
    "poll_feeds",
    "read_notices",
    "refuse_mail",
    "reject",
    "remove_rule",
    "remove_webhook",
    "renew_webhook_secret",
    "repeat",
    "retire",
    "review",
    "revoke_channel",
    "save_text",
    "second",
    "set_brand",
    "set_public",
    "set_two_people",
    "snooze",
    "start_review",
    "subscribe",
    "subscribe_feed",
    "unmap_claim",
    "unsubscribe",
    "unsubscribe_feed",
    "waiting_count",
    "wake_snoozed",
    "withdraw",
]
