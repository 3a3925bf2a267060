"""The inbox's tables: constraints and query sets, no workflow."""

from sapwood.site.inbox.models.approvals import Approval, Dispatch, ImmutableError, Signature
from sapwood.site.inbox.models.deliveries import (
    Brand,
    Delivery,
    FeedbackAnswer,
    HandOver,
    Mailing,
    OutletConfig,
    WebhookDeadLetter,
)
from sapwood.site.inbox.models.items import (
    Binding,
    ChannelPolicy,
    Cursor,
    FeedSeen,
    FeedSubscription,
    Item,
    LocalText,
    MassWithdrawal,
    Retraction,
    Revision,
    Rule,
)
from sapwood.site.inbox.models.people import AudienceRule, Bounce, ClaimedAudience, Person, StreamOptIn

__all__ = [
    "Approval",
    "AudienceRule",
    "Binding",
    "Bounce",
    "Brand",
    "ChannelPolicy",
    "ClaimedAudience",
    "Cursor",
    "Delivery",
    "Dispatch",
    "FeedSeen",
    "FeedSubscription",
    "FeedbackAnswer",
    "HandOver",
    "ImmutableError",
    "Item",
    "LocalText",
    "Mailing",
    "MassWithdrawal",
    "OutletConfig",
    "Person",
    "Retraction",
    "Revision",
    "Rule",
    "Signature",
    "StreamOptIn",
    "WebhookDeadLetter",
]
