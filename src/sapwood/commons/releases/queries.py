"""Reads: a catalogue from a file, or the newest approved, or the one that ships with Sapwood; reports of migrations."""

from functools import lru_cache
from pathlib import Path
from uuid import UUID

from django.db import DatabaseError

from sapwood.commons.releases.data import PROJECTS, NoSuchReportError, WrongFileError, seed
from sapwood.commons.releases.models import CatalogueRevision, MigrationReportRevision, State
from sapwood.formats.catalogue import Catalogue
from sapwood.formats.catalogue.document import MAX_BYTES
from sapwood.formats.documents import parse_document
from sapwood.formats.migration_report import MigrationReport
from sapwood.formats.phrase import Phrase


def read_catalogue(path: Path | None) -> Catalogue:
    """The catalogue of a file, or else the one in use."""
    return Catalogue.from_bytes(read_bytes(path)) if path is not None else current_catalogue()


def read_any(path: Path | None) -> Catalogue:
    """The same for the command line, which also works before there is a database."""
    try:
        return read_catalogue(path)
    except DatabaseError:
        return _parse(seed(PROJECTS[0]))


def read_bytes(path: Path) -> bytes:
    """A catalogue file's bytes, at most as many as are accepted."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise WrongFileError(f"{path} cannot be read: {error.strerror}", hint="Check the path.") from None


def current_catalogue(project: str = PROJECTS[0]) -> Catalogue:
    """The catalogue in use: the newest approved revision, or what ships with Sapwood until there is one."""
    row = newest_approved(project)
    return parsed(row) if row else _parse(seed(project))


def current_bytes(project: str = PROJECTS[0]) -> bytes:
    """The document in use, as it was or would be published."""
    row = newest_approved(project)
    return bytes(row.raw) if row else seed(project)


def newest_approved(project: str = PROJECTS[0], *, lock: bool = False) -> CatalogueRevision | None:
    """The newest approved revision; with `lock`, nobody else approves until the transaction ends."""
    rows = CatalogueRevision.objects.select_for_update() if lock else CatalogueRevision.objects.all()
    return rows.filter(project=project, state=State.APPROVED).order_by("-number").first()


def proposals() -> list[CatalogueRevision]:
    """What waits for a second look, oldest first."""
    return list(CatalogueRevision.objects.defer("raw").filter(state=State.PROPOSED).order_by("proposed_at", "pk"))


def revisions(limit: int = 100) -> list[CatalogueRevision]:
    """All revisions, newest first."""
    return list(CatalogueRevision.objects.defer("raw").order_by("-proposed_at", "-pk")[:limit])


def newest_reports(**filters: object) -> list[MigrationReportRevision]:
    """The newest revision of each report of migrations that was not withdrawn, newest first."""
    rows = MigrationReportRevision.objects.defer("raw").filter(**filters).order_by("uuid", "-revision")
    newest: dict[UUID, MigrationReportRevision] = {}
    for row in rows:
        newest.setdefault(row.uuid, row)
    standing = [row for row in newest.values() if row.withdrawn_at is None]
    return sorted(standing, key=lambda row: (row.added_at, row.pk), reverse=True)


def report_named(uuid: UUID) -> MigrationReportRevision:
    """The newest revision of one report, unless it was withdrawn. Raises NoSuchReportError."""
    row = MigrationReportRevision.objects.filter(uuid=uuid).order_by("-revision").first()
    if row is None or row.withdrawn_at is not None:
        raise NoSuchReportError(
            Phrase("There is no report of migrations with this id, or it was withdrawn"),
            hint=Phrase("%(command)s lists them.", command="sapwood release report list"),
        )
    return row


def report_in(row: MigrationReportRevision) -> MigrationReport:
    """The report in a row."""
    return _report(row.sha256, bytes(row.raw))


@lru_cache(maxsize=16)
def _report(sha256: str, raw: bytes) -> MigrationReport:  # noqa: ARG001 - the key under which it is kept
    document = parse_document(raw)
    assert isinstance(document, MigrationReport)  # noqa: S101 - only such are kept
    return document


def parsed(row: CatalogueRevision) -> Catalogue:
    """The catalogue in a row."""
    return _parse(bytes(row.raw))


@lru_cache(maxsize=8)
def _parse(raw: bytes) -> Catalogue:
    return Catalogue.from_bytes(raw)
