"""The way of an upgrade across the catalogue: its hops, steps and risks, and what of them stands in the way."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sapwood.core.errors import SapwoodError
from sapwood.formats.catalogue import Catalogue, Risk, Step, find_line, find_release
from sapwood.formats.exposure import Applied, Leg, Standing, State, find_way
from sapwood.formats.phrase import NO_WORDS, Phrase
from sapwood.formats.sitefacts import SiteFacts
from sapwood.site.facts import api as facts_api
from sapwood.site.upgrades.data import Subject
from sapwood.site.upgrades.drivers.base import Asked, Command
from sapwood.site.upgrades.preflight import Finding, Outcome

MAX_FACTS_BYTES: Final = 1_000_000
BEARABLE: Final = ("behaviour", "downtime")  # what is known to come, and to be lived with
ANSWER: Final = Phrase("Look, then say --confirm NAME=REASON.")


@dataclass(frozen=True)
class Way:
    """The hops from the release that runs to the one that is wanted; where there are none, why. `asked`: by --to."""

    start: str
    goal: str
    legs: tuple[Leg, ...]
    why: str
    asked: bool = False
    installs: str = ""  # what the target says that it installs

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "from": self.start or None,
            "to": self.goal or None,
            "path": [leg.to_dict() for leg in self.legs],
            "path_why": str(self.why),
        }


def way_of(subject: Subject, asked: Asked, facts: Mapping[str, Any] | None) -> Way:
    """The way of a subject whose file names its releases; `facts` are what the running environment says of itself.

    Raises UnreadableFactsError for a facts document that cannot be read, UnknownReleaseError for a wrong --to.
    """
    start, installs = subject.current.release, subject.release or subject.target.release
    goal = asked.to or installs
    way = Way(start, goal, (), "", asked.to is not None, installs)
    if not start or not goal:
        key = "current" if not start else "target"
        return replace(way, why=Phrase("the subject file names no release under %(side)s", side=f"[{key}]"))
    try:
        catalogue = facts_api.catalogue_at_hand(asked.catalogue)
    except facts_api.NoCatalogueError as error:
        return replace(way, why=Phrase.of(error))
    standing = _standing(catalogue, start)
    if standing.line is None or (asked.to is None and not _known(catalogue, goal)):
        unknown = start if standing.line is None else goal
        return replace(way, why=Phrase("the catalogue knows no release or line named %(name)s", name=unknown))
    legs, why = find_way(site_facts(subject, standing, facts), catalogue, standing, asked.now.date(), to=goal)
    return replace(way, legs=legs, why=why)


def _known(catalogue: Catalogue, name: str) -> bool:
    return find_release(catalogue, name) is not None or find_line(catalogue, name) is not None


def _standing(catalogue: Catalogue, name: str) -> Standing:
    found = find_release(catalogue, name)
    line = found[0] if found else find_line(catalogue, name)
    return Standing(line, found[1] if found else None, "release" if found else "line" if line else "unknown", "")


def site_facts(subject: Subject, standing: Standing, said: Mapping[str, Any] | None) -> SiteFacts:
    """What a rule may ask of this deployment: the facts document that its file names, and what the environment says."""
    document: dict[str, Any] = {}
    if subject.facts is not None:
        try:
            with subject.facts.open("rb") as file:
                document = SiteFacts.from_bytes(file.read(MAX_FACTS_BYTES + 1)).to_dict()
        except OSError as error:
            raise FactsError(f"{subject.facts} cannot be read: {error.strerror}", hint="Look at facts.") from None
    # Two environments side by side are what no installer keeps; a facts document may know better.
    document["distribution"] = document.get("distribution") or {"name": "environment", "version": None}
    document |= {
        "inferred_release": standing.name,
        "inferred_line": standing.line.name if standing.line else None,
    }
    default = ((said or {}).get("databases") or {}).get("default")
    if default:
        engine, _space, version = engine_words(default).partition(" ")
        document["database"] = {**(document.get("database") or {}), "engine": engine, "version": version}
    if said:
        document["host"] = {**(document.get("host") or {}), "python": said["python"]}
    return SiteFacts.from_dict(document)


def engine_words(database: Mapping[str, Any]) -> str:
    """Kind and version as a catalogue writes them: MariaDB and MySQL are told apart."""
    version = str(database["version"])
    kind = "mariadb" if "mariadb" in version.lower() else str(database["vendor"])
    number = next((word for word in version.replace("-", " ").split() if word[:1].isdigit()), "")
    return f"{kind} {number}"


class FactsError(SapwoodError):
    """The facts document that a subject file names cannot be read."""

    code = "upgrades.facts"
    exit_code = 2


def findings_of(way: Way) -> Iterator[Finding]:
    """What of the way stands in the way; nothing where no release is named and none was asked for."""
    if not way.legs:
        if way.start and way.start == way.goal:
            yield _found("path", Outcome.PASS, Phrase("The site is on %(release)s already", release=way.start))
        elif way.asked or way.start:
            remedy = Phrase("Name release under [current] and [target], as the catalogue does.")
            yield _found("path", Outcome.UNKNOWN, Phrase("No way is known: %(why)s", why=way.why), remedy)
        return
    barriers = [leg.hop.end for leg in way.legs[:-1] if leg.hop.kind == "point"]
    skipped = [leg.hop.end for leg in way.legs[:-1] if leg.hop.kind != "point"]
    if barriers:
        detail = Phrase("The site must pass through %(releases)s first", releases=", ".join(barriers))
        yield _found("path", Outcome.FAIL, detail, Phrase("Upgrade to it first, with a subject file of its own."))
    elif skipped:
        detail = Phrase("Releases are skipped, whose own code will not run: %(releases)s", releases=", ".join(skipped))
        yield _found("path", Outcome.UNKNOWN, detail, ANSWER, by_person=True)
    else:
        yield _found("path", Outcome.PASS, Phrase("The way is one hop of the catalogue"))
    ends = {way.legs[-1].hop.end, way.legs[-1].hop.release}
    if way.installs and way.installs not in ends:
        detail = Phrase(
            "The target installs %(installs)s, the way leads to %(goal)s",
            installs=way.installs,
            goal=way.legs[-1].hop.release or way.legs[-1].hop.end,
        )
        yield _found("path.target", Outcome.FAIL, detail, Phrase("Name the environment of that release in [target]."))
    elif way.installs:
        yield _found("path.target", Outcome.PASS, Phrase("The target installs %(release)s", release=way.installs))
    else:
        detail = Phrase("The subject file does not say which release the target installs")
        yield _found("path.target", Outcome.UNKNOWN, detail, Phrase("Name release under [target]."))
    yield from part_findings(way.legs)


def part_findings(legs: Iterable[Leg]) -> Iterator[Finding]:
    """Each risk once, and each step of which nobody can tell whether it applies; unknown until a person has looked."""
    found: dict[str, Finding] = {}
    for leg in legs:
        for applied in leg.risks:
            found.setdefault(f"risk.{applied.part.id}", _risk(applied))
        for applied in leg.steps:
            if applied.state is State.UNKNOWN:
                found.setdefault(f"step.{applied.part.id}", _step(applied))
    for name, finding in found.items():
        yield _found(name, finding.outcome, finding.detail, finding.remedy, by_person=finding.by_person)


def _risk(applied: Applied) -> Finding:
    part, sure = applied.part, applied.state is State.YES
    severity = part.severity if isinstance(part, Risk) else ""
    outcome = Outcome.FAIL if sure and severity == "blocks" else Outcome.UNKNOWN
    if sure and severity in BEARABLE:
        outcome = Outcome.PASS
    detail = Phrase.verbatim(f"{part.title} ({severity}): {part.detail}".rstrip(".: "))
    return Finding("", outcome, detail, _ask(applied, outcome), by_person=True)


def _step(applied: Applied) -> Finding:
    detail = Phrase.verbatim(f"{applied.part.title}: {applied.part.detail}".rstrip(".: "))
    return Finding("", Outcome.UNKNOWN, detail, _ask(applied, Outcome.UNKNOWN), by_person=True)


def _ask(applied: Applied, outcome: Outcome) -> Phrase:
    if outcome is not Outcome.UNKNOWN:
        return NO_WORDS
    return Phrase.joined(". ", (applied.note, ANSWER)) if applied.note else ANSWER


def _found(
    name: str, outcome: Outcome, detail: Phrase, remedy: Phrase = NO_WORDS, *, by_person: bool = False
) -> Finding:
    return Finding(name, outcome, detail, remedy, by_person=by_person, of_plan=True)


def commands_of(way: Way, when: str) -> Iterator[Command]:
    """The catalogue's steps for a person, hop by hop: those before an upgrade run on the release that is left."""
    release = way.start
    for number, leg in enumerate(way.legs, 1):
        goal = leg.hop.release or leg.hop.end
        for applied in leg.steps:
            step = applied.part
            if isinstance(step, Step) and step.when == when:
                yield Command(
                    id=f"{number}.{step.id}",
                    when=when,
                    title=step.title,
                    argv=(),
                    reason=step.detail or step.title,
                    source=step.source or ("catalogue",),
                    place=release if when == "before" else goal,
                    applies=applied.state.value,
                    detail={"note": str(applied.note)} if applied.note else {},
                )
        release = goal


def lines(way: Way) -> Iterator[str]:
    """For a terminal."""
    if not way.legs:
        yield f"path     none: {way.why}"
    for leg in way.legs:
        yield f"hop      {leg.hop.start} > {leg.hop.release or leg.hop.end}"
        for risk in leg.risks:
            yield f"  risk     {risk.state.value:<8}  {risk.part.title} [{risk.part.id}]"
    for when in ("before", "during", "after"):
        for command in commands_of(way, when):
            unsure = "" if command.applies == "yes" else " (may not apply)"
            yield f"step     {when:<7} on {command.place}: {command.title}{unsure}"
