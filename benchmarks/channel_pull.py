"""What the channel costs a site and a static file server: requests and bytes, counted, not timed.

The client is the real one, on the commons that lies in memory for the tests (tests/simulator.py): no network, no
database, every byte as it would be served. The peer in the same run is the simplest TUF layout, one role that lists
every publication of a channel.
"""

import json
import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid5

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ["SAPWOOD_VAR"] = tempfile.mkdtemp(prefix="sapwood-bench-")
os.environ["SAPWOOD_ROLE"] = "site"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sapwood.config.settings")

import django  # noqa: E402 - the role must be chosen first

django.setup()

from tests.simulator import COMPACT, NOW, URL, SimulatedCommons  # noqa: E402
from tuf.api.metadata import Metadata, Targets  # noqa: E402

from run import machine  # noqa: E402
from sapwood.channel.client.fetch import HttpFetcher  # noqa: E402
from sapwood.channel.client.trust import Trust  # noqa: E402
from sapwood.channel.client.walk import Known, Source, collect  # noqa: E402
from sapwood.channel.layout import DEFAULT_SUBSCRIPTION, SEGMENT_SIZE, DocumentPath  # noqa: E402
from sapwood.formats.announcement import Announcement, Kind  # noqa: E402
from sapwood.formats.documents import document_bytes  # noqa: E402
from sapwood.formats.publication import LocaleText  # noqa: E402

SITES = 100_000
SAMPLE = 200
PULLS_PER_DAY = 24
# As many signatures as the commons makes by default for each of these roles.
THRESHOLDS = {"root": 3, "targets": 2, "security": 2, "community": 2}


def announcement(number):
    text = LocaleText(title=f"News {number}", summary="One line that says what it is about.", body="Text. " * 150)
    uuid = uuid5(UUID(int=7), str(number))
    return uuid, document_bytes(
        Announcement(uuid=uuid, revision=1, channel="community", kind=Kind.NEWS, texts={"en": text})
    )


class Commons(SimulatedCommons):
    """Publishes announcements by number, all in one channel and one year: the worst case."""

    def publish_numbers(self, numbers):
        touched = set()
        for number in numbers:
            uuid, raw = announcement(number)
            path = DocumentPath("community", NOW.year, number, str(uuid), 1)
            self.place(path, raw)
            touched.add(path.segment.role)
        self.reindex("community")
        self.commit("community", *sorted(touched))

    def listed(self):
        roles = (self.roles[name].targets for name in self.segments("community"))
        return {path: target.hashes["sha256"] for targets in roles for path, target in targets.items()}


class Site:
    """What a site keeps between pulls."""

    def __init__(self, commons, *, knows=()):
        self.commons, self.trust = commons, Trust.from_root(commons.first_root)
        self.documents, self.indexes = dict(knows), {}

    def pull(self):
        fetcher = HttpFetcher(self.commons)
        source = Source(f"{URL}/metadata/", f"{URL}/targets/", fetcher)
        known = {
            name: Known(self.documents if name == "community" else {}, self.indexes.get(name, {}))
            for name in DEFAULT_SUBSCRIPTION
        }
        haul = collect(self.trust, source, known, now=self.commons.now, time_floor=None)
        if haul.error or any(found.error or found.refused for found in haul.channels.values()):
            raise SystemExit("the benchmark's pull failed")
        self.trust = haul.trust
        self.indexes = {name: found.indexes for name, found in haul.channels.items()}
        fresh = haul.channels["community"].fresh
        self.documents |= {str(item.listed.path): item.listed.sha256 for item in fresh}
        return {
            "requests": fetcher.traffic.requests,
            "payload_bytes": fetcher.traffic.received_bytes,
            "documents": len(fresh),
            "document_bytes": sum(len(item.raw) for item in fresh),
        }


def one_role_bytes(commons):
    everything = Targets(version=1, expires=NOW)
    for name in commons.segments("community"):
        everything.targets |= commons.roles[name].targets
    return len(Metadata(everything).to_bytes(COMPACT))


def main():
    figures = {"segment_size": SEGMENT_SIZE}
    small = Commons(thresholds=THRESHOLDS)
    small.publish_numbers(range(1000))
    site = Site(small)
    figures["first pull of 1,000"] = site.pull()
    figures["nothing new"] = site.pull()

    large = Commons(thresholds=THRESHOLDS)
    large.publish_numbers(range(10_000))
    # The 10,000 bodies are taken as received: only what comes after them is counted.
    site = Site(large, knows=large.listed())
    figures["roles and indexes of 10,000"] = site.pull()
    large.publish_numbers([10_000])
    figures["one more among 10,000"] = site.pull()
    large.publish_numbers(range(10_001, 10_099))
    site.pull()
    large.publish_numbers([10_099])
    figures["one more, fullest segment"] = worst = site.pull()
    large.sleep(timedelta(days=1))
    large.renew()
    figures["after the daily renewal"] = renewal = site.pull()
    peer = one_role_bytes(large)

    # SITES sites, one pull each: SAMPLE of them are really pulled, each from a state of its own. They all ask for the
    # same static files, so the rest is a product, and is said to be one.
    few = Commons(thresholds=THRESHOLDS)
    few.publish_numbers(range(10))
    sites = [Site(few) for _ in range(SAMPLE)]
    for one in sites:
        one.pull()
    quiet = [one.pull() for one in sites]
    requests, payload = (
        sum(found[name] for found in quiet) * SITES // SAMPLE for name in ("requests", "payload_bytes")
    )
    figures["fleet"] = {
        "sites": SITES,
        "really_pulled": SAMPLE,
        "requests_per_interval": requests,
        "payload_bytes_per_interval": payload,
        "payload_bytes_per_day": payload * PULLS_PER_DAY + renewal["payload_bytes"] * SITES,
        "payload_bytes_one_more": worst["payload_bytes"] * SITES,
    }
    figures["peer_one_role_bytes"] = peer
    figures["one_more_to_peer"] = round(worst["payload_bytes"] / peer, 4)
    table(figures)
    print(json.dumps({"claim": "the channel's cost per pull", "figures": figures, "machine": machine()}))


def table(figures):
    print(f"{'pull':<30}{'requests':>10}{'payload':>14}{'of it documents':>18}")
    for name, found in figures.items():
        if isinstance(found, dict) and "requests" in found:
            row = (found["requests"], found["payload_bytes"], found["document_bytes"])
            print(f"{name:<30}{row[0]:>10,}{row[1]:>14,}{row[2]:>18,}")
    fleet = figures["fleet"]
    print(f"peer, one role with everything: {figures['peer_one_role_bytes']:,} bytes for one more")
    print(
        f"{fleet['sites']:,} sites, one interval, nothing new: {fleet['requests_per_interval']:,} requests, "
        f"{fleet['payload_bytes_per_interval']:,} bytes ({fleet['really_pulled']} really pulled, the rest multiplied)"
    )


if __name__ == "__main__":
    main()
