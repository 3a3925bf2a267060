"""The release catalogue: lines, releases, distribution versions, edges with steps and risks, advisories."""

from sapwood.formats.catalogue.advisories import Advisory, FixedIn
from sapwood.formats.catalogue.document import Catalogue
from sapwood.formats.catalogue.fields import UnreadableCatalogueError
from sapwood.formats.catalogue.finding import Finding, Weight
from sapwood.formats.catalogue.lines import DistributionVersion, Line, Release, Span
from sapwood.formats.catalogue.order import ReleaseOrder, find_line, find_release, line_of, line_order, version_key
from sapwood.formats.catalogue.queries import (
    Hop,
    NoPathError,
    Shipped,
    Support,
    UnknownReleaseError,
    default_target,
    find_path,
    newest_release,
    shipped_release,
    support,
)
from sapwood.formats.catalogue.validation import publishable, validate
from sapwood.formats.catalogue.ways import Applies, Edge, EdgeDefaults, Risk, Step

__all__ = [
    "Advisory",
    "Applies",
    "Catalogue",
    "DistributionVersion",
    "Edge",
    "EdgeDefaults",
    "Finding",
    "FixedIn",
    "Hop",
    "Line",
    "NoPathError",
    "Release",
    "ReleaseOrder",
    "Risk",
    "Shipped",
    "Span",
    "Step",
    "Support",
    "UnknownReleaseError",
    "UnreadableCatalogueError",
    "Weight",
    "default_target",
    "find_line",
    "find_path",
    "find_release",
    "line_of",
    "line_order",
    "newest_release",
    "publishable",
    "shipped_release",
    "support",
    "validate",
    "version_key",
]
