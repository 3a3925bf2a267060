"""The front door of releases: the catalogue in use, and the way by which it changes."""

from sapwood.commons.releases.actions import approve, hand_over_waiting, propose, publish_catalogue, refuse
from sapwood.commons.releases.data import NothingChangedError, OutdatedProposalError, RefusedCatalogueError
from sapwood.commons.releases.queries import current_bytes, current_catalogue, newest_approved, proposals, revisions

__all__ = [
    "NothingChangedError",
    "OutdatedProposalError",
    "RefusedCatalogueError",
    "approve",
    "current_bytes",
    "current_catalogue",
    "hand_over_waiting",
    "newest_approved",
    "proposals",
    "propose",
    "publish_catalogue",
    "refuse",
    "revisions",
]
