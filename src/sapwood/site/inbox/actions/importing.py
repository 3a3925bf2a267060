"""What arrives becomes items: idempotent, crash-safe, one bad document never stops the list."""

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from django.db import InterfaceError, OperationalError, transaction
from django.utils.translation import gettext as _

from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.formats.canonical import sha256_hex
from sapwood.formats.errors import FormatError
from sapwood.formats.phrase import recorded
from sapwood.site.inbox import documents
from sapwood.site.inbox.actions import taking_back
from sapwood.site.inbox.data import (
    HIGH,
    Audience,
    Decision,
    ImportReport,
    Received,
    RuleEffect,
    Upstream,
    Verdict,
    severity_rank,
)
from sapwood.site.inbox.models import Binding, ChannelPolicy, Cursor, Item, Revision, Rule
from sapwood.site.inbox.sources import Channel, ChannelSource, Facts, SiteFactsSource

log = logging.getLogger(__name__)

CURSOR: Final = "channel"
BATCH: Final = 200


@dataclass
class _Tally:
    seen: int = 0
    fresh: int = 0
    revised: int = 0
    retracted: int = 0
    filed: int = 0
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)

    def report(self) -> ImportReport:
        return ImportReport(
            self.seen,
            self.fresh,
            self.revised,
            self.retracted,
            self.filed,
            self.unreadable,
            tuple(self.problems),
        )


def import_received(
    *,
    now: dt.datetime,
    actor: Actor | None = None,
    source: ChannelSource | None = None,
    facts: SiteFactsSource | None = None,
) -> ImportReport:
    """Take in what the channel received since the last time.

    Each publication and the move of the cursor past it are one transaction: killed at any moment, the next import
    goes on where this one stopped, and a publication that was taken in is not taken in again.
    """
    who = actor or Actor.system("inbox.import")
    reader, judge, tally = source or Channel(), facts or Facts(), _Tally()
    for subscription, name in reader.channels():
        know_channel(name, subscription=subscription, now=now)
    while batch := reader.received(_position(), BATCH):
        held_back = taking_back.ask_about_many(_retractions(batch), now=now, actor=who)
        for row in batch:
            with transaction.atomic():
                cursor = Cursor.objects.select_for_update().get(source=CURSOR)
                if row.id <= cursor.position:
                    continue
                if row.id not in held_back:
                    take_in(row, now=now, actor=who, facts=judge, tally=tally)
                cursor.position = row.id
                cursor.save(update_fields=["position"])
    return tally.report()


def know_channel(name: str, *, now: dt.datetime, subscription: str = "") -> ChannelPolicy:
    """The policy of a channel. A new channel is trusted with administrators only; what came before now is backlog.

    Two publishers may both have a channel of the same name: the first one known here has the plain name, and trust
    in it never reaches the other, which stands as `name@subscription`.
    """
    fresh = {"stage": Audience.ADMINISTRATORS, "quiet_before": now, "subscription": subscription}
    row, _fresh = ChannelPolicy.objects.get_or_create(channel=name, defaults=fresh)
    if (row.subscription or "") != subscription:
        row, _fresh = ChannelPolicy.objects.get_or_create(channel=f"{name}@{subscription}"[:100], defaults=fresh)
    return row


def _retractions(batch: Sequence[Received]) -> dict[str, list[Received]]:
    found: dict[str, list[Received]] = {}
    for row in batch:
        if row.type == "retraction":
            policy = know_channel(row.channel, subscription=row.subscription, now=row.received_at)
            found.setdefault(policy.channel, []).append(row)
    return found


def take_in(
    row: Received, *, now: dt.datetime, actor: Actor, facts: SiteFactsSource, tally: "_Tally | None" = None
) -> None:
    """One document, inside the caller's transaction; what cannot be read becomes a visible item with a note."""
    count = tally or _Tally()
    count.seen += 1
    if row.type in documents.NOT_FOR_PEOPLE:
        return
    said = row.channel
    policy = know_channel(said, subscription=row.subscription, now=row.received_at)
    row = replace(row, channel=policy.channel)
    try:
        with transaction.atomic():
            _read(row, said, now=now, actor=actor, facts=facts, tally=count)
    except (OperationalError, InterfaceError):
        raise  # the database, not the document: the next import tries again
    except FormatError as error:
        _unreadable(row, error.message, now=now, actor=actor, tally=count)
    except Exception:  # whatever one document does to us, the others still arrive
        log.exception("publication %s of %s cannot be taken in", row.uuid, row.channel)
        _unreadable(row, "Sapwood failed to read it; the log has the details.", now=now, actor=actor, tally=count)


