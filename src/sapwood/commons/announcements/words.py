"""What kinds, states, audiences and channels are called on a screen."""

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

Words = dict[str, Any]

KINDS: Final[Words] = {
    "news": _("News"),
    "release_notes": _("Release notes"),
    "feature": _("Feature"),
    "advisory": _("Security advisory"),
    "security_pre_announcement": _("Security pre-announcement"),
    "feedback_request": _("Feedback request"),
    "event": _("Event"),
    "case_study": _("Case study"),
    "election": _("Election"),
}
AUDIENCES: Final[Words] = {
    "administrators": _("Administrators"),
    "instructors": _("Instructors"),
    "learners": _("Learners"),
}
CHANNELS: Final[Words] = {
    "security": _("Security"),
    "releases": _("Releases"),
    "candidates": _("Release candidates"),
    "community": _("Community"),
    "surveys": _("Surveys"),
}
SEVERITIES: Final[Words] = {
    "none": _("None"),
    "low": _("Low"),
    "medium": _("Medium"),
    "high": _("High"),
    "critical": _("Critical"),
}
SEVERITY_LEVEL: Final = {"none": "info", "low": "info", "medium": "caution", "high": "bad", "critical": "bad"}
STATES: Final[Words] = {
    "DRAFT": _("Draft"),
    "IN_REVIEW": _("In review"),
    "APPROVED": _("Approved"),
    "STAGED": _("Waits for signatures"),
    "PUBLISHED": _("Published"),
    "RETRACTED": _("Retracted"),
}
STATE_LEVEL: Final = {
    "DRAFT": "unknown",
    "IN_REVIEW": "caution",
    "APPROVED": "info",
    "STAGED": "caution",
    "PUBLISHED": "good",
    "RETRACTED": "bad",
}
LINK_KINDS: Final[Words] = {
    "survey": _("Survey"),
    "forum": _("Forum"),
    "documentation": _("Documentation"),
    "registration": _("Registration"),
}
# What became of the items of a source.
SIGHTINGS: Final[Words] = {
    "new": _("new"),
    "edited": _("edited"),
    "moved": _("moved"),
    "reused": _("with a used identifier"),
    "conflicts": _("changed here and there"),
    "staged": _("put before the signers by rule"),
}
