"""The way out for this site: the catalogue's path, with the steps and risks that concern it."""

import datetime as dt

from sapwood.formats.catalogue import Applies, Catalogue, Hop, NoPathError, Risk, Step, default_target, find_path
from sapwood.formats.conditions import evaluate
from sapwood.formats.exposure.data import Applied, Leg, Standing, State
from sapwood.formats.phrase import NO_WORDS, Phrase
from sapwood.formats.sitefacts import SiteFacts


def find_way(
    facts: SiteFacts, catalogue: Catalogue, standing: Standing, as_of: dt.date, *, to: str | None = None
) -> tuple[tuple[Leg, ...], str]:
    """The way to a release or line, or to the newest supported line; where there is none, why."""
    newest = default_target(catalogue, as_of)
    goal = to or (newest.name if newest else None)
    if standing.line is None or goal is None:
        return (), standing.why if standing.line is None else Phrase("no line is supported")
    start = standing.name or standing.line.name
    try:
        hops = find_path(catalogue, start, goal, on=as_of)
    except NoPathError as error:
        return (), Phrase.joined(". ", (error.message, error.hint))
    if not hops:
        return (
            (),
            Phrase("%(start)s is on the newest supported line", start=start)
            if standing.release is None
            else Phrase("this is the newest release"),
        )
    return tuple(_leg(facts, hop) for hop in hops), ""


def _leg(facts: SiteFacts, hop: Hop) -> Leg:
    steps = tuple(item for step in hop.steps if (item := _applied(facts, step)))
    risks = tuple(item for risk in hop.risks if (item := _applied(facts, risk)))
    return Leg(hop, steps, risks)


def _applied(facts: SiteFacts, part: Step | Risk) -> Applied | None:
    state, note = applies(part.applies, facts)
    return None if state is State.NO else Applied(part, state, note)


def applies(rule: Applies, facts: SiteFacts) -> tuple[State, Phrase]:
    """Whether a step or risk applies to a site, with the note to show when that is unknown."""
    if rule.rule is True:
        return State.YES, NO_WORDS
    if rule.rule is None or rule.rule is False:
        return State.UNKNOWN, Phrase("check by hand: %(words)s", words=rule.words)
    verdict = evaluate(rule.rule, facts)
    state = State(verdict.answer.value)
    if state is not State.UNKNOWN:
        return state, NO_WORDS
    if not verdict.reasons:
        return state, Phrase("check by hand: %(words)s", words=rule.words)
    why = Phrase.listed(verdict.reasons)
    return state, Phrase("check by hand: %(words)s (%(why)s)", words=rule.words, why=why)
