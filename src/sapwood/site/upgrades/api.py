"""The front door of upgrades: describe a subject, plan its upgrade, rehearse it, and hold a certificate of that."""

from sapwood.site.upgrades.certificate import CertificateError, check, examine, issue
from sapwood.site.upgrades.data import Subject, Verdict
from sapwood.site.upgrades.planning import Plan, make_plan
from sapwood.site.upgrades.preflight import Outcome, Preflight, preflight
from sapwood.site.upgrades.rehearsing import Rehearsal, rehearse
from sapwood.site.upgrades.report import write_report
from sapwood.site.upgrades.subject import SubjectError, read_subject

__all__ = [
    "CertificateError",
    "Outcome",
    "Plan",
    "Preflight",
    "Rehearsal",
    "Subject",
    "SubjectError",
    "Verdict",
    "check",
    "examine",
    "issue",
    "make_plan",
    "preflight",
    "read_subject",
    "rehearse",
    "write_report",
]
