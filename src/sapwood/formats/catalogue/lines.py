"""Lines, releases and distribution versions, read from JSON and written back without loss."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sapwood.formats.catalogue.fields import Fields, day_text, fail, parse_day
from sapwood.formats.phrase import Phrase

Extra = Mapping[str, Any]


@dataclass(frozen=True)
class Release:
    """One tagged point of a line. `listed` is False for a tag that the project's own table leaves out."""

    version: str
    tag: str
    date: dt.date | None
    listed: bool = True
    not_before: dt.date | None = None
    not_after: dt.date | None = None
    note: str | None = None
    confidence: str = ""
    extra: Extra = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: object, where: str) -> "Release":
        """Read one release."""
        get = Fields(data, where)
        return cls(
            version=get.text("version"),
            tag=get.text("tag"),
            date=get.day("date"),
            listed=get.flag("listed", True),
            not_before=get.day("not_before"),
            not_after=get.day("not_after"),
            note=get.maybe_text("note"),
            confidence=get.maybe_text("confidence") or "",
            extra=get.rest(),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON; what is unknown and usual is left out."""
        data: dict[str, Any] = {"version": self.version, "tag": self.tag, "date": day_text(self.date)}
        data["confidence"] = self.confidence
        if not self.listed:
            data["listed"] = False
        if self.not_before or self.not_after:
            data |= {"not_before": day_text(self.not_before), "not_after": day_text(self.not_after)}
        if self.note is not None:
            data["note"] = self.note
        return data | dict(self.extra)

    @property
    def out_by(self) -> dt.date | None:
        """The day by which the release was certainly out."""
        return self.date or self.not_after


@dataclass(frozen=True)
class Span:
    """Two ends in time; either may be unknown. Instants keep the minute that their source gives."""

    start: str | None
    end: str | None

    @classmethod
    def take(cls, fields: Fields, name: str) -> "Span | None":
        """Read {from, to}, or None for null."""
        raw = fields.take(name)
        if raw is None:
            return None
        get = Fields(raw, fields.at(name))
        span = cls(get.maybe_text("from"), get.maybe_text("to"))
        for end, value in (("from", span.start), ("to", span.end)):
            parse_day(value[:10] if value else None, get.at(end))
        return span

    def days(self) -> tuple[dt.date | None, dt.date | None]:
        """Both ends as days."""
        return (
            dt.date.fromisoformat(self.start[:10]) if self.start else None,
            dt.date.fromisoformat(self.end[:10]) if self.end else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"from": self.start, "to": self.end}


def _planned(get: Fields) -> str | None:
    value = get.maybe_text("planned")
    if value is not None and not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])(-[0-9]{2})?", value):
        raise fail(get.at("planned"), Phrase("expected a day or a month, as YYYY-MM-DD or YYYY-MM"))
    if value is not None and len(value) > len("2026-12"):
        parse_day(value, get.at("planned"))
    return value


@dataclass(frozen=True)
class Line:
    """A named release line: when it was cut, its releases in order, how long it is supported, what it runs on."""

    name: str
    letter: str
    status: str
    releases: tuple[Release, ...]
    cut: dt.date | None = None
    cut_stated: dt.date | None = None
    cut_window: Span | None = None
    cut_confidence: str | None = None
    cut_note: str | None = None
    branch: str | None = None
    supported_until: dt.date | None = None
    planned: str | None = None
    tag_form: str | None = None
    notes_url: str | None = None
    notes_span: Span | None = None
    runtimes: Extra | None = None
    source: tuple[str, ...] = ()
    confidence: str = ""
    extra: Extra = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: object, where: str) -> "Line":
        """Read one line."""
        get = Fields(data, where)
        return cls(
            name=get.text("name"),
            letter=get.maybe_text("letter") or "",
            status=get.text("status"),
            releases=get.items("releases", Release.from_dict),
            cut=get.day("cut"),
            cut_stated=get.day("cut_stated"),
            cut_window=Span.take(get, "cut_window"),
            cut_confidence=get.maybe_text("cut_confidence"),
            cut_note=get.maybe_text("cut_note"),
            branch=get.maybe_text("branch"),
            supported_until=get.day("supported_until"),
            planned=_planned(get),
            tag_form=get.maybe_text("tag_form"),
            notes_url=get.maybe_text("notes_url"),
            notes_span=Span.take(get, "notes_span"),
            runtimes=get.mapping("runtimes") or None,
            source=get.texts("source"),
            confidence=get.maybe_text("confidence") or "",
            extra=get.rest(),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        span = {"notes_span": self.notes_span.to_dict()} if self.notes_span else {}
        return {
            "name": self.name,
            "letter": self.letter,
            "status": self.status,
            "cut": day_text(self.cut),
            "cut_stated": day_text(self.cut_stated),
            "cut_window": self.cut_window.to_dict() if self.cut_window else None,
            "cut_confidence": self.cut_confidence,
            "cut_note": self.cut_note,
            "releases": [release.to_dict() for release in self.releases],
            "branch": self.branch,
            "supported_until": day_text(self.supported_until),
            "planned": self.planned,
            "tag_form": self.tag_form,
            "notes_url": self.notes_url,
            **span,
            "runtimes": dict(self.runtimes) if self.runtimes else None,
            "source": list(self.source),
            "confidence": self.confidence,
            **self.extra,
        }

    @property
    def first(self) -> Release | None:
        """The release that opened the line."""
        return self.releases[0] if self.releases else None

    @property
    def last(self) -> Release | None:
        """The newest release of the line."""
        return self.releases[-1] if self.releases else None


@dataclass(frozen=True)
class DistributionVersion:
    """One version of a distribution (an installer, a package) and the release that it pins."""

    version: str
    date: dt.date | None
    ships: str
    first_with_release: bool = False
    tag_date: dt.date | None = None
    changelog_date: dt.date | None = None
    after_as_of: bool = False
    note: str | None = None
    source: tuple[str, ...] = ()
    confidence: str = ""
    extra: Extra = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: object, where: str) -> "DistributionVersion":
        """Read one version."""
        get = Fields(data, where)
        return cls(
            version=get.text("version"),
            date=get.day("date"),
            ships=get.text("ships"),
            first_with_release=get.flag("first_with_release", False),
            tag_date=get.day("tag_date"),
            changelog_date=get.day("changelog_date"),
            after_as_of=get.flag("after_as_of", False),
            note=get.maybe_text("note"),
            source=get.texts("source"),
            confidence=get.maybe_text("confidence") or "",
            extra=get.rest(),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "version": self.version,
            "date": day_text(self.date),
            "ships": self.ships,
            "first_with_release": self.first_with_release,
            "tag_date": day_text(self.tag_date),
            "changelog_date": day_text(self.changelog_date),
            "after_as_of": self.after_as_of,
            "note": self.note,
            "source": list(self.source),
            "confidence": self.confidence,
            **self.extra,
        }
