"""What a site is exposed to: its release, its support, the fixes that it lacks, and the way to the newest release.

A pure function of facts, catalogue and day. What cannot be told stays unknown and says why.
"""

import datetime as dt
from dataclasses import replace

from sapwood.formats.catalogue import Catalogue, Support, newest_release, shipped_release, support
from sapwood.formats.exposure.data import Applied, Exposure, Leg, Standing, State, Threat
from sapwood.formats.exposure.matching import find_threats
from sapwood.formats.exposure.standing import stand
from sapwood.formats.exposure.way import applies, find_way
from sapwood.formats.phrase import Phrase
from sapwood.formats.sitefacts import SiteFacts


def exposure(facts: SiteFacts, catalogue: Catalogue, as_of: dt.date) -> Exposure:
    """Match a site's facts against the catalogue as it stood to the public on `as_of`."""
    facts = _with_distribution(facts, catalogue)
    standing = stand(facts, catalogue)
    line = standing.line
    newest = newest_release(catalogue, as_of)
    in_line = newest_release(catalogue, as_of, line) if line else None
    legs, path_why = find_way(facts, catalogue, standing, as_of)
    return Exposure(
        as_of=as_of,
        standing=standing,
        support=support(catalogue, line, as_of) if line else Support(None, None, None, Phrase.verbatim(standing.why)),
        newest=newest[1].version if newest else None,
        newest_in_line=in_line[1].version if in_line else None,
        threats=find_threats(facts, catalogue, standing, as_of) if line else (),
        path=legs,
        path_why=path_why,
        catalogue_as_of=catalogue.as_of,
        catalogue_revision=catalogue.revision,
        notes=_notes(facts, catalogue, standing, as_of),
    )


def _with_distribution(facts: SiteFacts, catalogue: Catalogue) -> SiteFacts:
    """Facts that only say `<name>_version` of a distribution in the catalogue name that distribution."""
    if facts.distribution is None:
        for name in catalogue.distributions:
            if version := facts.distribution_version(name):
                return replace(facts, distribution=(name, version))
    return facts


def _notes(facts: SiteFacts, catalogue: Catalogue, standing: Standing, as_of: dt.date) -> tuple[str, ...]:
    notes = [text if isinstance(text, str) else str(text) for item in facts.mismatches if (text := item.get("message"))]
    for name in catalogue.distributions:
        version = facts.distribution_version(name)
        shipped = shipped_release(catalogue, name, version)
        if shipped and standing.name and shipped.release != standing.name:
            notes.append(
                Phrase(
                    "%(name)s %(version)s ships %(release)s, but this site builds %(standing)s",
                    name=name,
                    version=version,
                    release=shipped.release,
                    standing=standing.name,
                )
            )
    if as_of > catalogue.as_of:
        notes.append(
            Phrase("the catalogue is of %(as_of)s; later releases and fixes are not in it", as_of=catalogue.as_of)
        )
    return tuple(notes)


__all__ = [
    "Applied",
    "Exposure",
    "Leg",
    "Standing",
    "State",
    "Threat",
    "applies",
    "exposure",
    "find_way",
    "stand",
]
