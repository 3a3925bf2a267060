"""Reads a Tutor root, without Docker and without running anything of it."""

from sapwood.site.facts.tutor.inspection import NoRootError, inspect_root

__all__ = ["NoRootError", "inspect_root"]
