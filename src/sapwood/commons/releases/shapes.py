"""Parts of the catalogue, and reports of migrations, as JSON, the same at every door."""

import datetime as dt

from sapwood.commons.releases.models import MigrationReportRevision
from sapwood.formats.catalogue import Catalogue, Hop, Line, newest_release, support
from sapwood.formats.migration_report import MigrationReport


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


def report_summary(row: MigrationReportRevision, report: MigrationReport) -> dict[str, object]:
    """A report of migrations in a few fields: how large, what it takes away, what takes longest."""
    longest = report.longest
    return {
        "uuid": str(row.uuid),
        "revision": row.revision,
        "previous": row.previous,
        "release": row.release,
        "engines": dict(report.engines),
        "measured": report.measured,
        "migrations": len(report.migrations),
        "operations": report.operations,
        "contract_steps": len(report.contracting),
        "counts": dict(report.counts),
        "growth_bytes": report.growth_bytes,
        "seconds": report.seconds,
        "longest": {
            "app": longest.app,
            "name": longest.name,
            "rows": longest.rows,
            "seconds_per_million": longest.seconds_per_million,
        }
        if longest
        else None,
        "sha256": row.sha256,
        "added_at": row.added_at.isoformat(),
        "with_the_signers": row.staged_at is not None,
    }
