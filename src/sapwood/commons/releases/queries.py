"""Reads: a catalogue from a file, from the newest revision kept here, or the one that ships with Sapwood."""

from pathlib import Path

from sapwood.commons.releases.data import PROJECTS, WrongFileError, seed
from sapwood.formats.catalogue import Catalogue
from sapwood.formats.catalogue.document import MAX_BYTES


def read_catalogue(path: Path | None) -> Catalogue:
    """The catalogue of a file, or else the one in use."""
    return Catalogue.from_bytes(read_bytes(path)) if path is not None else current_catalogue()


def read_bytes(path: Path) -> bytes:
    """A catalogue file's bytes, at most as many as are accepted."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise WrongFileError(f"{path} cannot be read: {error.strerror}", hint="Check the path.") from None


def current_catalogue(project: str = PROJECTS[0]) -> Catalogue:
    """The catalogue in use: what ships with Sapwood until a revision is kept here."""
    return Catalogue.from_bytes(seed(project))
