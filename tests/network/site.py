"""One site from subscription to page: `python -m tests.network.site proxy|ipv6`, started by a test."""

import base64
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.killing import Ground, sapwood, set_up
from tests.killing.browser import Browser
from tests.network.outside import BLOG, CHANNEL, HOOKS, Outside
from tests.simulator import SimulatedCommons

ALICE = "alice@riverside.example"
USER, PASSWORD = "riverside", "s3cret/of:the@campus"
FEED = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Blog</title><id>urn:blog</id>
<updated>2026-11-20T08:00:00Z</updated><entry><id>urn:entry:1</id><title>From the blog</title>
<updated>2026-11-20T08:00:00Z</updated><content type="text">Text.</content></entry></feed>"""


class Site:
    """A site, and everything that it ever said."""

    def __init__(self, var: Path, host: str) -> None:
        self.ground = Ground(var / "site")
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
            self.browser = Browser(self.ground, probe.getsockname()[1], host)
        os.environ["SAPWOOD_BASE_URL"] = self.browser.url
        os.environ["SAPWOOD_HOSTS"] = ""
        self.said = ""

    def command(self, *words: str, expect: int = 0, before: Callable[[], object] = lambda: None) -> Any:
        """A `sapwood` command; what it printed, read as JSON."""
        ran = self.ground.run(lambda: (before(), sys.exit(sapwood(*words, "--json"))))
        self.said += ran.out + ran.err
        assert ran.code == expect, (words, ran)
        return json.loads(ran.out)

    def read_on_the_page(self, publication: str) -> str:
        """Approve what arrived, let the worker deliver it, and read it as a person does."""
        items = self.command("inbox", "list", "--tab", "all")["items"]
        item = next(item for item in items if item["publication"] == publication)
        self.command("inbox", "approve", str(item["id"]), "--outlet", "page", "--outlet", "webhook")
        self.command("worker", "--once")
        self.browser.sign_in(ALICE)
        return self.browser.get(f"/announcements/{item['id']}/")


def alice() -> None:
    from sapwood.accounts.api import create_person
    from sapwood.core.clock import system_clock
    from sapwood.core.data import Actor

    create_person(ALICE, roles=["site_administrator"], actor=Actor.command(), now=system_clock().now())


def receiver(url: str, *, allow_private: bool) -> None:
    from sapwood.core.clock import system_clock
    from sapwood.core.data import Actor
    from sapwood.site.inbox import api
    from sapwood.site.inbox.data import Audience

    who, moment = Actor.command(), system_clock().now()
    api.add_webhook("chat", url, Audience.ADMINISTRATORS, actor=who, now=moment, allow_private=allow_private)


def blog() -> None:
    from sapwood.core.clock import system_clock
    from sapwood.core.data import Actor
    from sapwood.site.inbox import api

    api.subscribe_feed("blog", f"https://{BLOG}/feed.xml", actor=Actor.command(), now=system_clock().now())


def commons(outside: Outside) -> tuple[SimulatedCommons, str]:
    """A publisher of this moment with one announcement, as plain files; and that announcement's uuid."""
    from sapwood.channel.tests.support import announcement, uuid_of
    from sapwood.core.clock import system_clock

    made = SimulatedCommons(now=system_clock().now().replace(microsecond=0))
    made.publish(announcement(1, title="By a long way"))
    for name, raw in made.files.items():
        outside.put(f"channel/{name}", raw)
    return made, str(uuid_of(1))


def proxy(var: Path) -> None:
    """Every way out leads through a proxy that wants a name and a password, and only it knows any host."""
    outside = Outside(var.with_name("outside"), "127.0.0.1", user=USER, password=PASSWORD)
    try:
        os.environ["SSL_CERT_FILE"] = str(outside.certificate)  # the institution's own authority
        os.environ["SAPWOOD_HTTP_PROXY"] = _proxy(outside, PASSWORD)
        site = Site(var, "127.0.0.1")
        _through_the_proxy(site, outside)
        _nothing_gives_the_password_away(site, var)
    finally:
        outside.stop()


def _proxy(outside: Outside, password: str) -> str:
    from urllib.parse import quote

    return f"http://{USER}:{quote(password, safe='')}@127.0.0.1:{outside.proxy_port}"


