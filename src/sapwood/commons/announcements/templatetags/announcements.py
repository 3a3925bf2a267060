"""Names of kinds, states and audiences in templates: `{{ revision.kind|kind_name }}`."""

from typing import Any

from django import template

from sapwood.commons.announcements import words

register = template.Library()


@register.filter
def kind_name(kind: str) -> Any:
    """A kind's name."""
    return words.KINDS.get(kind, kind)


@register.filter
def audience_name(audience: str) -> Any:
    """An audience's name."""
    return words.AUDIENCES.get(audience, audience)


@register.filter
def channel_name(channel: str) -> Any:
    """A channel's name."""
    return words.CHANNELS.get(channel, channel)


@register.filter
def severity_name(severity: str) -> Any:
    """A severity's name."""
    return words.SEVERITIES.get(severity, severity)


@register.filter
def severity_level(severity: str) -> str:
    """A severity's colour."""
    return words.SEVERITY_LEVEL.get(severity, "unknown")


@register.filter
def state_name(state: str) -> Any:
    """A state's name."""
    return words.STATES.get(state, state)


@register.filter
def state_level(state: str) -> str:
    """A state's colour."""
    return words.STATE_LEVEL.get(state, "unknown")


@register.filter
def link_name(kind: str) -> Any:
    """A link kind's name."""
    return words.LINK_KINDS.get(kind, kind)
