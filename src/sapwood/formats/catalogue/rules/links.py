"""Edges, steps, risks, sources and known contradictions: ids are unique and everything named exists."""

from collections.abc import Iterator, Sequence

from sapwood.formats.catalogue.document import Catalogue
from sapwood.formats.catalogue.finding import Finding, error, warning
from sapwood.formats.catalogue.order import find_line, find_release
from sapwood.formats.catalogue.rules.lines import CONFIDENCES
from sapwood.formats.catalogue.ways import Edge, EdgeDefaults, Risk, Step
from sapwood.formats.phrase import Phrase

WHENS = ("before", "during", "after")
SEVERITIES = ("blocks", "data-loss", "downtime", "behaviour")


def check_edges(catalogue: Catalogue) -> Iterator[Finding]:
    """All rules about edges, steps and risks."""
    names = [line.name for line in catalogue.lines]
    pairs: set[tuple[str, str]] = set()
    for edge in catalogue.edges:
        where = f"edges.{edge.start}-{edge.end}"
        if (edge.start, edge.end) in pairs:
            yield error("edge.duplicate", where, Phrase("the edge stands twice"))
        pairs.add((edge.start, edge.end))
        unknown = [name for name in (edge.start, edge.end) if name not in names]
        for name in unknown:
            yield error("edge.unknown_line", where, Phrase("there is no line %(name)s", name=name))
        if not unknown and names.index(edge.end) != names.index(edge.start) + 1:
            yield error(
                "edge.not_neighbours",
                where,
                Phrase("%(end)s does not follow %(start)s", end=edge.end, start=edge.start),
            )
        if not unknown:
            yield from _announced(catalogue, edge, where)
        yield from _needs(catalogue, edge, where)
    yield from _ids(catalogue)
    yield from _missing_edges(catalogue, names, pairs)


def _announced(catalogue: Catalogue, edge: Edge, where: str) -> Iterator[Finding]:
    line = find_line(catalogue, edge.end)
    if line is None:
        return
    if edge.announced and line.releases:
        yield error("edge.announced", where, Phrase("the edge is announced, but %(line)s is released", line=line.name))
    if not edge.announced and not line.releases:
        yield error(
            "edge.announced",
            where,
            Phrase("%(line)s is not released, so the edge can only be announced", line=line.name),
        )


def _needs(catalogue: Catalogue, edge: Edge, where: str) -> Iterator[Finding]:
    if edge.needs_release is None:
        return
    found = find_release(catalogue, edge.needs_release)
    if found is None or found[0].name != edge.start:
        yield error(
            "edge.needs_release",
            where,
            Phrase(
                "%(needs_release)s is not a release of %(start)s", needs_release=edge.needs_release, start=edge.start
            ),
        )


def _missing_edges(catalogue: Catalogue, names: list[str], pairs: set[tuple[str, str]]) -> Iterator[Finding]:
    if not catalogue.edges or catalogue.edges[0].start not in names:
        return
    begin = names.index(catalogue.edges[0].start)
    for start, end in zip(names[begin:], names[begin + 1 :], strict=False):
        if (start, end) not in pairs:
            yield warning(
                "edge.missing", "edges", Phrase("there is no edge from %(start)s to %(end)s", start=start, end=end)
            )


def _ids(catalogue: Catalogue) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    groups: list[tuple[str, Edge | EdgeDefaults]] = [("edge_defaults", catalogue.edge_defaults)]
    groups += [(f"edges.{edge.start}-{edge.end}", edge) for edge in catalogue.edges]
    for place, group in groups:
        parts: Sequence[Step | Risk] = (*group.steps, *group.risks)
        for part in parts:
            where = f"{place}.{part.id}"
            if part.id in seen:
                yield error(
                    "id.duplicate",
                    where,
                    Phrase("%(part)s stands already in %(seen)s", part=part.id, seen=seen[part.id]),
                )
            seen[part.id] = place
            if isinstance(part, Step) and part.when not in WHENS:
                yield error(
                    "step.when",
                    where,
                    Phrase("%(value)s is none of %(names)s", value=repr(part.when), names=", ".join(WHENS)),
                )
            if isinstance(part, Risk) and part.severity not in SEVERITIES:
                yield error(
                    "risk.severity",
                    where,
                    Phrase(
                        "%(value)s is none of %(names)s",
                        value=repr(part.severity),
                        names=", ".join(SEVERITIES),
                    ),
                )
    for edge in catalogue.edges:
        yield from _release_steps(edge)


def _release_steps(edge: Edge) -> Iterator[Finding]:
    known = {step.id for step in edge.steps}
    for key, value in edge.extra.items():
        if key.endswith("_release_steps") and isinstance(value, list):
            for name in value:
                if name not in known:
                    yield error(
                        "edge.release_steps",
                        f"edges.{edge.start}-{edge.end}.{key}",
                        Phrase("there is no step %(name)s", name=name),
                    )


def check_sources(catalogue: Catalogue) -> Iterator[Finding]:
    """Every source that is named is listed, and every confidence is a known word."""
    for where, names, confidence in _sourced(catalogue):
        for name in names:
            if name.split("#")[0] not in catalogue.sources:
                yield error("source.unknown", where, Phrase("the source %(name)s is not listed", name=name))
        if confidence not in {"", *CONFIDENCES}:
            yield error(
                "confidence.unknown",
                where,
                Phrase(
                    "%(value)s is none of %(names)s",
                    value=repr(confidence),
                    names=", ".join(CONFIDENCES),
                ),
            )


def _sourced(catalogue: Catalogue) -> Iterator[tuple[str, tuple[str, ...], str]]:
    policy = catalogue.support_policy
    yield "support_policy", _names(policy.get("source")), str(policy.get("confidence") or "")
    for line in catalogue.lines:
        yield f"lines.{line.name}", line.source, line.confidence
        runtimes = line.runtimes or {}
        yield f"lines.{line.name}.runtimes", _names(runtimes.get("source")), str(runtimes.get("confidence") or "")
        for release in line.releases:
            yield f"lines.{line.name}.releases.{release.version}", (), release.confidence
    for name, versions in catalogue.distributions.items():
        for version in versions:
            yield f"distributions.{name}.{version.version}", version.source, version.confidence
    groups: list[Edge | EdgeDefaults] = [catalogue.edge_defaults, *catalogue.edges]
    for group in groups:
        parts: Sequence[Step | Risk] = (*group.steps, *group.risks)
        for part in parts:
            yield f"edges.{part.id}", part.source, part.confidence
    for advisory in catalogue.advisories:
        yield f"advisories.{advisory.id}", advisory.source, advisory.confidence
    for item in catalogue.contradictions:
        yield f"contradictions.{item.get('id')}", _names(item.get("source")), str(item.get("confidence") or "")


def _names(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def check_contradictions(catalogue: Catalogue) -> Iterator[Finding]:
    """Recorded contradictions have ids of their own and a resolution."""
    seen: set[str] = set()
    for index, item in enumerate(catalogue.contradictions):
        where = f"contradictions[{index}]"
        name = str(item.get("id") or "")
        if not name or name in seen:
            yield error(
                "id.duplicate",
                where,
                Phrase("the contradiction %(name)s stands twice or has no id", name=name or Phrase("without id")),
            )
        seen.add(name)
        if not item.get("resolution"):
            yield warning("contradiction.open", where, Phrase("%(name)s has no resolution", name=name))
