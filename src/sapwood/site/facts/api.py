"""The front door of facts: what this site is, and what it is exposed to."""

from sapwood.site.facts.actions import configured, look, read_catalogues, record_facts, refresh
from sapwood.site.facts.data import NoCatalogueError, NoFactsError
from sapwood.site.facts.queries import (
    current_exposure,
    current_facts,
    find_catalogue,
    last_look,
    line_order,
    set_shipped_catalogue,
    try_exposure,
)

__all__ = [
    "NoCatalogueError",
    "NoFactsError",
    "configured",
    "current_exposure",
    "current_facts",
    "find_catalogue",
    "last_look",
    "line_order",
    "look",
    "read_catalogues",
    "record_facts",
    "refresh",
    "set_shipped_catalogue",
    "try_exposure",
]
