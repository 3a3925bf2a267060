"""What an approval pins: the final text per language, audience, outlets, window and brand values."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from sapwood.core import settings as typed
from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.site.inbox import documents
from sapwood.site.inbox.data import Choices, Text, Window, instant
from sapwood.site.inbox.models import Approval, Brand, HandOver, Item, LocalText, Revision

VERSION = 1


@dataclass(frozen=True)
class Draft:
    """An item as it would go out now, before audience, outlets and window are chosen."""

    item: Item
    revision: Revision
    doc: documents.Doc
    local: Mapping[str, LocalText]
    texts: Mapping[str, Text]
    brand: Mapping[str, str]
    hand_over: str = ""

    @property
    def seen(self) -> str:
        """The hash of everything that a reviewer reads before approving; it changes when any of it changes."""
        return sha256_hex(
            canonical_bytes(
                {
                    "item": str(self.item.publication),
                    "channel": self.item.channel,
                    "revision": self.revision.number,
                    "source": self.revision.sha256,
                    "upstream": self.item.upstream,
                    "texts": {locale: text.as_dict() for locale, text in sorted(self.texts.items())},
                    "links": [link.as_dict() for link in self.doc.links],
                    "brand": dict(self.brand),
                    "hand_over": self.hand_over,
                }
            )
        )

    @property
    def behind(self) -> list[str]:
        """Languages whose local text was made from an older revision than the present one."""
        return sorted(locale for locale, row in self.local.items() if row.base_revision < self.revision.number)

    def removed_links(self) -> list[str]:
        """Addresses that the source's text or links hold and the local text of the same language lost."""
        lost: dict[str, None] = {}
        for locale, row in self.local.items():
            base = self.doc.texts.get(locale) or self.doc.texts.get(row.base_locale)
            if base is None:
                continue
            here = self.texts[locale].as_lines()
            lost.update(dict.fromkeys(url for url in addresses_in(base.as_lines()) if url not in here))
        return list(lost)


def draft(item: Item, *, revision: Revision | None = None) -> Draft:
    """The item with this site's texts laid over the source's. Raises FormatError when it cannot be read."""
    row = revision or item.revisions.get(number=item.revision)
    doc = documents.stored(row)
    local = {text.locale: text for text in item.local_texts.all()}
    texts = {**doc.texts, **{locale: text_of(text) for locale, text in local.items()}}
    handed = HandOver.objects.filter(item=item).values_list("template", flat=True).first()
    return Draft(
        item=item, revision=row, doc=doc, local=local, texts=texts, brand=brand_values(), hand_over=handed or ""
    )


def text_of(row: LocalText) -> Text:
    """A local text as a value."""
    return Text(title=row.title, summary=row.summary, body=row.body, question=row.question, seeks=row.seeks)


def pinned(of: Draft, choices: Choices, *, now: dt.datetime) -> dict[str, Any]:
    """The content of an approval: what its digest covers."""
    locales: Sequence[str] = choices.locales or sorted(of.texts)
    window = choices.window or Window(now)
    return {
        "version": VERSION,
        "item": str(of.item.publication),
        "channel": of.item.channel,
        "signed": of.item.signed,
        "revision": of.revision.number,
        "source": of.revision.sha256,
        "kind": of.doc.kind,
        "severity": of.doc.severity,
        "audience": choices.audience.value,
        "outlets": sorted(outlet.value for outlet in set(choices.outlets)),
        "window": window.as_dict(),
        "brand": dict(of.brand),
        "texts": {locale: of.texts[locale].as_dict() for locale in locales},
        "links": [link.as_dict() for link in of.doc.links],
        "event": of.doc.event,
        "hand_over": of.hand_over,
        "survey_closes_at": instant(of.doc.survey_closes_at) if of.doc.survey_closes_at else None,
        "changed_here": sorted(locale for locale in of.local if locale in locales),
    }


def brand() -> Brand:
    """The institution's name and colours; where nobody set a name, that of the settings."""
    return Brand.objects.filter(pk=1).first() or Brand(pk=1)


def brand_values(row: Brand | None = None) -> dict[str, str]:
    """The values that approvals pin."""
    found = row or brand()
    return {
        "site_name": found.name or typed.SITE_NAME.get() or "this site",
        "accent": found.accent,
        "contact": found.contact,
        "sign_off": found.sign_off,
        "base_url": settings.BASE_URL,
    }


def addresses_in(text: str) -> list[str]:
    """The https addresses in a text, in order."""
    found = []
    for chunk in text.split("https://")[1:]:
        address = "https://" + chunk.split()[0] if chunk and not chunk[0].isspace() else ""
        address = address.rstrip(").,;:!?\"'>]*_")
        for stop in ('"', "'", "<", ">", ")", "]"):
            address = address.split(stop)[0]
        if address:
            found.append(address)
    return found


def read_pinned(row: Approval) -> dict[str, Any]:
    """The content of an approval, for showing it; only the gate reads it for delivering."""
    found: dict[str, Any] = json.loads(row.content)
    return found
