"""Reading what arrived: verified bytes become what the inbox needs to know, or are refused on their own."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from sapwood.core.markup import safe_characters
from sapwood.formats.advisory import Advisory, Phase
from sapwood.formats.announcement import Announcement
from sapwood.formats.canonical import sha256_hex, strict_json
from sapwood.formats.documents import parse
from sapwood.formats.errors import FormatError
from sapwood.formats.publication import Link as PublishedLink
from sapwood.formats.publication import LocaleText
from sapwood.formats.release import Release
from sapwood.formats.retraction import Retraction
from sapwood.site.inbox.data import Link, Text
from sapwood.site.inbox.models import Revision

# What other modules read; people have no use for the documents themselves.
NOT_FOR_PEOPLE = frozenset({"catalogue", "certificate", "migrationreport", "sitefacts", "channel-index"})
MAX_TITLE = 300


@dataclass(frozen=True)
class Doc:
    """An announcement as this site understands it."""

    kind: str
    severity: str
    audience: str
    texts: Mapping[str, Text]
    origins: Mapping[str, str]
    links: tuple[Link, ...]
    condition: Any
    publish_at: dt.datetime | None
    expires_at: dt.datetime | None
    survey_closes_at: dt.datetime | None
    supersedes: tuple[str, ...]
    closes: tuple[str, ...]
    event: Mapping[str, Any] | None
    alert: bool = True
    channel: str = ""

    @property
    def title(self) -> str:
        """What lists show: the English title, or the first there is."""
        locale = "en" if "en" in self.texts else min(self.texts)
        return self.texts[locale].title[:MAX_TITLE]


@dataclass(frozen=True)
class Withdrawal:
    """A retraction as this site understands it."""

    publication: str
    revision: int | None
    reason: str
    urgent: bool = False

    def covers(self, revision: int) -> bool:
        """Whether it takes back this revision."""
        return self.revision in {None, revision}


def type_in(raw: bytes) -> str:
    """The type that a document claims; empty when it cannot be told."""
    try:
        return str(strict_json(raw).get("type", ""))
    except FormatError:
        return ""


def read(raw: bytes) -> Doc:
    """An announcement from its bytes. Raises FormatError."""
    document = parse(raw).document
    if isinstance(document, Announcement):
        return of(document)
    if isinstance(document, Advisory):
        return _of_advisory(document)
    if isinstance(document, Release):
        return _of_release(document)
    raise FormatError(
        _("This is a document of the type %(type)s, which people do not read")
        % {"type": type(document).__name__.lower()},
        hint=_("It is kept; nothing else is held up."),
    )


def of(item: Announcement) -> Doc:
    """The same from an announcement that was parsed already."""
    feedback = item.feedback
    return Doc(
        kind=str(item.kind),
        severity=str(item.severity),
        audience=str(item.audience),
        texts=_texts(item.texts, feedback.question if feedback else "", feedback.seeks if feedback else ""),
        origins={locale: str(text.origin) for locale, text in item.texts.items()},
        links=_links(item.links),
        condition=item.condition,
        publish_at=item.publish_at,
        expires_at=item.expires_at,
        survey_closes_at=feedback.closes_at if feedback else None,
        supersedes=tuple(str(uuid) for uuid in item.supersedes),
        closes=tuple(str(uuid) for uuid in item.closes),
        event=item.event.to_dict() if item.event else None,
        alert=item.alert,
        channel=item.channel,
    )


def _of_advisory(item: Advisory) -> Doc:
    pre = item.phase is Phase.PRE_ANNOUNCEMENT
    return Doc(
        kind="security_pre_announcement" if pre else "advisory",
        severity=str(item.severity) if item.severity else "high",
        audience="administrators",
        texts=_texts(item.texts) or {"en": Text(title=item.id)},
        origins={locale: str(text.origin) for locale, text in item.texts.items()},
        links=_links(item.links),
        condition=item.condition,
        publish_at=None,
        expires_at=None,
        survey_closes_at=None,
        supersedes=tuple(str(uuid) for uuid in item.supersedes),
        closes=(),
        event=None,
        channel=item.channel,
    )


def _of_release(item: Release) -> Doc:
    title = f"Release {item.release}: {item.status.value}"
    return Doc(
        kind="release_notes",
        severity="low",
        audience="administrators",
        texts=_texts(item.texts) or {"en": Text(title=title, summary=item.reason)},
        origins={locale: str(text.origin) for locale, text in item.texts.items()},
        links=_links(item.notes),
        condition=item.condition,
        publish_at=None,
        expires_at=None,
        survey_closes_at=None,
        supersedes=(),
        closes=(),
        event=None,
        channel=item.channel,
    )


def _texts(texts: Mapping[str, LocaleText], question: str = "", seeks: str = "") -> dict[str, Text]:
    return {
        locale: Text(
            *map(safe_characters, (text.title, text.summary, text.body, text.question or question, text.seeks or seeks))
        )
        for locale, text in texts.items()
    }


def _links(links: Iterable[PublishedLink]) -> tuple[Link, ...]:
    return tuple(Link(str(link.kind), link.url, link.title, link.locale) for link in links)


def stored(revision: Revision) -> Doc:
    """A revision that is kept here. Raises FormatError when its bytes are no longer those that were verified."""
    raw = bytes(revision.raw)
    if sha256_hex(raw) != revision.sha256:
        raise FormatError(
            _("The stored bytes of item %(id)s, revision %(revision)s, were changed")
            % {"id": revision.item_id, "revision": revision.number},
            hint=_("Restore the database from a backup, and look at the audit log."),
        )
    return read(raw)


def withdrawal(raw: bytes) -> Withdrawal:
    """A retraction from its bytes. Raises FormatError."""
    document = parse(raw).document
    if not isinstance(document, Retraction):
        raise FormatError(_("This is not a retraction"), hint=_("It is kept; nothing else is held up."))
    return Withdrawal(str(document.retracts), document.retracts_revision, document.reason, urgent=document.urgent)


def only_adds_languages(old: Doc, new: Doc) -> bool:
    """Whether a revision is the same message with more languages: no reason to raise a hand again."""
    same = (
        old.kind == new.kind
        and old.severity == new.severity
        and old.links == new.links
        and old.expires_at == new.expires_at
        and old.survey_closes_at == new.survey_closes_at
        and old.event == new.event
    )
    return same and all(new.texts.get(locale) == text for locale, text in old.texts.items())
