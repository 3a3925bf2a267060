"""Upgrade edges with their steps and risks, read from JSON and written back without loss."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sapwood.formats.catalogue.fields import Fields, fail
from sapwood.formats.phrase import Phrase

Extra = Mapping[str, Any]


@dataclass(frozen=True)
class Applies:
    """To which sites a step or risk applies: words for people, and a condition on facts where one can be stated.

    `rule` is True (every site), a condition (see `sapwood.formats.conditions`), or None: only a person can tell.
    """

    words: str
    rule: Mapping[str, Any] | bool | None

    @classmethod
    def take(cls, fields: Fields) -> "Applies":
        """Read `applies_if` (true, a condition, null, or words alone) and `applies_text`."""
        raw = fields.take("applies_if")
        words = fields.maybe_text("applies_text") or ""
        if isinstance(raw, str):
            return cls(raw, True if raw.strip().lower() == "always" else None)
        if raw is None or raw is True:
            return cls(words or (Phrase("always") if raw else ""), raw)
        if isinstance(raw, Mapping):
            return cls(words, dict(raw))
        raise fail(fields.at("applies_if"), Phrase("expected true, null, words or a condition"))

    def to_dict(self) -> dict[str, Any]:
        """Both fields as JSON."""
        return {"applies_if": self.rule, "applies_text": self.words}


@dataclass(frozen=True)
class Step:
    """Something to do on the way: before (still on the old line), during or after."""

    id: str
    when: str
    title: str
    detail: str
    applies: Applies
    automation: str
    source: tuple[str, ...] = ()
    confidence: str = ""
    extra: Extra = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: object, where: str) -> "Step":
        """Read one step."""
        get = Fields(data, where)
        return cls(
            id=get.text("id"),
            when=get.text("when"),
            title=get.text("title"),
            detail=get.maybe_text("detail") or "",
            applies=Applies.take(get),
            automation=get.maybe_text("automation") or "manual",
            source=get.texts("source"),
            confidence=get.maybe_text("confidence") or "",
            extra=get.rest(),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id,
            "when": self.when,
            "title": self.title,
            "detail": self.detail,
            **self.applies.to_dict(),
            "automation": self.automation,
            "source": list(self.source),
            "confidence": self.confidence,
            **self.extra,
        }


@dataclass(frozen=True)
class Risk:
    """Something that can go wrong on the way: it blocks, loses data, costs time or changes behaviour."""

    id: str
    title: str
    detail: str
    applies: Applies
    severity: str
    source: tuple[str, ...] = ()
    confidence: str = ""
    extra: Extra = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: object, where: str) -> "Risk":
        """Read one risk."""
        get = Fields(data, where)
        return cls(
            id=get.text("id"),
            title=get.text("title"),
            detail=get.maybe_text("detail") or "",
            applies=Applies.take(get),
            severity=get.text("severity"),
            source=get.texts("source"),
            confidence=get.maybe_text("confidence") or "",
            extra=get.rest(),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id,
            "title": self.title,
            "detail": self.detail,
            **self.applies.to_dict(),
            "severity": self.severity,
            "source": list(self.source),
            "confidence": self.confidence,
            **self.extra,
        }


@dataclass(frozen=True)
class Edge:
    """A permitted upgrade from one line to the next. An announced one leads to a line that does not exist yet."""

    start: str
    end: str
    kind: str
    announced: bool
    steps: tuple[Step, ...]
    risks: tuple[Risk, ...]
    needs_release: str | None = None
    confidence: str = ""
    extra: Extra = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: object, where: str) -> "Edge":
        """Read one edge."""
        get = Fields(data, where)
        return cls(
            start=get.text("from"),
            end=get.text("to"),
            kind=get.maybe_text("kind") or "line",
            announced=get.flag("announced", False),
            steps=get.items("steps", Step.from_dict),
            risks=get.items("risks", Risk.from_dict),
            needs_release=get.maybe_text("needs_release"),
            confidence=get.maybe_text("confidence") or "",
            extra=get.rest(),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        needs = {"needs_release": self.needs_release} if self.needs_release else {}
        return {
            "from": self.start,
            "to": self.end,
            "kind": self.kind,
            "announced": self.announced,
            **needs,
            "steps": [step.to_dict() for step in self.steps],
            "risks": [risk.to_dict() for risk in self.risks],
            "confidence": self.confidence,
            **self.extra,
        }


@dataclass(frozen=True)
class EdgeDefaults:
    """Steps and risks that hold for every edge and are therefore stated once."""

    steps: tuple[Step, ...] = ()
    risks: tuple[Risk, ...] = ()
    extra: Extra = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: object, where: str) -> "EdgeDefaults":
        """Read the defaults."""
        get = Fields(data, where)
        return cls(get.items("steps", Step.from_dict), get.items("risks", Risk.from_dict), get.rest())

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "steps": [step.to_dict() for step in self.steps],
            "risks": [risk.to_dict() for risk in self.risks],
            **self.extra,
        }
