"""Frozen values and errors of this module."""

from importlib import resources

from sapwood.core.errors import NotFoundError, SapwoodError

PROJECTS = ("openedx",)


class NoSuchCatalogueError(NotFoundError):
    """There is no catalogue of that project."""

    code = "releases.no_catalogue"


class RefusedCatalogueError(SapwoodError):
    """A catalogue has errors and cannot be published."""

    code = "releases.refused"
    exit_code = 3
    http_status = 422


class WrongFileError(SapwoodError):
    """A file that was named cannot be used."""

    code = "releases.wrong_file"


def seed(project: str) -> bytes:
    """The catalogue that ships with Sapwood for a project, as a starting point."""
    package = resources.files("sapwood.commons.releases")
    path = package / project / "catalogue.json"
    if not project.isidentifier() or not path.is_file():
        raise NoSuchCatalogueError(
            f"No catalogue ships for {project!r}", hint=f"There is one for {', '.join(PROJECTS)}."
        )
    return path.read_bytes()
