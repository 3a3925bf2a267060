"""Where a site stands: which release its facts point to, or which line, or neither."""

from sapwood.formats.catalogue import Catalogue, Line, find_release, shipped_release
from sapwood.formats.exposure.data import Standing
from sapwood.formats.sitefacts import SiteFacts


def stand(facts: SiteFacts, catalogue: Catalogue) -> Standing:
    """Which release or line the facts point to: what was inferred, else declared, else what the distribution pins."""
    kind = str((facts.build or {}).get("kind") or "")
    for text, origin in ((facts.inferred_release, "inferred"), (facts.declared_release, "declared")):
        found = find_release(catalogue, text)
        if found and kind != "fork":
            return Standing(found[0], found[1], "release", f"{origin} from the site's files")
        line = _line_named(catalogue, text) or (found[0] if found else None)
        if line and kind not in {"branch", "fork", "commit"}:
            return Standing(line, None, "line", f"only the line {line.name} is known, not the release")
    line = _line_named(catalogue, facts.inferred_line) or _line_by_release(catalogue, facts)
    if kind in {"branch", "fork", "commit"}:
        words = {"branch": "head of a branch", "fork": "fork", "commit": "single commit"}
        where = f" of {line.name}" if line else ""
        name = "head" if kind == "branch" else "fork"
        return Standing(line, None, name if line else "unknown", f"the site builds a {words[kind]}{where}")
    for name in catalogue.distributions:
        shipped = shipped_release(catalogue, name, facts.distribution_version(name))
        found = find_release(catalogue, shipped.release) if shipped else None
        if found and shipped:
            version = facts.distribution_version(name)
            return Standing(found[0], found[1], "release", f"{name} {version} ships {shipped.release}")
    if line:
        return Standing(line, None, "line", f"only the line {line.name} is known, not the release")
    reason = facts.why.get("inferred_release") or "the facts name no release that the catalogue knows"
    return Standing(None, None, "unknown", reason)


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
