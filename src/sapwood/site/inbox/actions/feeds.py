"""Plain feeds that this site reads by itself: unsigned, quiet at first, and behind the same gate."""

import datetime as dt
import random
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID, uuid5

from django.db import transaction
from django.utils.translation import gettext as _

from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError, NotFoundError, UsageError
from sapwood.core.feeds import FeedEntry, FeedState, KnownEntry, Outcome, Sighting, poll, recognise
from sapwood.core.http import HttpClient, default_client
from sapwood.core.markup import check_url
from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.site.inbox import staff
from sapwood.site.inbox.actions.importing import know_channel, take_in
from sapwood.site.inbox.data import Received, instant
from sapwood.site.inbox.models import FeedSeen, FeedSubscription
from sapwood.site.inbox.sources import Facts, SiteFactsSource

# No publisher's subscription can have this name: it holds a character that names must not hold.
UNSIGNED: Final = "feed:"
MAX_NAME: Final = 30
MAX_KNOWN: Final = 2000
MAX_TITLE, MAX_SUMMARY, MAX_BODY = 200, 2000, 100_000


@transaction.atomic
def subscribe_feed(name: str, url: str, *, actor: Actor, now: dt.datetime) -> FeedSubscription:
    """Read a plain feed from now on; what it holds already is backlog."""
    staff.require(actor, staff.TRUST)
    label = name.strip().lower().replace("_", "-")
    if not label or len(label) > MAX_NAME or not all(part.isascii() and part.isalnum() for part in label.split("-")):
        raise UsageError(
            _("A short name has letters, digits and hyphens"), hint=_("At most %(n)s, such as blog.") % {"n": MAX_NAME}
        )
    judged = check_url(url)
    if not judged.ok or not url.startswith("https://"):
        raise UsageError(
            _("This address cannot be read: %(why)s") % {"why": judged.why or _("it is not https")},
            hint=_("Give an https address."),
        )
    if FeedSubscription.objects.filter(name=label).exists() or FeedSubscription.objects.filter(url=url).exists():
        raise ConflictError(_("This feed is read already"), hint=_("Choose another name, or leave it."))
    row = FeedSubscription.objects.create(name=label, url=url, state=_packed(FeedState(url)), next_at=now)
    know_channel(row.channel, subscription=UNSIGNED, now=now)
    audit.record(actor=actor, action="inbox.subscribe_feed", subject=f"feed:{label}", at=now, details={"url": url})
    return row


@transaction.atomic
def unsubscribe_feed(feed_id: int, *, actor: Actor, now: dt.datetime) -> None:
    """Read a feed no longer; its items and what was approved of them stay."""
    staff.require(actor, staff.TRUST)
    row = FeedSubscription.objects.filter(pk=feed_id).first()
    if row is None:
        raise NotFoundError(_("There is no such feed"))
    audit.record(actor=actor, action="inbox.unsubscribe_feed", subject=f"feed:{row.name}", at=now)
    row.delete()


def feeds() -> list[FeedSubscription]:
    """Every plain feed that this site reads."""
    return list(FeedSubscription.objects.order_by("name"))


def poll_feeds(
    *,
    now: dt.datetime,
    http: HttpClient | None = None,
    chance: random.Random | None = None,
    facts: SiteFactsSource | None = None,
) -> int:
    """Ask each feed that may be asked; the number of entries that were new or edited."""
    client, dice, judge = http or default_client(), chance or random.SystemRandom(), facts or Facts()
    count = 0
    for row in FeedSubscription.objects.filter(next_at__lte=now).order_by("next_at"):
        polled = poll(_unpacked(row), client, now=now, chance=dice)
        with transaction.atomic():
            fresh = FeedSubscription.objects.select_for_update().filter(pk=row.pk).first()
            if fresh is None:
                continue
            fresh.state = _packed(polled.state)
            fresh.next_at = polled.state.next_allowed_at or now + dt.timedelta(days=1)
            fresh.failures = polled.state.failures
            fresh.error = polled.error.message[:300] if polled.error else ""
            if polled.outcome in {Outcome.NEW, Outcome.UNCHANGED}:
                fresh.last_good_at = now
            fresh.save()
            if polled.feed is not None:
                count += sum(_entry(fresh, entry, now=now, facts=judge) for entry in reversed(polled.feed.entries))
    return count


