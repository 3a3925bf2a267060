"""Where a site stands: which release its facts point to, or which line, or neither."""

from sapwood.formats.catalogue import Catalogue, Line, find_release, shipped_release
from sapwood.formats.exposure.data import Standing
from sapwood.formats.phrase import Phrase
from sapwood.formats.sitefacts import SiteFacts


def stand(facts: SiteFacts, catalogue: Catalogue) -> Standing:
    """Which release or line the facts point to: what was inferred, else declared, else what the distribution pins."""
    kind = str((facts.build or {}).get("kind") or "")
    origins = (
        (facts.inferred_release, Phrase("inferred from the site's files")),
        (facts.declared_release, Phrase("declared from the site's files")),
    )
    for text, origin in origins:
        found = find_release(catalogue, text)
        if found and kind != "fork":
            return Standing(found[0], found[1], "release", origin)
        line = _line_named(catalogue, text) or (found[0] if found else None)
        if line and kind not in {"branch", "fork", "commit"}:
            return Standing(line, None, "line", _only_line(line))
    line = _line_named(catalogue, facts.inferred_line) or _line_by_release(catalogue, facts)
    if kind in {"branch", "fork", "commit"}:
        name = "head" if kind == "branch" else "fork"
        return Standing(line, None, name if line else "unknown", _no_release(kind, line))
    for name in catalogue.distributions:
        shipped = shipped_release(catalogue, name, facts.distribution_version(name))
        found = find_release(catalogue, shipped.release) if shipped else None
        if found and shipped:
            version = facts.distribution_version(name)
            why = Phrase("%(name)s %(version)s ships %(release)s", name=name, version=version, release=shipped.release)
            return Standing(found[0], found[1], "release", why)
    if line:
        return Standing(line, None, "line", _only_line(line))
    reason: str = facts.why.get("inferred_release") or Phrase("the facts name no release that the catalogue knows")
    return Standing(None, None, "unknown", reason)


def _only_line(line: Line) -> Phrase:
    return Phrase("only the line %(line)s is known, not the release", line=line.name)


def _no_release(kind: str, line: Line | None) -> Phrase:
    if line is None:
        words = {
            "branch": Phrase("the site builds a head of a branch"),
            "fork": Phrase("the site builds a fork"),
            "commit": Phrase("the site builds a single commit"),
        }
    else:
        words = {
            "branch": Phrase("the site builds a head of a branch of %(line)s", line=line.name),
            "fork": Phrase("the site builds a fork of %(line)s", line=line.name),
            "commit": Phrase("the site builds a single commit of %(line)s", line=line.name),
        }
    return words[kind]


def _line_named(catalogue: Catalogue, text: str | None) -> Line | None:
    return next((line for line in catalogue.lines if text and text in (line.name, line.branch)), None)


def _line_by_release(catalogue: Catalogue, facts: SiteFacts) -> Line | None:
    for text in (facts.inferred_release, facts.declared_release):
        found = find_release(catalogue, text)
        if found:
            return found[0]
    for name in catalogue.distributions:
        shipped = shipped_release(catalogue, name, facts.distribution_version(name))
        found = find_release(catalogue, shipped.release) if shipped else None
        if found:
            return found[0]
    return None
