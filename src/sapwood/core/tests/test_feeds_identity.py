"""Known entries are recognised through edits, moves and careless identifiers."""

import datetime as dt
from dataclasses import replace

import pytest

from sapwood.core.feeds import FeedEntry, GuidSource, KnownEntry, Sighting, recognise

LAST_YEAR = dt.datetime(2025, 11, 1, 10, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
KNOWN = KnownEntry("guid-1", "https://old.example/blog/teak/", "Teak", "print-1", LAST_YEAR, LAST_YEAR)
ENTRY = FeedEntry(
    guid="guid-1", guid_source=GuidSource.GIVEN, url="https://old.example/blog/teak/", title="Teak", summary="",
    body_html="", body_markdown="", language="", categories=(), author="", published_at=LAST_YEAR, updated_at=None,
    fingerprint="print-1",
)  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "sighting"),
    [
        (ENTRY, Sighting.SAME),
        (replace(ENTRY, fingerprint="print-2"), Sighting.EDITED),
        (replace(ENTRY, fingerprint="print-2", title="Teak!", published_at=NOW), Sighting.EDITED),
        (replace(ENTRY, fingerprint="print-2", title="Ulmo", url="https://old.example/u"), Sighting.EDITED),
        (
            replace(ENTRY, fingerprint="print-2", title="Ulmo", url="https://old.example/u", published_at=NOW),
            Sighting.REUSED,
        ),
        (replace(ENTRY, guid="guid-2", url="https://new.example/teak"), Sighting.MOVED),
        (replace(ENTRY, guid="guid-2", url="https://new.example/other-slug"), Sighting.MOVED),
        (replace(ENTRY, guid="guid-2", url="https://new.example/teak", published_at=None), Sighting.MOVED),
        (replace(ENTRY, guid="guid-2", url="https://new.example/x", published_at=NOW), Sighting.NEW),
        (replace(ENTRY, guid="guid-2", fingerprint="print-2"), Sighting.NEW),
    ],
)
def test_an_entry_is_recognised_for_what_it_is(entry, sighting):
    found, old = recognise(entry, [KNOWN])
    assert found is sighting
    assert old is (None if sighting is Sighting.NEW else KNOWN)


def test_an_entry_of_a_feed_without_history_is_new():
    assert recognise(ENTRY, []) == (Sighting.NEW, None)


def test_an_identifier_that_is_known_counts_before_words_that_are_known():
    other = replace(KNOWN, guid="guid-0")
    assert recognise(ENTRY, [other, KNOWN]) == (Sighting.SAME, KNOWN)
