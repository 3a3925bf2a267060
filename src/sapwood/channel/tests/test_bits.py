"""Any flipped bit of any served file is refused or changes nothing that was verified."""

import datetime as dt

import pytest
from tests.simulator import URL, SimulatedCommons

from sapwood.channel.client.fetch import HttpFetcher
from sapwood.channel.client.trust import Trust
from sapwood.channel.client.walk import Known, Source, collect
from sapwood.channel.tests.support import announcement

STEP = 101  # odd, so that over the files every bit of a byte has its turn


def read(commons, now):
    source = Source(f"{URL}/metadata/", f"{URL}/targets/", HttpFetcher(commons))
    known = {channel: Known() for channel in ("security", "community")}
    return collect(Trust.from_root(commons.first_root), source, known, now=now, time_floor=None)


def content(haul):
    """Everything that a site would take over."""
    if haul.error is not None:
        return None
    return {
        (name, str(document.listed.path)): (document.raw, document.listed.verified_by)
        for name, found in haul.channels.items()
        for document in found.fresh
    }


@pytest.fixture(scope="module")
def commons():
    commons = SimulatedCommons(thresholds={"security": 2})
    commons.publish(announcement(1, channel="security"), channel="security")
    commons.publish(announcement(1), announcement(2))
    commons.sleep(dt.timedelta(hours=1))
    commons.rotate("timestamp", "timestamp-new")
    commons.publish_root()
    commons.renew()
    return commons


@pytest.mark.slow
def test_no_flipped_bit_reaches_a_site(commons):
    whole = content(read(commons, commons.now))
    assert len(whole) == 3
    refused = unchanged = 0
    for name, raw in sorted(commons.files.items()):
        if name == "metadata/1.root.json":
            continue  # the administrator's own copy; its fingerprint has a test of its own
        for position in range(len(name) % STEP, len(raw) * 8, STEP * 8 + 1):
            broken = bytearray(raw)
            broken[position // 8] ^= 1 << position % 8
            commons.files[name] = bytes(broken)
            haul = read(commons, commons.now)
            taken = content(haul)
            assert taken is None or taken.items() <= whole.items(), (name, position)
            told = haul.error is not None or any(found.error or found.refused for found in haul.channels.values())
            assert told or taken == whole, (name, position)
            refused, unchanged = refused + told, unchanged + (not told)
        commons.files[name] = raw
    assert refused > 80
    # What changes nothing are files that nobody reads any more, and the case of hexadecimal digits in signatures.
    assert content(read(commons, commons.now)) == whole


@pytest.mark.parametrize("name", ["snapshot", "security", "community", "targets", "community-2026-0000"])
def test_below_the_timestamp_not_even_the_case_of_a_signature_may_change(commons, name):
    [file] = [
        file
        for file in commons.files
        if file.endswith(f".{name}.json")
        and file.startswith(
            f"metadata/{commons.roles[name].version if name in commons.roles else commons.snapshot.version}."
        )
    ]
    raw = commons.files[file]
    start = raw.index(b'"sig":"') + 7
    place = next(place for place in range(start, len(raw)) if raw[place : place + 1].isalpha())
    broken = bytearray(raw)
    broken[place] ^= 0x20
    commons.files[file] = bytes(broken)
    haul = read(commons, commons.now)
    commons.files[file] = raw
    assert haul.error is not None or any(found.error for found in haul.channels.values())
