"""The front door of facts: what this site is, and what it is exposed to."""

from sapwood.site.facts.actions import catalogue_at_hand, configured, look, read_catalogues, record_facts, refresh
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
from sapwood.site.facts.tutor import NoRootError, inspect_root
from sapwood.site.facts.tutor.files import Root as TutorRoot

__all__ = [
    "NoCatalogueError",
    "NoFactsError",
    "NoRootError",
    "TutorRoot",
    "catalogue_at_hand",
    "configured",
    "current_exposure",
    "current_facts",
    "find_catalogue",
    "inspect_root",
    "last_look",
    "line_order",
    "look",
    "read_catalogues",
    "record_facts",
    "refresh",
    "set_shipped_catalogue",
    "try_exposure",
]
