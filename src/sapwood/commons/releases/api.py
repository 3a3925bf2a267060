"""The front door of releases: the catalogue in use, the way by which it changes, and reports of migrations."""

from sapwood.commons.releases.actions import approve, hand_over_waiting, propose, publish_catalogue, refuse
from sapwood.commons.releases.data import (
    NoSuchReportError,
    NothingChangedError,
    OutdatedProposalError,
    RefusedCatalogueError,
    RefusedReportError,
)
from sapwood.commons.releases.queries import (
    current_bytes,
    current_catalogue,
    newest_approved,
    newest_reports,
    proposals,
    report_in,
    report_named,
    revisions,
)
from sapwood.commons.releases.reporting import add_report, hand_over_reports, withdraw_report

__all__ = [
    "NoSuchReportError",
    "NothingChangedError",
    "OutdatedProposalError",
    "RefusedCatalogueError",
    "RefusedReportError",
    "add_report",
    "approve",
    "current_bytes",
    "current_catalogue",
    "hand_over_reports",
    "hand_over_waiting",
    "newest_approved",
    "newest_reports",
    "proposals",
    "propose",
    "publish_catalogue",
    "refuse",
    "report_in",
    "report_named",
    "revisions",
    "withdraw_report",
]
