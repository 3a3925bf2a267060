"""Reads: facts and catalogues from files, and the newest catalogue that was received and verified."""

from pathlib import Path

from sapwood.formats import sitefacts
from sapwood.formats.catalogue import Catalogue
from sapwood.formats.catalogue.document import MAX_BYTES
from sapwood.formats.sitefacts import SiteFacts
from sapwood.site.facts.data import NoCatalogueError, WrongFileError


def read_facts(path: Path) -> SiteFacts:
    """A facts document from a file."""
    return SiteFacts.from_bytes(_read(path, sitefacts.MAX_BYTES))


def read_catalogue(path: Path) -> Catalogue:
    """A catalogue from a file."""
    return Catalogue.from_bytes(_read(path, MAX_BYTES))


def find_catalogue() -> Catalogue:
    """The newest catalogue that this site received and verified; raises NoCatalogueError when there is none."""
    raise NoCatalogueError(
        "No release catalogue has been received", hint="Subscribe to the channel `releases`, or give --catalogue FILE."
    )


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise WrongFileError(f"{path} cannot be read: {error.strerror}", hint="Check the path.") from None
    return raw
