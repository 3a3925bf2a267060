"""Facts and exposure as lines for a terminal: the answer first, the reasons after."""

from collections.abc import Iterator
from typing import Any

from sapwood.core.errors import SapwoodError
from sapwood.formats.exposure import Applied, Exposure, Leg, State
from sapwood.formats.sitefacts import SiteFacts


def facts_lines(facts: SiteFacts) -> Iterator[str]:
    """What is known, then what is not and why."""
    data = facts.to_dict()
    name, version = facts.distribution or ("", None)
    yield f"release       {facts.inferred_release or 'unknown'} (declared: {facts.declared_release or 'unknown'})"
    yield f"installed by  {name} {version or 'of unknown version'}".rstrip()
    database = data["database"]
    known = " ".join(str(database.get(key) or "unknown") for key in ("engine", "version"))
    yield f"database      {known}, {database.get('host_kind') or 'unknown host'}"
    plugins = facts.plugins
    shown = "unknown" if plugins is None else ", ".join(f"{item.name} {item.version or '?'}" for item in plugins)
    yield f"plugins       {shown or 'none'}"
    yield f"languages     {', '.join(facts.languages) if facts.languages else 'unknown'}"
    for item in facts.mismatches:
        yield f"mismatch      {item.get('message')}"
    for fact, reason in facts.why.items():
        yield f"unknown       {fact}: {reason}"


def exposure_lines(found: Exposure) -> Iterator[str]:
    """One sentence on the release and its support, the fixes that are missing, then the way out."""
    yield headline(found)
    for threat in found.advisories:
        rating = threat.advisory.rating or "severity unknown"
        yield f"exposed  {threat.advisory.id} ({rating}), public since {threat.days_exposed} days: {threat.why}"
    for threat in found.undecided:
        yield f"unknown  {threat.advisory.id} ({threat.advisory.rating or 'severity unknown'}): {threat.why}"
    if found.path:
        yield f"path     {path_text(found)}"
    elif found.path_why:
        yield f"path     none: {found.path_why}"
    for leg in found.path:
        yield from _leg_lines(leg)
    for note in found.notes:
        yield f"note     {note}"


def headline(found: Exposure) -> str:
    """The release and its support in one sentence."""
    line = found.standing.line
    if line is None:
        return f"It is not known which release runs: {found.standing.why}."
    name = found.standing.name or f"{line.name} ({found.standing.why})"
    if found.support.supported is None:
        return f"You run {name}; whether it is supported is not known: {found.support.why}."
    if found.support.supported:
        return f"You run {name}, which is supported."
    since = f" since {found.support.until}" if found.support.until else ""
    return f"You run {name}, unsupported{since}."


def path_text(found: Exposure) -> str:
    """The path in one line with its figures."""
    names = [found.path[0].hop.start, *[leg.hop.end for leg in found.path]]
    sure, unsure = found.count(State.YES), found.count(State.UNKNOWN)
    hops = len(found.path)
    figures = f"{hops} {'hop' if hops == 1 else 'hops'}, {sure['steps']} steps and {sure['risks']} risks apply"
    by_hand = unsure["steps"] + unsure["risks"]
    return f"{' > '.join(names)}: {figures}" + (f", {by_hand} to check by hand" if by_hand else "")


def _leg_lines(leg: Leg) -> Iterator[str]:
    yield f"  {leg.hop.start} > {leg.hop.end}" + (f" ({leg.hop.release})" if leg.hop.release else "")
    for item in leg.steps:
        yield f"    step {_mark(item)} {getattr(item.part, 'when', '')}: {item.part.title} [{item.part.id}]"
    for item in leg.risks:
        yield f"    risk {_mark(item)} {getattr(item.part, 'severity', '')}: {item.part.title} [{item.part.id}]"
    if leg.left_out:
        yield f"    {leg.left_out} more do not concern this site"


def _mark(item: Applied) -> str:
    return "applies" if item.state is State.YES else f"check ({item.part.applies.words})"


def summary(found: Exposure | SapwoodError) -> str:
    """How a site stands, in one line."""
    if isinstance(found, SapwoodError):
        return f"{found.message}. {found.hint}"
    parts = [headline(found).rstrip(".")]
    if found.advisories:
        count = len(found.advisories)
        parts.append(f"exposed to {', '.join(threat.advisory.id for threat in found.advisories)} ({count})")
    if found.path:
        parts.append(f"path {path_text(found)}")
    return "; ".join(parts) + "."


def exit_code(found: Exposure) -> int:
    """0 all well, 3 exposed or unsupported, 4 not known."""
    return {State.NO: 0, State.YES: 3, State.UNKNOWN: 4}[found.verdict]


def as_json(found: Exposure) -> dict[str, Any]:
    """The document that `--json` prints."""
    return found.to_dict()
