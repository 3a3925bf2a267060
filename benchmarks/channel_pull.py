"""What the channel costs a site and a static file server: requests and bytes, counted, not timed.

Everything is real but the network cable: our publisher writes a folder, our client pulls from it into a database. The
peer in the same run is the simplest TUF layout, one role that lists every publication of a channel.
"""

import datetime as dt
import json
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

os.environ["SAPWOOD_VAR"] = tempfile.mkdtemp(prefix="sapwood-bench-")
os.environ["SAPWOOD_ROLE"] = "site"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sapwood.config.settings")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import django

django.setup()

from uuid import UUID, uuid5  # noqa: E402

from django.core.management import call_command  # noqa: E402
from tuf.api.metadata import Metadata, Targets  # noqa: E402

from run import machine  # noqa: E402
from sapwood.channel import api  # noqa: E402
from sapwood.channel.actions import publishing  # noqa: E402
from sapwood.channel.layout import SEGMENT_SIZE, Segment  # noqa: E402
from sapwood.channel.publisher.folder import COMPACT, Folder  # noqa: E402
from sapwood.core.clock import FixedClock  # noqa: E402
from sapwood.core.data import Actor  # noqa: E402
from sapwood.core.http import Response, TooLargeError  # noqa: E402
from sapwood.formats.announcement import Announcement, Kind  # noqa: E402
from sapwood.formats.documents import document_bytes  # noqa: E402
from sapwood.formats.publication import LocaleText  # noqa: E402

NOW = dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC)
URL = "https://commons.example.org/channel"
BENCH = Actor.system("benchmark")
MANY = int(os.environ.get("SAPWOOD_BENCH_PUBLICATIONS", "10000"))
SITES = 100_000
SAMPLE = 40


class CountingFolder:
    """A static file server without a wire: counts what is asked for and what goes out."""

    def __init__(self, folder):
        self.folder = folder
        self.reset()

    def reset(self):
        self.requests, self.payload_bytes, self.by_kind = 0, 0, {}

    def fetch(self, request):
        path = self.folder / request.url.removeprefix(URL + "/")
        body = path.read_bytes() if path.is_file() else b""
        if len(body) > request.max_bytes:
            raise TooLargeError(f"{request.url} is larger than {request.max_bytes} bytes")
        kind = "documents" if path.parent.parent.name == "targets" and ".index-" not in path.name else "metadata"
        self.requests += 1
        self.payload_bytes += len(body)
        self.by_kind[kind] = self.by_kind.get(kind, 0) + len(body)
        return Response(200 if path.is_file() else 404, {}, body, request.url)

    @contextmanager
    def stream(self, _request):
        raise NotImplementedError
        yield

    def figures(self):
        return {"requests": self.requests, "payload_bytes": self.payload_bytes, "bytes_by_kind": dict(self.by_kind)}


def announcement(number):
    text = LocaleText(title=f"News {number}", summary="One line that says what it is about.", body="Text. " * 150)
    return document_bytes(
        Announcement(
            uuid=uuid5(UUID(int=7), str(number)), revision=1, channel="community", kind=Kind.NEWS, texts={"en": text}
        )
    )


def publish(folder, numbers, clock):
    raws = [announcement(number) for number in numbers]
    publishing.stage_several(raws, channel="community", actor=BENCH, now=clock.now(), repo=folder)
    api.sign(repo=folder, now=clock.now())
    api.publish(repo=folder, now=clock.now())


def subscribe(folder, name):
    root = (folder / "repository" / "metadata" / "1.root.json").read_bytes()
    return api.subscribe(URL, root=root, actor=BENCH, now=NOW, name=name)


def pull(site, server, clock):
    server.reset()
    while True:
        result = api.pull(site, http=server, clock=clock)
        if not result.good:
            raise SystemExit(f"the benchmark's pull failed: {result}")
        if not result.more:
            return server.figures()


