"""Frozen values and errors of this module."""

from sapwood.core.errors import NotFoundError, SapwoodError
from sapwood.formats.exposure import Exposure, State
from sapwood.formats.sitefacts import SiteFacts


class NoCatalogueError(NotFoundError):
    """No release catalogue is at hand, so nothing can be said about exposure."""

    code = "facts.no_catalogue"
    exit_code = 4


class NoFactsError(NotFoundError):
    """Nothing is known about this site yet."""

    code = "facts.none"
    exit_code = 4


class WrongFileError(SapwoodError):
    """A file that was named cannot be used."""

    code = "facts.wrong_file"


__all__ = ["Exposure", "NoCatalogueError", "NoFactsError", "SiteFacts", "State", "WrongFileError"]
