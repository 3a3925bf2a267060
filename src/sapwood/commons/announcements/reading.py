"""An announcement as one reader sees it: the language that suits them, safe markup, checked links."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.safestring import SafeString
from django.utils.translation import get_language_info

from sapwood.commons.announcements.documents import Raw, read_announcement
from sapwood.core.markup import LinkReport, check_url, clean_text, html_to_text, render_markdown
from sapwood.formats.announcement import Announcement, Event
from sapwood.formats.canonical import JSON
from sapwood.formats.publication import fill_placeholders, normal_locale, pick_locale

MAX_LINE_CHARS: Final = 2_000
_RIGHT_TO_LEFT: Final = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})


@dataclass(frozen=True)
class ReadLink:
    """A link with its real host beside it."""

    title: str
    kind: str
    report: LinkReport


@dataclass(frozen=True)
class Reading:
    """What stands on the page, in the mail or in the feed."""

    locale: str
    direction: str
    title: str
    summary: str
    body: SafeString
    origin: str
    translator: str
    fallback: bool
    question: str
    seeks: str
    links: tuple[ReadLink, ...]
    event: Event | None
    remote: LinkReport | None
    item: Announcement

    @property
    def plain(self) -> str:
        """The body as plain text, for mail."""
        return html_to_text(str(self.body))


def read_for(raw: Raw, wanted: Sequence[str], *, site_name: str) -> Reading:
    """The announcement for a reader of these languages, in their order; es-419 falls back on es, then on English."""
    item = read_announcement(raw)
    locale = pick_locale(item.texts, _with_variants(wanted, item.texts)) or next(iter(item.texts))
    text = item.texts[locale]
    feedback = item.feedback

    def line(value: str) -> str:
        return clean_text(fill_placeholders(value, site_name=site_name), MAX_LINE_CHARS)

    return Reading(
        locale=locale,
        direction=direction_of(locale),
        title=line(text.title),
        summary=line(text.summary),
        body=render_markdown(text.body, values={"site_name": site_name}),
        origin=text.origin.value,
        translator=clean_text(text.translator, 200),
        fallback=not any(normal_locale(locale).split("-")[0] == normal_locale(w).split("-")[0] for w in wanted[:1]),
        question=line(text.question or (feedback.question if feedback else "")),
        seeks=line(text.seeks or (feedback.seeks if feedback else "")),
        links=tuple(
            ReadLink(clean_text(link.title, 300), link.kind, report)
            for link in item.links_for(locale)
            if (report := check_url(link.url)).ok
        ),
        event=item.event,
        remote=check_url(item.event.remote_url) if item.event and item.event.remote_url else None,
        item=item,
    )


def lines(text: Mapping[str, JSON]) -> str:
    """Title, summary and body of one language in plain lines, for a comparison."""
    return "\n".join(str(text[name]) for name in ("title", "summary", "body") if text.get(name))


def _with_variants(wanted: Sequence[str], available: Iterable[str]) -> list[str]:
    """Who reads es also reads es-419: after each wanted language come the variants of it that there are."""
    variants = sorted(available)
    return [
        tag
        for locale in wanted
        for tag in (locale, *(v for v in variants if normal_locale(v).startswith(f"{normal_locale(locale)}-")))
    ]


def direction_of(locale: str) -> str:
    """`rtl` for languages that are written from right to left."""
    return "rtl" if normal_locale(locale).split("-")[0] in _RIGHT_TO_LEFT else "ltr"


def language_name(locale: str) -> str:
    """A language by its own name, or its tag when it has none here."""
    for tag in (normal_locale(locale), normal_locale(locale).split("-")[0]):
        try:
            return str(get_language_info(tag)["name_local"])
        except KeyError:
            continue
    return locale
