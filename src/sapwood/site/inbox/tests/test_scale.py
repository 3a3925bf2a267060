import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.site.inbox import api
from sapwood.site.inbox.data import Audience, Choices, Reader
from sapwood.site.inbox.models import Item, Revision
from sapwood.site.inbox.tests.given import NOW, announcement

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def fill(count):
    documents = [announcement() for _ in range(count)]
    rows = Item.objects.bulk_create(
        [
            Item(
                channel="community", publication=uuid.UUID(one["uuid"]), kind="news", title=f"Item {index}",
                received_at=NOW, raised_at=NOW if index % 2 else None, severity_rank=index % 5, locales=["en"],
            )
            for index, one in enumerate(documents)
        ],
        batch_size=500,
    )  # fmt: skip
    raws = [canonical_bytes(one) for one in documents]
    Revision.objects.bulk_create(
        [
            Revision(item=row, number=1, sha256=sha256_hex(raw), raw=raw, received_at=NOW, verified_by=["k"])
            for row, raw in zip(rows, raws, strict=True)
        ],
        batch_size=500,
    )
    return rows


def queries(act):
    with CaptureQueriesContext(
        connection,
    ) as found:
        act()
    return len(found)


@pytest.mark.parametrize("tab", ["waiting", "open", "all"])
def test_the_list_costs_the_same_with_ten_items_and_with_a_thousand(tab, known_channels, alice, client):
    client.force_login(alice)
    address = reverse("inbox:list") + f"?tab={tab}"
    fill(60)
    client.get(address)
    few = queries(lambda: client.get(address))
    fill(1000)
    assert queries(lambda: client.get(address)) == few


def test_a_review_costs_the_same_with_ten_items_and_with_a_thousand(known_channels, alice, client):
    client.force_login(alice)
    rows = fill(10)
    address = reverse("inbox:review", args=[rows[5].pk])
    client.get(address)
    few = queries(lambda: client.get(address))
    fill(1000)
    assert queries(lambda: client.get(address)) == few


def test_the_announcements_page_costs_the_same_with_three_and_with_fifteen_items(arrive, alice, by, client):
    client.force_login(alice)
    address = reverse("inbox:announcements")

    def publish(count):
        for _ in range(count):
            api.approve(arrive(announcement()).pk, Choices(), actor=by(alice), now=NOW)

    publish(3)
    client.get(address)
    few = queries(lambda: client.get(address))
    publish(12)
    assert queries(lambda: client.get(address)) == few
    assert len(api.announcements(Reader(Audience.ADMINISTRATORS, "en"), now=NOW).items) == 15


def test_pages_by_keyset_show_every_item_once(known_channels):
    fill(130)
    for tab in ("waiting", "open"):
        seen, after = [], ""
        while True:
            page = api.items(api.Filter(tab), after=after, size=25)
            seen += [row.pk for row in page.rows]
            after = page.after
            if not after:
                break
        assert len(seen) == len(set(seen)) == (65 if tab == "waiting" else 130)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="asks SQLite's planner")
def test_the_waiting_list_uses_its_index(known_channels):
    fill(200)
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN QUERY PLAN SELECT id FROM inbox_item WHERE raised_at IS NOT NULL "
            "ORDER BY severity_rank DESC, id DESC LIMIT 26"
        )
        assert "inbox_item_raised" in str(cursor.fetchall())
