"""Hard cases 17 to 21 as readers meet them: signed or not, what a publisher writes is words, and nothing more."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from django.core import mail
from django.urls import reverse
from tests.fakes import FakeHttp
from tests.people import sign_in

from sapwood.core.markup import html_to_text
from sapwood.core.tests.test_markup_html import ATTACKS
from sapwood.site.inbox import api
from sapwood.site.inbox.data import Audience, Choices, OutletKind
from sapwood.site.inbox.models import Person
from sapwood.site.inbox.tests.given import NOW, announcement

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
LINKS = [
    "[x](javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](//evil.example/)",
    "[x](https://openedx.org@evil.example/)",
    "![pixel](https://tracker.example/pixel.gif)",
    '<a href="javascript:alert(1)">x</a>',
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
]
HIDDEN = [
    "ends in \u202egnp.exe",
    "a\u2066b\u2067c",
    "zero\u200bwidth\u2060",
    "{p} {0} {title} %(title)s %s {% load x %} {{ user.password }}",
    "t" * 190,
]
OVERRIDES = re.compile("[\u0000\u200b\u2060\u202a-\u202e\u2066\u2067]")
OURS = ("/", "#", "?", "http://127.0.0.1:8001/")
FORBIDDEN = {"iframe", "object", "embed", "base", "math", "video", "audio", "template", "animate", "use", "plaintext"}


class Harmless(HTMLParser):
    """Fails on whatever could run, load, or lead astray. A mail has styles of its own; a page has none."""

    def __init__(self, html, *, styles=False):
        super().__init__(convert_charrefs=True)
        self.styles = styles
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        assert tag not in FORBIDDEN, tag
        assert not [name for name in given if name.startswith("on")], given
        assert self.styles or ("style" not in given and tag != "style"), given
        assert "url(" not in given.get("style", ""), given
        assert given.get("http-equiv", "").lower() != "refresh", given
        for name in ("src", "srcset", "poster", "data", "xlink:href", "formaction", "srcdoc"):
            assert given.get(name, "/").startswith("/static/" if name == "src" and name in given else "/"), given
        if tag == "link":
            assert given["href"].startswith(OURS), given
        if tag == "form":
            assert given.get("action", "/").startswith(("/", "?")) or not given["action"], given
        if tag == "a":
            self._lead(given.get("href", "/"))

    def _lead(self, address):
        if address.startswith(OURS) and not address.startswith("//"):
            return
        assert re.match(r"(https://|mailto:)[^@\s]*$", address), address

    def handle_data(self, data):
        assert not OVERRIDES.search(data), data


def attacks():
    """Every attack in every place where a publisher writes; those too long for a place are left out of it."""
    for attack in [*ATTACKS, *LINKS, *HIDDEN]:
        text = {"title": (attack[:150] if attack.isprintable() else "") or "Attack", "summary": attack[:1500]}
        texts = {"en": {**text, "body": f"before {attack[:20_000]} after"}}
        event = {
            "starts_at": "2027-04-20T07:00:00Z",
            "ends_at": "2027-04-23T16:00:00Z",
            "time_zone": "Europe/Paris",
            **dict.fromkeys(("place", "lodging", "remote", "accessibility"), attack[:150]),
        }
        links = [{"kind": "registration", "url": "https://example.org/register", "title": attack[:150]}]
        yield announcement(texts=texts, links=links, severity="high", kind="event", event=event)


def test_whatever_a_publisher_writes_is_words_on_every_page_in_the_feed_and_in_mail(arrive, alice, by, client, clock):
    frank = api.add_person("frank@riverside.example", Audience.ADMINISTRATORS, actor=by(alice), now=NOW)
    Person.objects.filter(pk=frank.pk).update(threshold="none")
    api.set_public(OutletKind.FEED, Audience.ADMINISTRATORS, public=True, actor=by(alice), now=NOW)
    sign_in(client, alice)
    items = [arrive(document) for document in attacks()]
    readable = [item for item in items if item.readable]
    assert len(readable) > len(items) * 0.8
    for item in readable:
        api.approve(
            item.pk,
            Choices(outlets=(OutletKind.PAGE, OutletKind.FEED, OutletKind.MAIL)),
            actor=by(alice),
            now=NOW,
            confirm_removed_links=True,
        )
    api.deliver_due(clock=clock, http=FakeHttp())

    for item in items:
        names = ("review", "preview", "announcement") if item.readable else ("review",)
        for name in names:
            page = client.get(reverse(f"inbox:{name}", args=[item.pk]))
            assert page.status_code == 200, (name, item.title)
            Harmless(page.content.decode())
    address = reverse("inbox:list") + "?tab=all"
    for page in (client.get(address), client.get(reverse("inbox:announcements"))):
        Harmless(page.content.decode())

    feed = client.get(reverse("inbox:atom", args=["administrators", "en"])).content
    entries = ET.fromstring(feed).findall("{http://www.w3.org/2005/Atom}entry")
    assert len(entries) == min(len(readable), 50)
    for entry in entries:
        for part in entry.iter():
            assert not OVERRIDES.search(part.text or "")
            if part.get("type") == "html":
                Harmless(part.text)
            if (address := part.get("href")) is not None:
                assert address.startswith(("https://", "http://127.0.0.1:8001/"))

    assert len(mail.outbox) == len(readable)
    for message in mail.outbox:
        ((html, _kind),) = message.alternatives
        Harmless(html, styles=True)
        assert not OVERRIDES.search(message.subject + message.body)
        assert "\n" not in message.subject
        assert "javascript:alert" not in re.sub(r"\[x\]\(.*\)|<.*>", "", html_to_text(html))
