"""The front door of announcements."""

from sapwood.commons.announcements.actions.approving import approve, stage
from sapwood.commons.announcements.actions.publishing import publish_folder
from sapwood.commons.announcements.actions.writing import discard_draft, save_draft, send_back, submit
from sapwood.commons.announcements.queries import live_budgets, public_list, published

__all__ = [
    "approve",
    "discard_draft",
    "live_budgets",
    "public_list",
    "publish_folder",
    "published",
    "save_draft",
    "send_back",
    "stage",
    "submit",
]
