"""What differs between two catalogues, part by part: for the person who gives one the second look."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sapwood.formats.catalogue.document import Catalogue

NESTED = ("releases", "steps", "risks")


@dataclass(frozen=True)
class Change:
    """One part that was added, removed or changed; `fields` names what changed in it."""

    kind: str
    where: str
    fields: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"kind": self.kind, "where": self.where, "fields": list(self.fields)}


def changes(old: Catalogue, new: Catalogue) -> list[Change]:
    """The differences in the order of the new catalogue, removals at the end; revision and uuid do not count."""
    before, after = dict(_parts(old)), dict(_parts(new))
    found: list[Change] = []
    for where, part in after.items():
        if where not in before:
            found.append(Change("added", where))
        elif before[where] != part:
            keys = [*part, *(key for key in before[where] if key not in part)]
            differing = tuple(key for key in keys if part.get(key) != before[where].get(key))
            found.append(Change("changed", where, differing))
    found += [Change("removed", where) for where in before if where not in after]
    return found


def _parts(catalogue: Catalogue) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "catalogue", {"as_of": catalogue.as_of, "title": catalogue.title, "policy": catalogue.support_policy}
    for name, source in catalogue.sources.items():
        yield f"sources.{name}", source
    for line in catalogue.lines:
        yield from _split(f"lines.{line.name}", line.to_dict())
    for name, versions in catalogue.distributions.items():
        for version in versions:
            yield f"distributions.{name}.{version.version}", version.to_dict()
    yield from _split("edge_defaults", catalogue.edge_defaults.to_dict())
    for edge in catalogue.edges:
        yield from _split(f"edges.{edge.start}-{edge.end}", edge.to_dict())
    for advisory in catalogue.advisories:
        yield f"advisories.{advisory.id}", advisory.to_dict()
    for item in catalogue.contradictions:
        yield f"contradictions.{item.get('id')}", item
    for key, value in catalogue.extra.items():
        yield key, {"value": value}


def _split(where: str, data: dict[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A part by itself, and the parts inside it each on its own."""
    yield where, {key: value for key, value in data.items() if key not in NESTED}
    for key in NESTED:
        for item in data.get(key) or ():
            yield f"{where}.{key}.{item.get('version') or item.get('id')}", item