def _read(row: Received, said: str, *, now: dt.datetime, actor: Actor, facts: SiteFactsSource, tally: "_Tally") -> None:
    if sha256_hex(row.raw) != row.sha256:
        raise FormatError(_("The stored bytes are not those that were verified"), hint=_("Pull the channel again."))
    if row.type == "retraction":
        tally.retracted += taking_back.retract(documents.withdrawal(row.raw), row, now=now, actor=actor)
    else:
        doc = documents.read(row.raw)
        if doc.channel != said:
            raise FormatError(
                _("It says that it belongs to the channel %(named)s, but came on %(channel)s")
                % {"named": doc.channel, "channel": said},
                hint=_("Tell its publisher."),
            )
        _arrive(row, doc, now=now, actor=actor, facts=facts, tally=tally)


def _position() -> int:
    return Cursor.objects.get_or_create(source=CURSOR)[0].position


def _arrive(
    row: Received, doc: documents.Doc, *, now: dt.datetime, actor: Actor, facts: SiteFactsSource, tally: _Tally
) -> None:
    item = Item.objects.select_for_update().filter(channel=row.channel, publication=row.uuid).first()
    if item is None:
        _first(row, doc, now=now, actor=actor, facts=facts, tally=tally)
        return
    known = item.revisions.filter(number=row.revision).first()
    if known is not None:
        if known.sha256 != row.sha256:
            _fork(item, row, now=now, actor=actor, tally=tally)
        return
    newest = row.revision > item.revision
    old = documents.stored(item.revisions.get(number=item.revision)) if newest and item.readable else None
    _keep(item, row)
    if newest:
        _revise(item, old, doc, row, now=now, actor=actor, facts=facts)
        tally.revised += 1


def _first(
    row: Received, doc: documents.Doc, *, now: dt.datetime, actor: Actor, facts: SiteFactsSource, tally: _Tally
) -> None:
    policy = ChannelPolicy.objects.get(channel=row.channel)
    item = Item(
        channel=row.channel,
        publication=row.uuid,
        signed=bool(row.verified_by),
        received_at=row.received_at,
        revision=row.revision,
    )
    _describe(item, doc)
    _judge(item, doc, now=now, facts=facts)
    live = _is_live(item, now)
    published = row.published_at or row.received_at
    backlog = published <= policy.quiet_before and not (live and item.severity_rank >= HIGH)
    effect = None if item.severity_rank >= HIGH else _rule_for(item)
    if backlog or not live or item.verdict == Verdict.NO or effect == RuleEffect.FILE:
        item.decision = Decision.ARCHIVED
        tally.filed += 1
    elif effect != RuleEffect.MUTE:
        item.raised_at = now
    if item.expires_at is not None and item.expires_at <= now:
        item.upstream = Upstream.EXPIRED
    item.save()
    _keep(item, row)
    _bind(item, doc, now=now, actor=actor)
    taking_back.was_taken_back(item, now=now)
    tally.fresh += 1
    audit.record(
        actor=actor,
        action="inbox.arrive",
        subject=item.subject,
        at=now,
        details={
            "revision": row.revision,
            "sha256": row.sha256,
            "decision": str(item.decision),
            "backlog": backlog,
            "rule": str(effect) if effect else None,
            "verdict": str(item.verdict),
        },
    )


def _describe(item: Item, doc: documents.Doc) -> None:
    item.kind = doc.kind
    item.severity = doc.severity
    item.severity_rank = severity_rank(doc.severity)
    item.audience = doc.audience
    item.title = doc.title
    item.locales = sorted(doc.texts)
    item.publish_at = doc.publish_at
    item.expires_at = doc.expires_at
    item.survey_closes_at = doc.survey_closes_at
    item.readable = True
    item.note = ""


def _judge(item: Item, doc: documents.Doc, *, now: dt.datetime, facts: SiteFactsSource) -> None:
    item.had_condition = doc.condition is not None
    if doc.condition is None:
        item.verdict, item.verdict_reasons = Verdict.YES, []
        return
    found = facts.judge(doc.condition, now=now)
    item.verdict = Verdict(str(found.answer))
    item.verdict_reasons = recorded(list(found.reasons)[:20])


def _is_live(item: Item, now: dt.datetime) -> bool:
    return item.expires_at is None or now < item.expires_at


def _rule_for(item: Item) -> RuleEffect | None:
    """The first rule that fits; what is high or critical is never filed or muted by a rule."""
    for rule in Rule.objects.order_by("id"):
        fits = (
            rule.channel in {"", item.channel}
            and rule.kind in {"", item.kind}
            and item.severity_rank < severity_rank(rule.below_severity)
        )
        if fits:
            return RuleEffect(rule.effect)
    return None


def _keep(item: Item, row: Received) -> None:
    Revision.objects.create(
        item=item,
        number=row.revision,
        sha256=row.sha256,
        raw=row.raw,
        received_at=row.received_at,
        published_at=row.published_at,
        verified_by=list(row.verified_by),
    )