def one_role_bytes(folder):
    """The peer: what one role with all of a channel's publications weighs."""
    published = Folder(folder).published()
    everything = Targets(version=1, expires=NOW)
    for name in published.roles:
        segment = Segment.parse(name)
        if segment is not None and segment.channel == "community":
            everything.targets |= published.role(name).signed.targets
    return len(Metadata(everything).to_bytes(COMPACT))


def main():
    call_command("migrate", verbosity=0)
    clock = FixedClock(NOW)
    figures = {"segment_size": SEGMENT_SIZE}

    print(f"publishing 1,000 and {MANY:,} publications; this takes a few minutes", flush=True)
    small = Path(os.environ["SAPWOOD_VAR"]) / "small"
    api.init_repository(small, now=NOW)
    publish(small, range(1000), clock)
    server, site = CountingFolder(small / "repository"), subscribe(small, "small")
    figures["first_pull_of_1000"] = pull(site, server, clock)
    figures["nothing_new"] = pull(site, server, clock)

    large = Path(os.environ["SAPWOOD_VAR"]) / "large"
    api.init_repository(large, now=NOW)
    publish(large, range(MANY), clock)
    server, site = CountingFolder(large / "repository"), subscribe(large, "large")
    figures[f"first_pull_of_{MANY}"] = pull(site, server, clock)
    clock.advance(dt.timedelta(minutes=5))
    publish(large, [MANY], clock)
    figures[f"one_more_among_{MANY}"] = pull(site, server, clock)
    clock.advance(dt.timedelta(days=1))
    api.renew(repo=large, now=clock.now())
    figures["after_the_daily_renewal"] = pull(site, server, clock)
    figures["nothing_new_among_many"] = pull(site, server, clock)
    peer = one_role_bytes(large)
    cost = figures[f"one_more_among_{MANY}"]["payload_bytes"]
    figures["peer_one_role_bytes"] = peer
    figures["one_more_ratio_to_peer"] = round(cost / peer, 4)

    # SITES sites for one interval of an hour: SAMPLE of them are really pulled, each from a state of its own; all
    # ask for the same static files, so the rest is a product and said to be one.
    quiet = {"requests": 0, "payload_bytes": 0}
    few = Path(os.environ["SAPWOOD_VAR"]) / "few"
    api.init_repository(few, now=NOW)
    publish(few, range(10), FixedClock(NOW))
    for number in range(SAMPLE):
        one = subscribe(few, f"site-{number}")
        pull(one, CountingFolder(few / "repository"), FixedClock(NOW))
        again = pull(one, CountingFolder(few / "repository"), FixedClock(NOW))
        quiet = {name: quiet[name] + again[name] for name in quiet}
        api.unsubscribe(one, actor=BENCH, now=NOW)
    figures["fleet"] = {
        "sites": SITES,
        "sites_really_pulled": SAMPLE,
        "requests_nothing_new": quiet["requests"] * SITES // SAMPLE,
        "payload_bytes_nothing_new": quiet["payload_bytes"] * SITES // SAMPLE,
        "payload_bytes_one_more": cost * SITES,
        "requests_per_second_mean": round(quiet["requests"] * SITES / SAMPLE / 3600, 1),
    }
    table(figures)
    print(json.dumps({"claim": "the channel's cost per pull", "figures": figures, "machine": machine()}))


def table(figures):
    print(f"{'case':<28}{'requests':>10}{'payload':>14}")
    for name, found in figures.items():
        if isinstance(found, dict) and "requests" in found:
            print(f"{name:<28}{found['requests']:>10}{found['payload_bytes']:>14,}")
    fleet = figures["fleet"]
    print(
        f"{fleet['sites']:,} sites, one interval, nothing new: {fleet['requests_nothing_new']:,} requests, "
        f"{fleet['payload_bytes_nothing_new']:,} bytes "
        f"({fleet['sites_really_pulled']} really pulled, the rest multiplied)"
    )


if __name__ == "__main__":
    main()
