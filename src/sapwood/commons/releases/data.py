"""Frozen values and errors of this module."""

from importlib import resources

from sapwood.core.errors import ConflictError, ForbiddenError, NotFoundError, SapwoodError

PROJECTS = ("openedx",)


class NoSuchCatalogueError(NotFoundError):
    """There is no catalogue of that project."""

    code = "releases.no_catalogue"


class RefusedCatalogueError(SapwoodError):
    """A catalogue has errors and cannot be proposed."""

    code = "releases.refused"
    exit_code = 3
    http_status = 422


class NothingChangedError(ConflictError):
    """A proposed catalogue says what the present one says."""

    code = "releases.nothing_changed"


class OutdatedProposalError(ConflictError):
    """Another catalogue was approved, or this one decided, since somebody looked."""

    code = "releases.outdated"


class SameEyesError(ForbiddenError):
    """Who proposed a catalogue cannot give it the second look."""

    code = "releases.same_eyes"


class RefusedReportError(SapwoodError):
    """A file is no report of migrations, or one of other releases."""

    code = "releases.refused_report"
    exit_code = 3
    http_status = 422


class NoSuchReportError(NotFoundError):
    """There is no report of migrations with that id, or it was withdrawn."""

    code = "releases.no_report"


class WrongFileError(SapwoodError):
    """A file that was named cannot be used."""

    code = "releases.wrong_file"


def seed(project: str) -> bytes:
    """The catalogue that ships with Sapwood for a project, as a starting point."""
    path = resources.files("sapwood.commons.releases") / project / "catalogue.json"
    if not project.isidentifier() or not path.is_file():
        raise NoSuchCatalogueError(f"No catalogue ships for {project!r}", hint=f"There is: {', '.join(PROJECTS)}.")
    return path.read_bytes()
