"""The inbox's words, and the frozen values that it hands around."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from sapwood.core.data import JSON


class Decision(models.TextChoices):
    """What an administrator of this site did with an item."""

    NEW = "new", _("new")
    IN_REVIEW = "in_review", _("in review")
    SNOOZED = "snoozed", _("snoozed")
    APPROVED = "approved", _("approved")
    REJECTED = "rejected", _("rejected")
    ARCHIVED = "archived", _("archived")


class Upstream(models.TextChoices):
    """What became of the publication since it arrived."""

    CURRENT = "current", _("current")
    REVISED = "revised", _("revised")
    SUPERSEDED = "superseded", _("superseded")
    RETRACTED = "retracted", _("retracted")
    EXPIRED = "expired", _("expired")
    FIXED_HERE = "fixed_here", _("fixed here")


class DeliveryState(models.TextChoices):
    """How far one delivery is; uncertain: it was being handed over when the process died."""

    WAITING = "waiting", _("waiting")
    SENT = "sent", _("sent")
    UNCERTAIN = "uncertain", _("uncertain")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


class Audience(models.TextChoices):
    """Whom a message is for, the narrowest first."""

    ADMINISTRATORS = "administrators", _("administrators")
    INSTRUCTORS = "instructors", _("instructors")
    LEARNERS = "learners", _("learners")

    @property
    def reach(self) -> int:
        """0 for administrators, 2 for learners."""
        return list(Audience).index(self)

    def reads(self) -> "list[Audience]":
        """Whose announcements this audience may read: its own and those of every wider audience."""
        return [audience for audience in Audience if audience.reach >= self.reach]


class OutletKind(models.TextChoices):
    """Where an approved item can go."""

    PAGE = "page", _("announcements page")
    FEED = "feed", _("Atom feed")
    MAIL = "mail", _("e-mail")
    WEBHOOK = "webhook", _("webhook")


class Verdict(models.TextChoices):
    """Whether the condition of an item holds at this site."""

    YES = "yes", _("concerns this site")
    NO = "no", _("does not concern this site")
    UNKNOWN = "unknown", _("unknown whether it concerns this site")


class Source(models.TextChoices):
    """How a person came onto the list."""

    SUBSCRIBED = "subscribed", _("subscribed")
    OIDC = "oidc", _("signed in")
    CSV = "csv", _("imported")
    ADDED = "added", _("added")


class RuleEffect(models.TextChoices):
    """What a rule may do. There is no effect that approves, by design."""

    FILE = "file", _("archive at once")
    MUTE = "mute", _("keep, without asking for attention")


SEVERITIES = ("none", "low", "medium", "high", "critical")
HIGH = SEVERITIES.index("high")


def severity_rank(severity: str) -> int:
    """Its place from none (0) to critical (4); a word that we do not know counts as medium."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else SEVERITIES.index("medium")


def is_security_channel(channel: str) -> bool:
    """Whether a channel carries security publications, whoever publishes it."""
    return channel.partition("@")[0] == "security"


@dataclass(frozen=True)
class Received:
    """One publication as the channel (or a plain feed) hands it over; `raw` is what was verified."""

    id: int
    channel: str
    path: str
    sha256: str
    raw: bytes
    uuid: str
    revision: int
    type: str
    received_at: dt.datetime
    verified_by: tuple[str, ...]
    published_at: dt.datetime | None
    subscription: str = ""


@dataclass(frozen=True)
class Text:
    """One language of an item: what people read. `body` is Markdown."""

    title: str
    summary: str = ""
    body: str = ""
    question: str = ""
    seeks: str = ""

    def as_dict(self) -> dict[str, str]:
        """As it stands in an approval; empty parts are left out."""
        parts = {
            "title": self.title,
            "summary": self.summary,
            "body": self.body,
            "question": self.question,
            "seeks": self.seeks,
        }
        return {name: value for name, value in parts.items() if value or name == "title"}

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> "Text":
        """Read back what `as_dict` wrote."""
        names = ("title", "summary", "body", "question", "seeks")
        return cls(**{name: str(parts.get(name, "")) for name in names})

    def as_lines(self) -> str:
        """All parts as one text, for comparing."""
        parts = (self.title, self.summary, self.body, self.question, self.seeks)
        return "\n\n".join(part for part in parts if part)


@dataclass(frozen=True)
class Link:
    """Where an item leads; bound to one language where `locale` is set."""

    kind: str
    url: str
    title: str = ""
    locale: str = ""

    def as_dict(self) -> dict[str, str]:
        """As it stands in an approval."""
        return {"kind": self.kind, "url": self.url, "title": self.title, "locale": self.locale}


@dataclass(frozen=True)
class Window:
    """From when until when an approved item may be delivered and shown; no end: until somebody withdraws it."""

    start: dt.datetime
    end: dt.datetime | None = None

    def as_dict(self) -> dict[str, str | None]:
        """As it stands in an approval."""
        return {"from": instant(self.start), "until": instant(self.end) if self.end else None}


@dataclass(frozen=True)
class Choices:
    """What an approver chooses beside the text. `locales` empty: every language that the item has."""

    audience: Audience = Audience.ADMINISTRATORS
    outlets: tuple[OutletKind, ...] = (OutletKind.PAGE, OutletKind.FEED)
    locales: tuple[str, ...] = ()
    window: Window | None = None


@dataclass(frozen=True)
class ImportReport:
    """What one import did."""

    seen: int = 0
    fresh: int = 0
    revised: int = 0
    retracted: int = 0
    filed: int = 0
    unreadable: int = 0
    problems: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, JSON]:
        """For `--json` and the audit log."""
        return {
            "seen": self.seen,
            "new": self.fresh,
            "revised": self.revised,
            "retracted": self.retracted,
            "archived": self.filed,
            "unreadable": self.unreadable,
            "problems": list(self.problems),
        }


@dataclass(frozen=True)
class DeliveryReport:
    """What one round of deliveries did."""

    sent: int = 0
    waiting: int = 0
    uncertain: int = 0
    failed: int = 0
    cancelled: int = 0
    held: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, JSON]:
        """For `--json`."""
        return {
            "sent": self.sent,
            "waiting": self.waiting,
            "uncertain": self.uncertain,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "held": list(self.held),
        }


@dataclass(frozen=True)
class Reader:
    """Who looks at the announcements page: the audience that they belong to (None: a stranger) and their language."""

    audience: Audience | None
    locale: str
    person: UUID | None = None


def instant(value: dt.datetime) -> str:
    """An instant as documents carry it: UTC, whole seconds, Z."""
    return value.astimezone(dt.UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def whole_second(value: dt.datetime) -> dt.datetime:
    """The same instant without its fraction, so that it reads back as it was written."""
    return value.astimezone(dt.UTC).replace(microsecond=0)


def read_instant(text: str) -> dt.datetime:
    """The other way round."""
    return dt.datetime.fromisoformat(text)