def _revise(  # noqa: PLR0913 - both revisions, and who and when
    item: Item,
    old: documents.Doc | None,
    doc: documents.Doc,
    row: Received,
    *,
    now: dt.datetime,
    actor: Actor,
    facts: SiteFactsSource,
) -> None:
    """A newer revision never touches what was approved: an approved item is reopened beside its approval."""
    added = old is not None and documents.only_adds_languages(old, doc)
    quiet = added or not doc.alert
    rank_before = item.severity_rank
    _describe(item, doc)
    _judge(item, doc, now=now, facts=facts)
    item.revision = row.revision
    touched = item.decision == Decision.APPROVED or item.local_texts.exists()
    if item.upstream in {Upstream.CURRENT, Upstream.REVISED, Upstream.EXPIRED} and not added:
        item.upstream = Upstream.REVISED if touched else Upstream.CURRENT
    louder = item.severity_rank >= HIGH and item.severity_rank > rank_before and item.verdict != Verdict.NO
    if item.decision in {Decision.ARCHIVED, Decision.REJECTED} and louder:
        item.decision, item.decided_at = Decision.NEW, None
        item.raised_at = now
    elif not quiet and (item.decision in {Decision.APPROVED, Decision.IN_REVIEW}):
        item.raised_at = now
    elif item.decision == Decision.SNOOZED and louder:
        item.decision, item.snoozed_until, item.raised_at = Decision.NEW, None, now
    item.save()
    _bind(item, doc, now=now, actor=actor)
    audit.record(
        actor=actor,
        action="inbox.revise",
        subject=item.subject,
        at=now,
        details={"revision": row.revision, "sha256": row.sha256, "only_new_languages": added},
    )


def _fork(item: Item, row: Received, *, now: dt.datetime, actor: Actor, tally: _Tally) -> None:
    note = f"Revision {row.revision} came twice with different content; the first one is kept."
    item.note = note
    item.raised_at = now
    item.save(update_fields=["note", "raised_at"])
    tally.problems.append(f"{item.channel} {item.publication}: {note}")
    audit.record(
        actor=actor,
        action="inbox.fork",
        subject=item.subject,
        at=now,
        details={"revision": row.revision, "sha256": row.sha256},
    )


def _bind(item: Item, doc: documents.Doc, *, now: dt.datetime, actor: Actor) -> None:
    """Tie "you asked, we did" to its request, and mark what this item supersedes on its own channel."""
    for uuid in doc.closes:
        Binding.objects.get_or_create(item=item, kind=Binding.Kind.CLOSES, request=uuid)
    for uuid in doc.supersedes:
        Binding.objects.get_or_create(item=item, kind=Binding.Kind.SUPERSEDES, request=uuid)
    older = Item.objects.filter(channel=item.channel, publication__in=doc.supersedes).exclude(pk=item.pk)
    for row in older.exclude(upstream__in=[Upstream.RETRACTED, Upstream.SUPERSEDED]):
        row.upstream = Upstream.SUPERSEDED
        row.superseded_by = item.publication
        taking_back.settle(row, now=now)
        audit.record(
            actor=actor,
            action="inbox.supersede",
            subject=row.subject,
            at=now,
            details={"by": str(item.publication)},
        )
    earlier = Binding.objects.filter(
        kind=Binding.Kind.SUPERSEDES, request=item.publication, item__channel=item.channel
    ).exclude(item=item)
    if (newer := earlier.select_related("item").first()) is not None and item.upstream == Upstream.CURRENT:
        item.upstream, item.superseded_by = Upstream.SUPERSEDED, newer.item.publication
        taking_back.settle(item, now=now)


def _unreadable(row: Received, error: str, *, now: dt.datetime, actor: Actor, tally: _Tally) -> None:
    """Show what cannot be read, with a note; it can be archived, never approved."""
    tally.unreadable += 1
    note = f"This cannot be read here: {error}"[:500]
    tally.problems.append(f"{row.channel} {row.uuid}: {note}")
    item = Item.objects.filter(channel=row.channel, publication=row.uuid).first()
    if item is not None:
        item.note = f"Revision {row.revision} cannot be read here: {error}"[:500]
        item.save(update_fields=["note"])
        action = "inbox.unreadable_revision"
    else:
        policy = ChannelPolicy.objects.get(channel=row.channel)
        quiet = (row.published_at or row.received_at) <= policy.quiet_before
        item = Item.objects.create(
            channel=row.channel,
            publication=row.uuid,
            signed=bool(row.verified_by),
            readable=False,
            note=note,
            decision=Decision.ARCHIVED if quiet else Decision.NEW,
            kind=row.type or "unknown",
            title=str(row.uuid),
            verdict=Verdict.UNKNOWN,
            verdict_reasons=[recorded(error)],
            revision=row.revision,
            received_at=row.received_at,
            raised_at=None if quiet else now,
        )
        action = "inbox.unreadable"
    if not item.revisions.filter(number=row.revision).exists():
        _keep(item, row)
    audit.record(
        actor=actor, action=action, subject=item.subject, at=now, details={"revision": row.revision, "note": item.note}
    )
