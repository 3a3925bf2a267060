"""Items, reviews and deliveries as JSON: the same at the command line and in the API."""

from typing import Any

from sapwood.formats.phrase import recalled
from sapwood.site.inbox.content import read_pinned
from sapwood.site.inbox.models import Approval, Delivery, Item
from sapwood.site.inbox.queries.review import Review


def item_dict(row: Item) -> dict[str, Any]:
    """One line of the list."""
    return {
        "id": row.pk,
        "channel": row.channel,
        "publication": str(row.publication),
        "revision": row.revision,
        "signed": row.signed,
        "kind": row.kind,
        "severity": row.severity,
        "title": row.title,
        "decision": row.decision,
        "upstream": row.upstream,
        "verdict": row.verdict,
        "suggested_audience": row.audience,
        "locales": row.locales,
        "waiting": row.raised_at is not None,
        "readable": row.readable,
        "note": row.note,
        "received_at": _instant(row.received_at),
        "expires_at": _instant(row.expires_at),
        "snoozed_until": _instant(row.snoozed_until),
    }


def review_dict(found: Review) -> dict[str, Any]:
    """Everything about one item; `seen` is what an approval has to name."""
    return {
        **item_dict(found.item),
        "seen": found.seen,
        "problem": found.problem,
        "verdict_reasons": [str(reason) for reason in recalled(found.item.verdict_reasons)],
        "texts": {language.locale: language.final.as_dict() for language in found.languages},
        "changed_here": [language.locale for language in found.languages if language.local],
        "behind": [language.locale for language in found.languages if language.behind],
        "links": [
            {
                "kind": link.kind,
                "title": link.title,
                "url": link.report.url,
                "host": link.report.host_shown,
                "ok": link.report.ok,
            }
            for link in found.links
        ],
        "removed_links": list(found.removed_links),
        "signed_by": found.revision.verified_by if found.revision else [],
        "sha256": found.revision.sha256 if found.revision else "",
        "open_to": found.stage.value,
        "two_people_for_learners": found.two_people,
        "approval": approval_dict(found.approval) if found.approval else None,
        "closes": [row.pk for row in found.requests],
        "closed_by": [row.pk for row in found.answers],
    }


def approval_dict(row: Approval) -> dict[str, Any]:
    """An approval: what is pinned, by whose word."""
    pinned = read_pinned(row)
    return {
        "id": row.pk,
        "digest": row.digest,
        "revision": row.revision,
        "audience": row.audience,
        "outlets": pinned["outlets"],
        "locales": sorted(pinned["texts"]),
        "window": pinned["window"],
        "people_needed": row.people_needed,
        "people": row.signatures.count(),
        "created_at": _instant(row.created_at),
    }


def delivery_dict(row: Delivery) -> dict[str, Any]:
    """One delivery. A recipient is named by their random id, never by address."""
    return {
        "id": str(row.uuid),
        "item": row.approval.item_id,
        "approval": row.approval_id,
        "outlet": row.outlet,
        "recipient": row.target or None,
        "state": row.state,
        "digest": row.digest,
        "attempts": row.attempts,
        "due_at": _instant(row.due_at),
        "finished_at": _instant(row.finished_at),
        "reason": row.reason,
    }


def _instant(value: Any) -> str | None:
    return value.isoformat() if value is not None else None
