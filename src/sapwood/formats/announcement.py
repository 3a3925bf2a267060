"""Announcement: a message from the project to sites, in many languages, for an administrator to judge."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from sapwood.formats.canonical import JSON
from sapwood.formats.conditions import CONDITION, Condition
from sapwood.formats.errors import SchemaError
from sapwood.formats.phrase import Phrase
from sapwood.formats.publication import (
    DEFAULT_LOCALE,
    Audience,
    Link,
    LocaleText,
    Publication,
    Severity,
    check_https,
    check_links,
    match_locale,
    normal_locale,
    pick_locale,
)
from sapwood.formats.records import Record


class Kind(StrEnum):
    """What sort of message an announcement is."""

    NEWS = "news"
    RELEASE_NOTES = "release_notes"
    FEATURE = "feature"
    ADVISORY = "advisory"
    SECURITY_PRE_ANNOUNCEMENT = "security_pre_announcement"
    FEEDBACK_REQUEST = "feedback_request"
    EVENT = "event"
    CASE_STUDY = "case_study"
    ELECTION = "election"


@dataclass(frozen=True, kw_only=True)
class Event(Record):
    """When and where something takes place, and who can take part how."""

    starts_at: datetime
    ends_at: datetime
    place: str = ""
    lodging: str = ""
    remote: str = ""
    remote_url: str = ""
    accessibility: str = ""
    time_zone: str = ""


@dataclass(frozen=True, kw_only=True)
class Feedback(Record):
    """A question to people of a site: what, until when, and whom it seeks.

    Question and seeks stand here in the author's language; `LocaleText` carries their translations.
    """

    question: str
    closes_at: datetime | None = None
    seeks: str = ""


@dataclass(frozen=True, kw_only=True)
class Announcement(Publication):
    """One message. Its audience is a suggestion; administrators are the default and the gate.

    A revision with `alert` off (a translation, a corrected word) changes the text without a new alert.
    """

    constants: ClassVar[Mapping[str, JSON]] = {"type": "announcement", "version": 1}

    kind: Kind
    texts: Mapping[str, LocaleText]
    severity: Severity = Severity.NONE
    audience: Audience = Audience.ADMINISTRATORS
    alert: bool = True
    condition: Annotated[Condition | None, CONDITION] = None
    publish_at: datetime | None = None
    expires_at: datetime | None = None
    links: tuple[Link, ...] = ()
    supersedes: tuple[UUID, ...] = ()
    closes: tuple[UUID, ...] = ()
    event: Event | None = None
    feedback: Feedback | None = None

    def text(self, wanted: str | Iterable[str], default: str = DEFAULT_LOCALE) -> LocaleText:
        """The text to show to a reader of this language, or of these in order (see `pick_locale`)."""
        locale = pick_locale(self.texts, wanted, default)
        if locale is None:
            raise SchemaError(Phrase("The announcement has no text."), hint=Phrase("Write at least one language."))
        return self.texts[locale]

    def question(self, wanted: str | Iterable[str]) -> str:
        """The question of a feedback request in the reader's language, or in the author's; else empty."""
        return self._feedback_text("question", wanted) or (self.feedback.question if self.feedback else "")

    def seeks(self, wanted: str | Iterable[str]) -> str:
        """Whom a feedback request seeks, in the reader's language or in the author's; else empty."""
        return self._feedback_text("seeks", wanted) or (self.feedback.seeks if self.feedback else "")

    def _feedback_text(self, name: str, wanted: str | Iterable[str]) -> str:
        translated = {locale: getattr(text, name) for locale, text in self.texts.items() if getattr(text, name)}
        locale = match_locale(translated, wanted)
        return translated[locale] if locale else ""

    def links_for(self, locale: str) -> tuple[Link, ...]:
        """The links for a reader of this language: those bound to it, and those bound to none."""
        wanted = normal_locale(locale)
        return tuple(
            link for link in self.links if not link.locale or f"{wanted}-".startswith(f"{normal_locale(link.locale)}-")
        )

    def is_live(self, now: datetime) -> bool:
        """Whether its window is open: published, and not yet expired."""
        return (self.publish_at is None or self.publish_at <= now) and (
            self.expires_at is None or now < self.expires_at
        )


def check_announcement(item: Announcement) -> None:
    """What the schema cannot say: order of instants, addresses, references to itself. Raises SchemaError."""
    _in_order(item.publish_at, item.expires_at, "expires_at", "publish_at", strictly=True)
    if item.event:
        _in_order(item.event.starts_at, item.event.ends_at, "event.ends_at", "event.starts_at", strictly=False)
        if item.event.remote_url:
            check_https(item.event.remote_url, "event.remote_url")
    check_links(item.links, "links")
    for name, others in (("supersedes", item.supersedes), ("closes", item.closes)):
        if item.uuid in others:
            raise SchemaError(
                Phrase("The announcement names itself in %(name)s.", name=name),
                hint=Phrase("Remove it from %(name)s.", name=name),
                path=name,
            )


def _in_order(
    earlier: datetime | None, later: datetime | None, later_name: str, earlier_name: str, *, strictly: bool
) -> None:
    if earlier is None or later is None or earlier < later or (earlier == later and not strictly):
        return
    raise SchemaError(
        Phrase("%(later)s is not after %(earlier)s.", later=later_name, earlier=earlier_name),
        hint=Phrase("Correct one of the two instants."),
        path=later_name,
    )
