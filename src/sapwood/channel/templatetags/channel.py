"""`{% load channel %}`: states of channels and roles as level and word."""

from typing import Any

from django import template

from sapwood.channel.data import ChannelState
from sapwood.channel.words import LEVELS, ROLE_LEVELS, ROLE_WORDS, STATE_WORDS

register = template.Library()


@register.filter
def channel_level(state: str) -> str:
    """The status level of a channel's state."""
    return LEVELS[ChannelState(state)]


@register.filter
def channel_word(state: str) -> Any:
    """A channel's state in a word or two."""
    return STATE_WORDS[ChannelState(state)]


@register.filter
def role_level(state: str) -> str:
    """The status level of a published role."""
    return ROLE_LEVELS.get(state, "unknown")


@register.filter
def role_word(state: str) -> Any:
    """A published role's state in a word or two."""
    return ROLE_WORDS.get(state, state)