def _entry(feed: FeedSubscription, entry: FeedEntry, *, now: dt.datetime, facts: SiteFactsSource) -> bool:
    known = {
        KnownEntry(row.guid, row.url, row.title, row.fingerprint, row.published_at, row.seen_at): row
        for row in feed.seen.order_by("-seen_at")[:MAX_KNOWN]
    }
    sighting, old = recognise(entry, known)
    seen = known[old] if old is not None and sighting is not Sighting.REUSED else None
    if seen is not None and sighting in {Sighting.SAME, Sighting.MOVED}:
        seen.guid, seen.url, seen.seen_at = entry.guid, entry.url, now
        seen.save(update_fields=["guid", "url", "seen_at"])
        return False
    if seen is None:
        salt = f"{entry.guid}\n{now.isoformat()}" if sighting is Sighting.REUSED else entry.guid
        seen = FeedSeen(feed=feed, publication=uuid5(feed.uuid, salt), revision=0)
    seen.guid, seen.url, seen.title = entry.guid, entry.url, entry.title[:500]
    seen.fingerprint, seen.published_at, seen.seen_at = entry.fingerprint, entry.published_at, now
    seen.revision += 1
    seen.save()
    raw = canonical_bytes(_document(feed, entry, seen.publication, seen.revision))
    received = Received(
        id=0,
        channel=feed.channel,
        path=entry.url,
        sha256=sha256_hex(raw),
        raw=raw,
        uuid=str(seen.publication),
        revision=seen.revision,
        type="announcement",
        received_at=now,
        verified_by=(),
        published_at=min(entry.published_at, now) if entry.published_at else now,
        subscription=UNSIGNED,
    )
    take_in(received, now=now, actor=Actor.system("inbox.feeds"), facts=facts)
    return True


def _document(feed: FeedSubscription, entry: FeedEntry, publication: UUID, revision: int) -> dict[str, Any]:
    """The entry as an announcement: for administrators, without severity, whatever it says about itself."""
    text = {
        "title": entry.title[:MAX_TITLE] or "–",
        "summary": entry.summary[:MAX_SUMMARY],
        "body": entry.body_markdown[:MAX_BODY],
    }
    return {
        "type": "announcement",
        "version": 1,
        "uuid": str(publication),
        "revision": revision,
        "channel": feed.channel,
        "kind": "news",
        "texts": {_locale(entry.language): text},
        "links": [{"kind": "source", "url": entry.url}] if entry.url and entry.url.isascii() else [],
        "source": {"feed": feed.url, "author": entry.author[:200], "published": _when(entry)},
    }


def _when(entry: FeedEntry) -> str | None:
    return instant(entry.published_at) if entry.published_at else None


def _locale(language: str) -> str:
    parts = language.replace("_", "-").split("-")
    fits = parts[0].isascii() and parts[0].isalpha() and 2 <= len(parts[0]) <= 3  # noqa: PLR2004 - BCP 47
    return "-".join(parts[:2]).lower() if fits and all(p.isalnum() and len(p) <= 8 for p in parts[:2]) else "en"  # noqa: PLR2004 - BCP 47


def _packed(state: FeedState) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, dt.datetime) else value for name, value in asdict(state).items()
    }


def _unpacked(row: FeedSubscription) -> FeedState:
    values = dict(row.state)
    for name in ("next_allowed_at", "pause_until"):
        values[name] = dt.datetime.fromisoformat(values[name]) if values.get(name) else None
    return FeedState(**values)
