"""`validate`: everything that can be checked about a catalogue without asking the world."""

from sapwood.formats.catalogue.document import Catalogue
from sapwood.formats.catalogue.finding import Finding, Weight
from sapwood.formats.catalogue.rules.fixes import check_advisories, check_distributions
from sapwood.formats.catalogue.rules.lines import check_lines
from sapwood.formats.catalogue.rules.links import check_contradictions, check_edges, check_sources

ORDER = {Weight.ERROR: 0, Weight.WARNING: 1, Weight.NOTE: 2}


def validate(catalogue: Catalogue) -> list[Finding]:
    """All findings, errors first; a catalogue without an error may be published."""
    findings = [
        *check_lines(catalogue),
        *check_distributions(catalogue),
        *check_edges(catalogue),
        *check_advisories(catalogue),
        *check_sources(catalogue),
        *check_contradictions(catalogue),
    ]
    return sorted(findings, key=lambda finding: ORDER[finding.severity])


def publishable(findings: list[Finding]) -> bool:
    """True when nothing found is an error."""
    return not any(finding.severity is Weight.ERROR for finding in findings)
