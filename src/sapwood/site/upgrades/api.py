"""The front door of upgrades: describe a subject, plan its upgrade, rehearse it, apply it, take it back."""

from sapwood.site.upgrades.actions import (
    apply,
    ask_override,
    confirm_override,
    history,
    pause,
    resume,
    rollback,
    status,
)
from sapwood.site.upgrades.applying import Status
from sapwood.site.upgrades.blackouts import (
    add_blackout,
    as_dict,
    every_blackout,
    refuse_in_blackout,
    remove_blackout,
)
from sapwood.site.upgrades.certificate import CertificateError, check, examine, issue
from sapwood.site.upgrades.classifying import Effect, classify
from sapwood.site.upgrades.costs import (
    Published,
    planned_report,
    published,
    rehearsed_report,
    static_report,
    write_migrations,
)
from sapwood.site.upgrades.data import Stage, Subject, Verdict
from sapwood.site.upgrades.drivers.base import Asked, Planned
from sapwood.site.upgrades.drivers.registry import driver_of
from sapwood.site.upgrades.environments import with_environments
from sapwood.site.upgrades.foretold import rehearse
from sapwood.site.upgrades.models import Blackout
from sapwood.site.upgrades.permissions import VIEW
from sapwood.site.upgrades.planning import Plan, make_plan
from sapwood.site.upgrades.preflight import Outcome, Preflight
from sapwood.site.upgrades.queries import Notice, notices
from sapwood.site.upgrades.rehearsing import Rehearsal
from sapwood.site.upgrades.report import write_report
from sapwood.site.upgrades.subject import SubjectError, read_subject

__all__ = [
    "VIEW",
    "Asked",
    "Blackout",
    "CertificateError",
    "Effect",
    "Notice",
    "Outcome",
    "Plan",
    "Planned",
    "Preflight",
    "Published",
    "Rehearsal",
    "Stage",
    "Status",
    "Subject",
    "SubjectError",
    "Verdict",
    "add_blackout",
    "apply",
    "as_dict",
    "ask_override",
    "check",
    "classify",
    "confirm_override",
    "driver_of",
    "every_blackout",
    "examine",
    "history",
    "issue",
    "make_plan",
    "notices",
    "pause",
    "planned_report",
    "published",
    "read_subject",
    "refuse_in_blackout",
    "rehearse",
    "rehearsed_report",
    "remove_blackout",
    "resume",
    "rollback",
    "static_report",
    "status",
    "with_environments",
    "write_migrations",
    "write_report",
]
