"""Items that time or an upgrade has settled."""

import datetime as dt
import logging

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_noop

from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.formats.errors import FormatError
from sapwood.formats.phrase import recorded
from sapwood.site.inbox import documents
from sapwood.site.inbox.actions.deciding import cancel_waiting
from sapwood.site.inbox.data import HIGH, Decision, Upstream, Verdict
from sapwood.site.inbox.models import Item
from sapwood.site.inbox.sources import Facts, SiteFactsSource

log = logging.getLogger(__name__)
OPEN = (Decision.NEW, Decision.IN_REVIEW, Decision.SNOOZED, Decision.APPROVED)


def retire(*, now: dt.datetime, actor: Actor | None = None, facts: SiteFactsSource | None = None) -> int:
    """Mark what expired, and what the installed version fixed; the number of items that changed.

    What went to the archive by itself because it did not concern this site raises its hand when it does: facts may come
    after the first pull, and a site may go back to an older version. Of what was never raised, only high severity does.
    """
    who, judge = actor or Actor.system("inbox.retire"), facts or Facts()
    changed = _expire(now=now, actor=who)
    worth_it = Q(severity_rank__gte=HIGH) | Q(upstream=Upstream.FIXED_HERE)
    filed_by_itself = worth_it & Q(decision=Decision.ARCHIVED, decided_at=None)
    bound = Item.objects.filter(Q(decision__in=OPEN) | filed_by_itself, had_condition=True, readable=True).exclude(
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
    item.verdict, item.verdict_reasons = after, recorded(list(found.reasons)[:20])
    if after is Verdict.NO:
        _settled_here(item, was=before, now=now)
    elif item.upstream == Upstream.FIXED_HERE or item.decision == Decision.ARCHIVED:
        _concerns_us_after_all(item, now=now)
    item.save()
    audit.record(
        actor=actor,
        action="inbox.judge",
        subject=item.subject,
        at=now,
        details={
            "from": str(before),
            "to": str(after),
            "upstream": str(item.upstream),
            "decision": str(item.decision),
        },
    )
    return True


def _concerns_us_after_all(item: Item, *, now: dt.datetime) -> None:
    item.raised_at = now
    if item.upstream == Upstream.FIXED_HERE:
        item.upstream = Upstream.CURRENT
    if item.decision == Decision.ARCHIVED:
        item.decision = Decision.NEW


def _settled_here(item: Item, *, was: Verdict, now: dt.datetime) -> None:
    if was is Verdict.YES:
        item.upstream = Upstream.FIXED_HERE
    item.raised_at = None
    if item.decision == Decision.APPROVED and item.approval_id is not None:
        if item.upstream == Upstream.FIXED_HERE:
            why = gettext_noop("The installed version holds the fix already")
            cancel_waiting(item.approval_id, why=why, now=now)
    else:  # nobody decided this, so that it can come back
        item.decision, item.decided_at, item.snoozed_until = Decision.ARCHIVED, None, None
