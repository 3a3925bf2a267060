"""Audiences by claim: an administrator maps what an identity provider says, whoever signs in with it belongs."""

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from sapwood.accounts.api import Claims, User, says
from sapwood.core import audit
from sapwood.core.data import JSON, Actor
from sapwood.core.errors import NotFoundError, UsageError
from sapwood.site.inbox import staff
from sapwood.site.inbox.actions.people import take_off
from sapwood.site.inbox.data import Audience, Source
from sapwood.site.inbox.models import AudienceRule, ClaimedAudience, Person
from sapwood.site.inbox.queries.people import audience_of

WHO = Actor.system("inbox.claims")


@transaction.atomic
def map_claim(claim: str, value: str, audience: Audience, *, actor: Actor, now: dt.datetime) -> AudienceRule:
    """Have everybody whose provider says `claim` = `value` belong to an audience from their next sign-in on."""
    staff.require(actor, staff.PEOPLE)
    if audience is Audience.ADMINISTRATORS:
        raise UsageError(
            _("A claim makes nobody an administrator's reader"), hint=_("Map it to a role under People instead.")
        )
    name, wanted = claim.strip(), value.strip()
    if not name or not wanted:
        raise UsageError(_("A claim and its value are both needed"), hint=_("For example: groups and students."))
    row, _fresh = AudienceRule.objects.get_or_create(
        claim=name[:200], value=wanted[:200], audience=audience, defaults={"created_at": now}
    )
    _audit(row, "people.claim_rule.add", actor, now)
    return row


@transaction.atomic
def unmap_claim(rule: int, *, actor: Actor, now: dt.datetime) -> AudienceRule:
    """End such a rule; what it gave ends at each person's next sign-in."""
    staff.require(actor, staff.PEOPLE)
    row = AudienceRule.objects.select_for_update().filter(pk=rule).first()
    if row is None:
        raise NotFoundError(_("There is no such rule"), hint=_("Reload the page."))
    _audit(row, "people.claim_rule.remove", actor, now)
    row.delete()
    return row


def names() -> set[str]:
    """The claims that some rule asks for."""
    return set(AudienceRule.objects.values_list("claim", flat=True))


def admits(claims: Claims) -> bool:
    """Whether some rule gives an audience to whoever has these claims."""
    return _audience_by([claims]) is not None


@transaction.atomic
def follow(user: User, claims: Sequence[Claims], *, now: dt.datetime) -> None:
    """Give or take the audience that the claims name, and with it a place on the list that rested on it."""
    due, row = _audience_by(claims), ClaimedAudience.objects.select_for_update().filter(user=user).first()
    subject = f"person:{user.uuid}"
    if due is not None and (row is None or row.audience != due):
        ClaimedAudience.objects.update_or_create(user=user, defaults={"audience": due, "at": now})
        audit.record(actor=WHO, action="people.claim", subject=subject, at=now, details={"audience": due.value})
    elif due is None and row is not None:
        row.delete()
        audit.record(
            actor=WHO, action="people.claim_ended", subject=subject, at=now, details={"audience": str(row.audience)}
        )
    joined = Person.objects.select_for_update().filter(source=Source.OIDC, email__iexact=user.email).first()
    if joined is None:
        return
    entitled, present = audience_of(user), Audience(joined.audience)
    if entitled is None:
        take_off(joined, gettext_noop("The sign-in no longer gives this person an audience"), actor=WHO, now=now)
    elif present.reach < entitled.reach:
        _move(joined, entitled, now)
    elif due is not None and due.reach < present.reach:
        _move(joined, due, now)


def _move(row: Person, audience: Audience, now: dt.datetime) -> None:
    row.audience = audience
    row.save(update_fields=["audience"])
    details: dict[str, JSON] = {"audience": audience.value}
    audit.record(actor=WHO, action="people.move", subject=row.subject, at=now, details=details)


def _audience_by(claims: Sequence[Claims]) -> Audience | None:
    """The narrowest audience that some rule gives for some of these claims."""
    found = [
        Audience(rule.audience)
        for rule in AudienceRule.objects.all()
        if any(says(one, rule.claim, rule.value) for one in claims)
    ]
    return min(found, key=lambda audience: audience.reach, default=None)


def _audit(row: AudienceRule, action: str, actor: Actor, now: dt.datetime) -> None:
    details: dict[str, JSON] = {"claim": row.claim, "value": row.value, "audience": str(row.audience)}
    audit.record(actor=actor, action=action, subject=f"audience-rule:{row.pk}", at=now, details=details)
