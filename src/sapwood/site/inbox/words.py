"""Words of the format as people read them."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sapwood.core.markup import check_url, clean_text
from sapwood.site.inbox.data import read_instant

KINDS: Mapping[str, Any] = {
    "news": gettext_lazy("news"),
    "release_notes": gettext_lazy("release notes"),
    "feature": gettext_lazy("feature"),
    "advisory": gettext_lazy("security advisory"),
    "security_pre_announcement": gettext_lazy("security pre-announcement"),
    "feedback_request": gettext_lazy("feedback request"),
    "event": gettext_lazy("event"),
    "case_study": gettext_lazy("case study"),
    "election": gettext_lazy("election"),
    # Of what cannot be read, only the type of the document is known.
    "announcement": gettext_lazy("announcement"),
    "release": gettext_lazy("release"),
    "retraction": gettext_lazy("retraction"),
    "unknown": gettext_lazy("unknown"),
}
SEVERITIES: Mapping[str, Any] = {
    "none": gettext_lazy("no severity"),
    "low": gettext_lazy("low"),
    "medium": gettext_lazy("medium"),
    "high": gettext_lazy("high"),
    "critical": gettext_lazy("critical"),
}
LINK_KINDS: Mapping[str, Any] = {
    "survey": gettext_lazy("Survey"),
    "forum": gettext_lazy("Forum"),
    "documentation": gettext_lazy("Documentation"),
    "registration": gettext_lazy("Registration"),
    "source": gettext_lazy("Source"),
}


def event_lines(event: Mapping[str, Any] | None) -> list[tuple[Any, Any]]:
    """When and where an event takes place, and who can take part how: (label, value)."""
    if not event:
        return []
    lines = [
        (_("Begins"), _moment(event, "starts_at")),
        (_("Ends"), _moment(event, "ends_at")),
        (_("Place"), _text(event, "place")),
        (_("Lodging"), _text(event, "lodging")),
        (_("Remote"), _text(event, "remote")),
        (_("Remote address"), _address(event)),
        (_("Accessibility"), _text(event, "accessibility")),
    ]
    return [(label, value) for label, value in lines if value]


def _moment(event: Mapping[str, Any], name: str) -> str:
    raw = str(event.get(name) or "")
    return f"{read_instant(raw):%Y-%m-%d %H:%M} UTC" if raw else ""


def _text(event: Mapping[str, Any], name: str) -> str:
    return clean_text(str(event.get(name) or ""), 1000)


def _address(event: Mapping[str, Any]) -> str:
    found = check_url(str(event.get("remote_url") or ""))
    return found.url if found.ok else ""
