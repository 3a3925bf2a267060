"""Parts of the catalogue as JSON, the same at every door."""

import datetime as dt

from sapwood.formats.catalogue import Catalogue, Hop, Line, newest_release, support


def hop_dict(hop: Hop) -> dict[str, object]:
    """A hop as JSON."""
    return {
        "from": hop.start,
        "to": hop.end,
        "kind": hop.kind,
        "release": hop.release,
        "announced": hop.announced,
        "steps": [step.to_dict() for step in hop.steps],
        "risks": [risk.to_dict() for risk in hop.risks],
    }


def line_summary(found: Catalogue, line: Line, today: dt.date) -> dict[str, object]:
    """A line in a few fields, with its support on a day."""
    standing = support(found, line, today)
    newest = newest_release(found, today, line)
    return {
        "name": line.name,
        "status": line.status,
        "supported": standing.supported,
        "supported_until": standing.until.isoformat() if standing.until else None,
        "cut": line.cut.isoformat() if line.cut else None,
        "newest": newest[1].version if newest else None,
        "planned": line.planned,
        "releases": [release.version for release in line.releases],
    }
