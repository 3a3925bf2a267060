"""What tests hand in: publications as the channel gives them, and facts as the site has them."""

import datetime as dt
import itertools
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.formats.logic import Answer, Verdict
from sapwood.site.inbox.data import Received

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
_ids = itertools.count(1)


def announcement(**given: Any) -> dict[str, Any]:
    """An announcement as the commons writes it."""
    data: dict[str, Any] = {
        "type": "announcement",
        "version": 1,
        "uuid": str(uuid.uuid4()),
        "revision": 1,
        "channel": "community",
        "kind": "news",
        "texts": {
            "en": {"title": "Ulmo is here", "summary": "A new release.", "body": "Read **more** at {{site_name}}."}
        },
    }
    data.update(given)
    return data


def retraction(of: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {
        "type": "retraction",
        "version": 1,
        "uuid": str(uuid.uuid4()),
        "revision": 1,
        "channel": of["channel"],
        "retracts": of["uuid"],
        "reason": "It was wrong.",
        **given,
    }


def revised(data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**data, "revision": data["revision"] + 1, **changes}


def received(data: dict[str, Any] | bytes, **given: Any) -> Received:
    raw = data if isinstance(data, bytes) else canonical_bytes(data)
    try:
        parsed = json.loads(raw)
    except ValueError:
        parsed = {}
    number = given.pop("id", None) or next(_ids)
    values: dict[str, Any] = {
        "id": number,
        "channel": parsed.get("channel", "community"),
        "path": f"{parsed.get('channel', 'community')}/2026-{number:06d}.json",
        "sha256": sha256_hex(raw),
        "raw": raw,
        "uuid": parsed.get("uuid", str(uuid.uuid4())),
        "revision": parsed.get("revision", 1),
        "type": parsed.get("type", "announcement"),
        "received_at": NOW,
        "verified_by": ("a1b2c3d4",),
        "published_at": NOW,
    }
    values.update(given)
    return Received(**values)


@dataclass
class Tap:
    """A channel whose rows the test pours in."""

    rows: list[Received] = field(default_factory=list)
    names: tuple[str, ...] = ("community", "security", "releases", "surveys")

    def pour(self, *documents: dict[str, Any] | bytes | Received) -> list[Received]:
        new = [one if isinstance(one, Received) else received(one) for one in documents]
        self.rows.extend(new)
        return new

    def received(self, after_id: int, limit: int) -> list[Received]:
        return sorted((row for row in self.rows if row.id > after_id), key=lambda row: row.id)[:limit]

    def channels(self) -> list[tuple[str, str]]:
        return [("", name) for name in self.names]


@dataclass
class SiteSays:
    """Facts that answer every condition alike."""

    answer: Answer = Answer.YES
    reasons: tuple[str, ...] = ()

    def judge(self, condition: object, *, now: dt.datetime) -> Verdict:
        return Verdict(self.answer, self.reasons)