def _through_the_proxy(site: Site, outside: Outside) -> None:
    from sapwood.formats.canonical import sha256_hex

    set_up(site.ground)
    published, publication = commons(outside)
    outside.put("feed.xml", FEED)
    site.ground.run(alice).good()
    site.ground.run(lambda: receiver(f"https://{HOOKS}/in", allow_private=False)).good()
    site.ground.run(blog).good()
    url, fingerprint = f"http://{CHANNEL}/channel", sha256_hex(published.first_root)
    subscribe = ("channel", "subscribe", url, "--fingerprint", fingerprint, "--name", "commons")

    # Without the proxy there is no way; with a wrong password there is none either, and it says so.
    refused = site.command(*subscribe, expect=1, before=lambda: _by(""))
    assert refused["error"]["code"] == "channel.unreachable", refused
    assert outside.heard("proxy") == []
    refused = site.command(*subscribe, expect=1, before=lambda: _by(_proxy(outside, "wr0ng-and-secret")))
    assert "proxy" in refused["error"]["message"], refused

    site.command(*subscribe)
    pulled = site.command("channel", "pull")["pulls"][0]
    assert (pulled["new"], pulled["errors"]) == (1, {}), pulled
    failed = site.command("channel", "pull", expect=1, before=lambda: _by(_proxy(outside, "wr0ng-and-secret")))
    assert "proxy" in failed["pulls"][0]["errors"]["*"]["message"], failed
    site.command("channel", "status", expect=3)
    site.command("channel", "pull")
    site.command("worker", "--once")
    assert "By a long way 1" in site.read_on_the_page(publication)
    assert "From the blog" in [item["title"] for item in site.command("inbox", "list", "--tab", "all")["items"]]
    states = {row["outlet"]: row["state"] for row in site.command("inbox", "deliveries")["deliveries"]}
    assert states == {"page": "sent", "webhook": "sent"}
    site.command("channel", "status")

    asked = outside.heard("proxy")
    assert f"CONNECT {BLOG}:443 HTTP/1.1" in asked
    assert f"CONNECT {HOOKS}:443 HTTP/1.1" in asked
    assert any(line.startswith(f"GET http://{CHANNEL}:80/channel/metadata/timestamp.json") for line in asked)
    assert {"GET blog.commons.invalid/feed.xml", "POST hooks.riverside.invalid/in"} <= set(outside.heard("web"))


def _by(address: str) -> None:
    """In a child: another proxy than the one that the site is set to."""
    from sapwood.core.http import default_client

    os.environ["SAPWOOD_HTTP_PROXY"] = address
    default_client.cache_clear()


def _nothing_gives_the_password_away(site: Site, var: Path) -> None:
    from urllib.parse import quote

    secrets = [word for one in (PASSWORD, "wr0ng-and-secret") for word in (one, quote(one, safe=""))]
    secrets += [base64.b64encode(f"{USER}:{one}".encode()).decode() for one in (PASSWORD, "wr0ng-and-secret")]
    kept = b"".join(path.read_bytes() for path in var.rglob("*") if path.is_file())
    for secret in secrets:
        assert secret not in site.said
        assert secret.encode() not in kept


def ipv6(var: Path) -> None:
    """There is no other address than ::1."""
    outside = Outside(var.with_name("outside"), "::1")
    try:
        site = Site(var, "::1")
        set_up(site.ground)
        published, publication = commons(outside)
        root = var.with_name("root.json")
        root.write_bytes(published.first_root)
        there = f"http://[::1]:{outside.web_port}"
        site.ground.run(alice).good()
        site.ground.run(lambda: receiver(f"{there}/hook", allow_private=True)).good()
        site.command("channel", "subscribe", f"{there}/channel", "--root", str(root), "--allow-private")
        assert site.command("channel", "pull")["pulls"][0]["new"] == 1
        site.command("worker", "--once")
        assert "By a long way 1" in site.read_on_the_page(publication)
        assert f"POST [::1]:{outside.web_port}/hook" in outside.heard("web")
    finally:
        outside.stop()


def without_ipv4() -> None:
    """In a network namespace of one's own: bring its loopback up, and take its IPv4 address away."""
    import fcntl
    import struct

    siocsifaddr, siocgifflags, siocsifflags, iff_up = 0x8916, 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        (flags,) = struct.unpack_from("h", fcntl.ioctl(control, siocgifflags, struct.pack("16sh22x", b"lo", 0)), 16)
        fcntl.ioctl(control, siocsifflags, struct.pack("16sh22x", b"lo", flags | iff_up))
        nowhere = struct.pack("HH4s8x", socket.AF_INET, 0, b"\0" * 4)
        fcntl.ioctl(control, siocsifaddr, struct.pack("16s16s8x", b"lo", nowhere))
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 0))
        except OSError:
            return
    raise AssertionError("there still is an IPv4 address")


if __name__ == "__main__":
    way, *rest = sys.argv[1:]
    if rest == ["alone"]:
        without_ipv4()
    {"proxy": proxy, "ipv6": ipv6}[way](Path(os.environ["SAPWOOD_VAR"]))
