"""Inbox and review pages with 10,000 items beside the same pages with 10: equal queries, server time printed.

Real views on a real SQLite file; the peer is the small inbox in the same run.
"""

import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ["SAPWOOD_VAR"] = tempfile.mkdtemp(prefix="sapwood-bench-")
os.environ["SAPWOOD_ROLE"] = "site"
os.environ["SAPWOOD_HOSTS"] = "testserver"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sapwood.config.settings")

import django  # noqa: E402 - the role must be chosen first

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402

from run import machine  # noqa: E402
from sapwood.accounts.api import create_person  # noqa: E402
from sapwood.core.data import Actor  # noqa: E402
from sapwood.formats.canonical import canonical_bytes, sha256_hex  # noqa: E402
from sapwood.site.inbox.models import Item, Revision  # noqa: E402
from sapwood.site.inbox.tests.given import NOW, announcement  # noqa: E402

ROUNDS = 15
SMALL, LARGE = 10, 10_000


def fill(count: int) -> int:
    """Add items until there are `count`; the id of one in the middle."""
    documents = [announcement() for _ in range(count - Item.objects.count())]
    rows = Item.objects.bulk_create(
        [
            Item(
                channel="community",
                publication=uuid.UUID(one["uuid"]),
                kind="news",
                title=f"Item {number}",
                received_at=NOW,
                raised_at=NOW if number % 2 else None,
                severity_rank=number % 5,
                locales=["en"],
            )
            for number, one in enumerate(documents)
        ],
        batch_size=500,
    )
    raws = [canonical_bytes(one) for one in documents]
    Revision.objects.bulk_create(
        [
            Revision(item=row, number=1, sha256=sha256_hex(raw), raw=raw, received_at=NOW, verified_by=["k"])
            for row, raw in zip(rows, raws, strict=True)
        ],
        batch_size=500,
    )
    return rows[len(rows) // 2].pk


def look(client: Client, path: str) -> tuple[int, float]:
    """Queries and the median server time in ms of one page."""
    answer = client.get(path)
    assert (answer.status_code, answer.wsgi_request.user.is_authenticated) == (200, True), answer
    connection.force_debug_cursor = True
    connection.queries_log.clear()
    client.get(path)
    queries = len(connection.queries_log)
    connection.force_debug_cursor = False
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        client.get(path)
        times.append((time.perf_counter() - start) * 1000)
    return queries, statistics.median(times)


def main() -> None:
    call_command("migrate", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)
    alice = create_person("alice@riverside.example", roles=["site_administrator"], actor=Actor.command(), now=NOW)
    client = Client()
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    figures: dict[str, dict[str, float]] = {}
    for count in (SMALL, LARGE):
        middle = fill(count)
        for name, path in {"inbox": "/inbox/?tab=all", "waiting": "/inbox/", "review": f"/inbox/{middle}/"}.items():
            queries, milliseconds = look(client, path)
            figures.setdefault(name, {})[f"queries_{count}"] = queries
            figures[name][f"ms_{count}"] = round(milliseconds, 1)
    for row in figures.values():
        row["time_ratio"] = round(row[f"ms_{LARGE}"] / row[f"ms_{SMALL}"], 2)
    print(json.dumps({"claim": "inbox pages with 10,000 items", "figures": figures, "machine": machine()}))


if __name__ == "__main__":
    main()
