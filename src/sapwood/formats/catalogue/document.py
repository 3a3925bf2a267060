"""The catalogue as one document: read from bytes, written as bytes, with its header."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sapwood.formats.canonical import strict_json
from sapwood.formats.catalogue.advisories import Advisory
from sapwood.formats.catalogue.fields import Fields, day_text, fail
from sapwood.formats.catalogue.lines import DistributionVersion, Extra, Line
from sapwood.formats.catalogue.ways import Edge, EdgeDefaults
from sapwood.formats.phrase import Phrase

TYPE = "catalogue"
VERSION = 1
NO_UUID = UUID(int=0)
MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Catalogue:
    """Lines, releases, distribution versions, edges and advisories of one project, as known on the day `as_of`.

    `lines` stand in their order: that order, not the alphabet, says which line is newer.
    """

    project: str
    as_of: dt.date
    lines: tuple[Line, ...]
    edges: tuple[Edge, ...] = ()
    edge_defaults: EdgeDefaults = field(default_factory=EdgeDefaults)
    advisories: tuple[Advisory, ...] = ()
    distributions: Mapping[str, tuple[DistributionVersion, ...]] = field(default_factory=dict)
    sources: Mapping[str, Extra] = field(default_factory=dict)
    support_policy: Extra = field(default_factory=dict)
    contradictions: tuple[Extra, ...] = ()
    uuid: UUID = NO_UUID
    revision: int = 0
    channel: str = "releases"
    title: str = ""
    extra: Extra = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: object) -> "Catalogue":
        """Read a catalogue; raises UnreadableCatalogueError with the place of the first field that is wrong."""
        get = Fields(data, "")
        _check_header(get)
        project = get.text("project")
        as_of = get.day("as_of")
        if as_of is None:
            raise fail("as_of", Phrase("a catalogue must say of which day it is"))
        revision = get.take("revision", 0)
        if isinstance(revision, bool) or not isinstance(revision, int):
            raise fail("revision", Phrase("expected a whole number"))
        distributions = get.mapping("distributions")
        return cls(
            project=project,
            as_of=as_of,
            lines=get.items("lines", Line.from_dict),
            edges=get.items("edges", Edge.from_dict),
            edge_defaults=EdgeDefaults.from_dict(get.take("edge_defaults") or {}, "edge_defaults"),
            advisories=get.items("advisories", Advisory.from_dict),
            distributions={
                name: Fields({name: versions}, "distributions").items(name, DistributionVersion.from_dict)
                for name, versions in distributions.items()
            },
            sources={name: _object(item, f"sources.{name}") for name, item in get.mapping("sources").items()},
            support_policy=get.mapping("support_policy"),
            contradictions=get.items("contradictions", _object),
            uuid=_uuid(get.maybe_text("uuid"), project),
            revision=revision,
            channel=get.maybe_text("channel") or "releases",
            title=get.maybe_text("title") or "",
            extra=get.rest(),
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Catalogue":
        """Read a catalogue from the bytes of its JSON document. Raises FormatError."""
        return cls.from_dict(strict_json(raw, MAX_BYTES))

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON values."""
        return {
            "type": TYPE,
            "version": VERSION,
            "uuid": str(self.uuid),
            "revision": self.revision,
            "channel": self.channel,
            "title": self.title,
            "project": self.project,
            "as_of": day_text(self.as_of),
            "support_policy": dict(self.support_policy),
            "sources": {name: dict(source) for name, source in self.sources.items()},
            "lines": [line.to_dict() for line in self.lines],
            "distributions": {
                name: [version.to_dict() for version in versions] for name, versions in self.distributions.items()
            },
            "edge_defaults": self.edge_defaults.to_dict(),
            "edges": [edge.to_dict() for edge in self.edges],
            "advisories": [advisory.to_dict() for advisory in self.advisories],
            "contradictions": [dict(item) for item in self.contradictions],
            **self.extra,
        }


def _check_header(get: Fields) -> None:
    kind = get.take("type", TYPE)
    if kind != TYPE:
        raise fail("type", Phrase("expected %(type)s, found %(found)s", type=TYPE, found=repr(str(kind)[:40])))
    version = get.take("version", get.take("schema", VERSION))
    if version != VERSION:
        raise fail(
            "version",
            Phrase(
                "this program reads version %(version)s, found %(found)s",
                version=VERSION,
                found=repr(str(version)[:40]),
            ),
        )


def _uuid(text: str | None, project: str) -> UUID:
    """The document's own, or one that every copy of a project's catalogue works out alike."""
    if not text:
        return uuid5(NAMESPACE_URL, f"sapwood:catalogue:{project}")
    try:
        return UUID(text)
    except ValueError:
        raise fail("uuid", Phrase("expected a UUID")) from None


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise fail(where, Phrase("expected an object"))
    return dict(value)
