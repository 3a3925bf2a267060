"""Reads for the trust page: channels, outlets, rules, brand."""

from dataclasses import dataclass

from django.db.models import Count

from sapwood.site.inbox.data import Audience, OutletKind
from sapwood.site.inbox.models import ChannelPolicy, Item, OutletConfig, Rule


@dataclass(frozen=True)
class ChannelTrust:
    """One channel, how far it is trusted, and what the next step would be."""

    policy: ChannelPolicy
    items: int

    @property
    def stage(self) -> Audience:
        """To whom it is open."""
        return Audience(self.policy.stage)

    @property
    def following(self) -> Audience | None:
        """To whom it could be opened next."""
        return next((audience for audience in Audience if audience.reach == self.stage.reach + 1), None)

    @property
    def beyond(self) -> bool:
        """Whether it is open to anybody but administrators."""
        return self.stage is not Audience.ADMINISTRATORS


@dataclass(frozen=True)
class PublicOutlet:
    """Whether strangers may read page or feed of one audience."""

    outlet: OutletKind
    audience: Audience
    public: bool


def channels() -> list[ChannelTrust]:
    """Every channel that this site knows."""
    counts = dict(Item.objects.values_list("channel").annotate(Count("pk")))
    return [ChannelTrust(row, counts.get(row.channel, 0)) for row in ChannelPolicy.objects.order_by("channel")]


def public_outlets() -> list[PublicOutlet]:
    """Page and feed of each audience."""
    known = {
        (row.outlet, row.audience): row.public
        for row in OutletConfig.objects.filter(outlet__in=[OutletKind.PAGE, OutletKind.FEED], name="")
    }
    return [
        PublicOutlet(outlet, audience, known.get((outlet.value, audience.value), False))
        for outlet in (OutletKind.PAGE, OutletKind.FEED)
        for audience in Audience
    ]


def webhooks() -> list[OutletConfig]:
    """Receivers of webhooks."""
    return list(OutletConfig.objects.filter(outlet=OutletKind.WEBHOOK).order_by("audience", "name"))


def rules() -> list[Rule]:
    """Standing orders that file or mute."""
    return list(Rule.objects.order_by("pk"))
