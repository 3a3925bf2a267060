"""How outlets are set: who may read the page, where webhooks go, how the institution calls itself; and rules."""

import datetime as dt
import re
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError, NotFoundError, UsageError
from sapwood.core.markup import clean_text
from sapwood.site.inbox import content, staff
from sapwood.site.inbox.data import SEVERITIES, Audience, OutletKind, RuleEffect
from sapwood.site.inbox.models import Brand, OutletConfig, Rule

_COLOUR = re.compile(r"#[0-9a-f]{6}", re.ASCII)


@dataclass(frozen=True)
class BrandValues:
    """What approvals pin of the institution's brand."""

    name: str
    accent: str = "#1f6f54"
    contact: str = ""
    sign_off: str = ""


@transaction.atomic
def set_public(outlet: OutletKind, audience: Audience, *, public: bool, actor: Actor, now: dt.datetime) -> OutletConfig:
    """Let strangers read page or feed of one audience, or only people who signed in."""
    staff.require(actor, staff.TRUST)
    if outlet not in {OutletKind.PAGE, OutletKind.FEED}:
        raise UsageError(_("Only page and feed can be public"))
    row, _fresh = OutletConfig.objects.get_or_create(outlet=outlet, audience=audience, name="")
    row.public = public
    row.save(update_fields=["public"])
    _audit("outlet.public", f"outlet:{outlet.value}:{audience.value}", actor, now, public=public)
    return row


@transaction.atomic
def add_webhook(
    name: str, url: str, audience: Audience, *, actor: Actor, now: dt.datetime, allow_private: bool = False
) -> OutletConfig:
    """Send approved items of one audience to a receiver. `allow_private`: it stands in this institution's network."""
    staff.require(actor, staff.TRUST)
    label = clean_text(name, 60)
    if not label:
        raise UsageError(_("The receiver needs a name"))
    if not url.startswith("https://") and not (allow_private and url.startswith("http://")):
        raise UsageError(
            _("The receiver needs an https address"), hint=_("http is possible inside your own network only.")
        )
    if OutletConfig.objects.filter(outlet=OutletKind.WEBHOOK, audience=audience, name=label).exists():
        raise ConflictError(_("There is a receiver of this name"), hint=_("Choose another name."))
    row = OutletConfig.objects.create(
        outlet=OutletKind.WEBHOOK, audience=audience, name=label, url=url[:1000], allow_private=allow_private
    )
    _audit("outlet.add_webhook", f"webhook:{row.uuid}", actor, now, name=label, audience=audience.value)
    return row


@transaction.atomic
def remove_webhook(webhook: UUID, *, actor: Actor, now: dt.datetime) -> None:
    """Send nothing more to a receiver."""
    staff.require(actor, staff.TRUST)
    if not OutletConfig.objects.filter(uuid=webhook, outlet=OutletKind.WEBHOOK).delete()[0]:
        raise NotFoundError(_("There is no such receiver"))
    _audit("outlet.remove_webhook", f"webhook:{webhook}", actor, now)


@transaction.atomic
def renew_webhook_secret(webhook: UUID, *, actor: Actor, now: dt.datetime) -> OutletConfig:
    """Give a receiver a new secret; the old one signs nothing more."""
    staff.require(actor, staff.TRUST)
    row = OutletConfig.objects.select_for_update().filter(uuid=webhook, outlet=OutletKind.WEBHOOK).first()
    if row is None:
        raise NotFoundError(_("There is no such receiver"))
    row.generation += 1
    row.save(update_fields=["generation"])
    _audit("outlet.renew_secret", f"webhook:{webhook}", actor, now)
    return row


@transaction.atomic
def set_brand(values: BrandValues, *, actor: Actor, now: dt.datetime) -> Brand:
    """The institution's name and colours, from the next approval on: approved items keep theirs."""
    staff.require(actor, staff.TRUST)
    if not _COLOUR.fullmatch(values.accent.lower()):
        raise UsageError(_("The colour is written as #rrggbb"), hint=_("Such as #1f6f54."))
    row = content.brand()
    row.name, row.accent = clean_text(values.name, 120), values.accent.lower()
    row.contact, row.sign_off = values.contact.strip(), clean_text(values.sign_off, 300)
    row.save()
    _audit("brand.set", "brand", actor, now, name=row.name, accent=row.accent)
    return row


@transaction.atomic
def add_rule(
    effect: RuleEffect, *, actor: Actor, now: dt.datetime, channel: str = "", kind: str = "", below: str = "high"
) -> Rule:
    """File or mute what arrives on a channel or of a kind, below a severity. No rule can approve."""
    staff.require(actor, staff.TRUST)
    if not channel and not kind:
        raise UsageError(_("A rule names a channel or a kind"), hint=_("A rule for everything would hide everything."))
    if below not in SEVERITIES:
        raise UsageError(
            _("There is no such severity"), hint=_("Use one of %(names)s.") % {"names": ", ".join(SEVERITIES)}
        )
    if Rule.objects.filter(channel=channel, kind=kind, effect=effect).exists():
        raise ConflictError(_("There is such a rule already"))
    row = Rule.objects.create(channel=channel, kind=kind, below_severity=below, effect=effect, created_at=now)
    _audit("rule.add", f"rule:{row.pk}", actor, now, channel=channel, kind=kind, below=below, effect=effect.value)
    return row


@transaction.atomic
def remove_rule(rule_id: int, *, actor: Actor, now: dt.datetime) -> None:
    """Take a rule away; what it did stays done."""
    staff.require(actor, staff.TRUST)
    if not Rule.objects.filter(pk=rule_id).delete()[0]:
        raise NotFoundError(_("There is no such rule"))
    _audit("rule.remove", f"rule:{rule_id}", actor, now)


def _audit(action: str, subject: str, actor: Actor, now: dt.datetime, **details: str | bool) -> None:
    audit.record(actor=actor, action=action, subject=subject, at=now, details=details)
