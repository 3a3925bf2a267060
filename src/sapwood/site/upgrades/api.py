"""The front door of upgrades: describe a subject, plan its upgrade, rehearse it."""

from sapwood.site.upgrades.data import Subject, Verdict
from sapwood.site.upgrades.planning import Plan, make_plan
from sapwood.site.upgrades.rehearsing import Rehearsal, rehearse
from sapwood.site.upgrades.report import write_report
from sapwood.site.upgrades.subject import SubjectError, read_subject

__all__ = [
    "Plan",
    "Rehearsal",
    "Subject",
    "SubjectError",
    "Verdict",
    "make_plan",
    "read_subject",
    "rehearse",
    "write_report",
]
