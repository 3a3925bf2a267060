"""Items that time or an upgrade has settled."""

import datetime as dt
import logging

from django.db import transaction

from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.formats.errors import FormatError
from sapwood.site.inbox import documents
from sapwood.site.inbox.actions.deciding import cancel_waiting
from sapwood.site.inbox.data import Decision, Upstream, Verdict
from sapwood.site.inbox.models import Item
from sapwood.site.inbox.sources import Facts, SiteFactsSource

log = logging.getLogger(__name__)
OPEN = (Decision.NEW, Decision.IN_REVIEW, Decision.SNOOZED, Decision.APPROVED)


def retire(*, now: dt.datetime, actor: Actor | None = None, facts: SiteFactsSource | None = None) -> int:
    """Mark what expired, and what the installed version fixed; the number of items that changed."""
    who, judge = actor or Actor.system("inbox.retire"), facts or Facts()
    changed = _expire(now=now, actor=who)
    bound = Item.objects.filter(had_condition=True, readable=True, decision__in=OPEN).exclude(
        upstream__in=[Upstream.RETRACTED, Upstream.SUPERSEDED, Upstream.EXPIRED]
    )
    for item_id in list(bound.values_list("pk", flat=True)):
        changed += _judge_again(item_id, now=now, actor=who, facts=judge)
    return changed


def _expire(*, now: dt.datetime, actor: Actor) -> int:
    over = Item.objects.filter(expires_at__lte=now, upstream__in=[Upstream.CURRENT, Upstream.REVISED])
    ids = list(over.values_list("pk", flat=True))
    for item_id in ids:
        with transaction.atomic():
            item = Item.objects.select_for_update().get(pk=item_id)
            item.upstream = Upstream.EXPIRED
            item.raised_at = None
            item.save(update_fields=["upstream", "raised_at"])
            audit.record(actor=actor, action="inbox.expire", subject=item.subject, at=now)
    return len(ids)


@transaction.atomic
def _judge_again(item_id: int, *, now: dt.datetime, actor: Actor, facts: SiteFactsSource) -> bool:
    item = Item.objects.select_for_update().get(pk=item_id)
    try:
        doc = documents.stored(item.revisions.get(number=item.revision))
    except FormatError:
        log.exception("item %s cannot be read any more", item_id)
        return False
    if doc.condition is None:
        return False
    found = facts.judge(doc.condition, now=now)
    before, after = Verdict(item.verdict), Verdict(str(found.answer))
    if before is after:
        return False
    item.verdict, item.verdict_reasons = after, [str(reason) for reason in found.reasons][:20]
    if after is Verdict.NO:
        _settled_here(item, was=before, now=now)
    elif item.upstream == Upstream.FIXED_HERE:
        item.upstream = Upstream.CURRENT
        item.raised_at = now
    item.save()
    audit.record(
        actor=actor,
        action="inbox.judge",
        subject=item.subject,
        at=now,
        details={"from": str(before), "to": str(after), "upstream": str(item.upstream)},
    )
    return True


def _settled_here(item: Item, *, was: Verdict, now: dt.datetime) -> None:
    if was is Verdict.YES:
        item.upstream = Upstream.FIXED_HERE
    item.raised_at = None
    if item.decision == Decision.APPROVED and item.approval_id is not None:
        if item.upstream == Upstream.FIXED_HERE:
            cancel_waiting(item.approval_id, why="The installed version holds the fix already", now=now)
    else:
        item.decision, item.decided_at, item.snoozed_until = Decision.ARCHIVED, now, None
