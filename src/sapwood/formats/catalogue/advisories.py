"""Advisories, read from JSON and written back without loss."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sapwood.formats.catalogue.fields import Fields, day_text

Extra = Mapping[str, Any]


@dataclass(frozen=True)
class FixedIn:
    """Where a fix can be had: branch head, tags and distribution versions are three different things."""

    branch: dt.date | None
    tag: str | None
    also: tuple[str, ...]
    distributions: Mapping[str, str]

    @classmethod
    def from_dict(cls, data: object, where: str) -> "FixedIn":
        """Read it; every key but branch, tag and also is a distribution's name."""
        get = Fields(data or {}, where)
        branch, tag, also = get.day("branch"), get.maybe_text("tag"), get.texts("also")
        return cls(branch, tag, also, {name: value for name, value in get.rest().items() if isinstance(value, str)})

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        also = {"also": list(self.also)} if self.also else {}
        return {"branch": day_text(self.branch), "tag": self.tag, **self.distributions, **also}

    @property
    def tags(self) -> tuple[str, ...]:
        """Every release that carries the fix first on its line."""
        return ((self.tag,) if self.tag else ()) + self.also


@dataclass(frozen=True)
class Advisory:
    """Whom a hole affects, since when the public knows, where it is fixed. Severity comes from CVE records only."""

    id: str
    title: str | None
    first_seen: dt.date | None
    published: dt.date | None
    cve: str | None
    component: str | None
    versions: str | None
    lines: tuple[str, ...]
    releases: tuple[str, ...]
    fixed_in: FixedIn
    severity: Extra | None
    note: str | None = None
    source: tuple[str, ...] = ()
    confidence: str = ""
    extra: Extra = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: object, where: str) -> "Advisory":
        """Read one advisory."""
        get = Fields(data, where)
        affects = Fields(get.take("affects") or {}, get.at("affects"))
        return cls(
            id=get.text("id"),
            title=get.maybe_text("title"),
            first_seen=get.day("first_seen"),
            published=get.day("published"),
            cve=get.maybe_text("cve"),
            component=affects.maybe_text("component"),
            versions=affects.maybe_text("versions"),
            lines=affects.texts("lines"),
            releases=affects.texts("releases"),
            fixed_in=FixedIn.from_dict(get.take("fixed_in"), get.at("fixed_in")),
            severity=get.mapping("severity") or None,
            note=get.maybe_text("note"),
            source=get.texts("source"),
            confidence=get.maybe_text("confidence") or "",
            extra=get.rest(),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id,
            "cve": self.cve,
            "published": day_text(self.published),
            "first_seen": day_text(self.first_seen),
            "title": self.title,
            "affects": {
                "component": self.component,
                "versions": self.versions,
                "lines": list(self.lines),
                "releases": list(self.releases),
            },
            "fixed_in": self.fixed_in.to_dict(),
            "severity": dict(self.severity) if self.severity else None,
            "note": self.note,
            "source": list(self.source),
            "confidence": self.confidence,
            **self.extra,
        }

    @property
    def disclosed(self) -> dt.date | None:
        """The first day on which the public could know."""
        return min((day for day in (self.first_seen, self.published) if day), default=None)

    @property
    def rating(self) -> str | None:
        """The CVE record's word, or None: nothing is invented."""
        rating = (self.severity or {}).get("rating")
        return rating if isinstance(rating, str) else None
