"""How the channel's states are called and coloured on screens."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from sapwood.channel.data import ChannelState

LEVELS: Mapping[ChannelState, str] = {
    ChannelState.FRESH: "good",
    ChannelState.WAITING: "unknown",
    ChannelState.STALE: "caution",
    ChannelState.DEAD: "bad",
    ChannelState.REJECTED: "bad",
}
STATE_WORDS: Mapping[ChannelState, Any] = {
    ChannelState.FRESH: _("fresh"),
    ChannelState.WAITING: _("not pulled yet"),
    ChannelState.STALE: _("stale"),
    ChannelState.DEAD: _("does not answer"),
    ChannelState.REJECTED: _("rejected"),
}
ROLE_LEVELS = {"good": "good", "due": "caution", "expired": "bad"}
ROLE_WORDS = {"good": _("good"), "due": _("to be signed soon"), "expired": _("expired")}
