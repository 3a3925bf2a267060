"""The front door of announcements."""

from pathlib import Path

from sapwood.commons.announcements.actions.approving import approve, stage, stage_for_test
from sapwood.commons.announcements.actions.budgeting import set_budget
from sapwood.commons.announcements.actions.conflicts import keep_ours, take_theirs
from sapwood.commons.announcements.actions.consenting import (
    answer_consent,
    ask_consent,
    erase_consents,
    export_consents,
)
from sapwood.commons.announcements.actions.importing import add_source, pause_source, remove_source
from sapwood.commons.announcements.actions.outcome import retract, sync_with_channel
from sapwood.commons.announcements.actions.polling import import_source, read_soon
from sapwood.commons.announcements.actions.publishing import publish_folder
from sapwood.commons.announcements.actions.translating import translate
from sapwood.commons.announcements.actions.writing import discard_draft, save_draft, send_back, submit
from sapwood.commons.announcements.lines import set_line_order
from sapwood.commons.announcements.queries import live_budgets, public_list, published

SEED = Path(__file__).parent / "openedx" / "seed"

__all__ = [
    "SEED",
    "add_source",
    "answer_consent",
    "approve",
    "ask_consent",
    "discard_draft",
    "erase_consents",
    "export_consents",
    "import_source",
    "keep_ours",
    "live_budgets",
    "pause_source",
    "public_list",
    "publish_folder",
    "published",
    "read_soon",
    "remove_source",
    "retract",
    "save_draft",
    "send_back",
    "set_budget",
    "set_line_order",
    "stage",
    "stage_for_test",
    "submit",
    "sync_with_channel",
    "take_theirs",
    "translate",
]
