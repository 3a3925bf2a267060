"""How an item reads, for every outlet and for the preview: the same code, so that the preview is true."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from sapwood.core.markup import LinkReport, check_url, clean_text, render_markdown
from sapwood.formats.publication import fill_placeholders, normal_locale, pick_locale
from sapwood.site.inbox import words
from sapwood.site.inbox.data import Link, Text

MAX_LINE = 300
MAX_SUMMARY = 2000
_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur", "ps", "ckb", "dv", "sd", "ug", "yi"})


@dataclass(frozen=True)
class ShownLink:
    """A link with the host that it really leads to."""

    kind: str
    title: str
    report: LinkReport

    @property
    def label(self) -> Any:
        """What people press: the link's title, else what kind of link it is."""
        return self.title or words.LINK_KINDS.get(self.kind, self.kind)


@dataclass(frozen=True)
class Reading:
    """One item in one language, safe to show."""

    locale: str
    direction: str
    title: str
    summary: str
    body: SafeString
    plain: str
    question: str
    seeks: str
    links: tuple[ShownLink, ...]


def read_in(texts: Mapping[str, Text], links: tuple[Link, ...], brand: Mapping[str, str], wanted: str) -> Reading:
    """The item for a reader of the language `wanted`, or the nearest that there is (es-419 > es > en)."""
    locale = pick_locale(texts, wanted) or min(texts)
    text = texts[locale]
    name = brand.get("site_name", "")

    def line(value: str, most: int = MAX_LINE) -> str:
        return clean_text(fill_placeholders(value, site_name=name), most)

    return Reading(
        locale=locale,
        direction=direction(locale),
        title=line(text.title),
        summary=line(text.summary, MAX_SUMMARY),
        body=render_markdown(text.body, values={"site_name": name}),
        plain=fill_placeholders(text.body, site_name=name),
        question=line(text.question, MAX_SUMMARY),
        seeks=line(text.seeks, MAX_SUMMARY),
        links=shown(links, locale),
    )


def shown(links: tuple[Link, ...], locale: str) -> tuple[ShownLink, ...]:
    """The links for a reader of one language, each judged; one that is not safe is shown and does not lead anywhere."""
    wanted = normal_locale(locale)
    fitting = [link for link in links if not link.locale or f"{wanted}-".startswith(f"{normal_locale(link.locale)}-")]
    return tuple(ShownLink(link.kind, clean_text(link.title, MAX_LINE), check_url(link.url)) for link in fitting)


def direction(locale: str) -> str:
    """Which way a language is written."""
    return "rtl" if normal_locale(locale).split("-")[0] in _RIGHT_TO_LEFT else "ltr"
