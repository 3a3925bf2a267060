"""The certificate: what a rehearsal that passed is worth, for one plan, for a week, while the data stay alike."""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sapwood import __version__
from sapwood.core.errors import SapwoodError
from sapwood.core.files import write_atomically
from sapwood.formats.canonical import MAX_BYTES
from sapwood.formats.certificate import Certificate, Interval, Known, Table, statement_bytes, statement_predicate
from sapwood.formats.documents import document_bytes, read_document
from sapwood.formats.errors import FormatError
from sapwood.formats.phrase import Figure, Phrase
from sapwood.site.identity import api as identity
from sapwood.site.upgrades.data import Subject, Verdict
from sapwood.site.upgrades.drivers.base import Asked
from sapwood.site.upgrades.drivers.registry import driver_of
from sapwood.site.upgrades.planning import Plan, counted, look, plan_of
from sapwood.site.upgrades.rehearsing import Rehearsal
from sapwood.site.upgrades.scratch import private_folder

NAME: Final = "certificate.json"
VALID: Final = dt.timedelta(days=7)
# A table outgrows its rehearsal by a fifth; below these floors a fifth more takes no time that anybody would notice: a
# thousand rows are under two seconds of the slowest class that was measured (code row by row, 1.7 ms each).
GROWTH: Final = 0.20
FLOOR_ROWS: Final = 1_000
FLOOR_BYTES: Final = 64 * 1024 * 1024
PARTS: Final = {
    "subject": Phrase("the subject file"),
    "migrations": Phrase("the migrations"),
    "schema": Phrase("the schema of the database"),
    "settings": Phrase("the settings"),
    "packages": Phrase("the packages"),
    "engine": Phrase("the database engine"),
}
REHEARSE: Final = Phrase("Rehearse again.")


class CertificateError(SapwoodError):
    """A certificate does not hold."""

    code = "certificate.refused"
    exit_code = 3


class UnreadableError(CertificateError):
    """A file holds no certificate."""

    code = "certificate.unreadable"


class TooLargeError(CertificateError):
    """A file is larger than any certificate."""

    code = "certificate.too_large"


class ForgedError(CertificateError):
    """A certificate was changed after it was signed."""

    code = "certificate.forged"


class OtherSiteError(CertificateError):
    """A certificate is of another site."""

    code = "certificate.other_site"


class OtherSubjectError(CertificateError):
    """A certificate is for another deployment."""

    code = "certificate.other_subject"


class OtherPlanError(CertificateError):
    """A certificate is for another plan: something changed since the rehearsal."""

    code = "certificate.other_plan"


class NoGoError(CertificateError):
    """A certificate does not say go."""

    code = "certificate.no_go"


class ExpiredError(CertificateError):
    """A certificate is older than a week."""

    code = "certificate.expired"


class EarlyError(CertificateError):
    """A certificate is of later than this machine's clock says it is."""

    code = "certificate.early"


class OutgrownError(CertificateError):
    """A table grew beyond what the rehearsal saw."""

    code = "certificate.outgrown"


def issue(found: Rehearsal, folder: Path, *, now: dt.datetime) -> Path | None:
    """Write the certificate of a rehearsal that says go; of any other, take an earlier one out of the folder."""
    path = folder / NAME
    if found.verdict is not Verdict.GO:
        path.unlink(missing_ok=True)
        return None
    times = found.to_dict()
    certificate = Certificate(
        subject=found.subject,
        site_id=identity.site_id(),
        plan=found.plan.digest,
        parts=dict(found.plan.parts),
        facts=found.plan.facts,
        engines=found.plan.engines,
        tables=found.tables,
        verdict=found.verdict.value,
        predicted_downtime_s=Interval.from_dict(times["predicted_downtime_s"]),
        predicted_rollback_s=Interval.from_dict(times["predicted_rollback_s"]),
        issued_at=now,
        expires_at=now + VALID,
        sapwood=__version__,
        early=found.early,
        postponable=found.postponable,
        known=tuple(Known(id=check_id, model=model, field=name) for check_id, model, name in sorted(found.known)),
        masked=found.masked.certified() if found.masked else (),
    )
    document_bytes(certificate)  # refuses what a reader would refuse
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, identity.sign(statement_bytes(certificate)))
    return path


def read(path: Path) -> Certificate:
    """The certificate in a file, if this site signed exactly these bytes. Raises CertificateError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableError(
            Phrase("%(file)s cannot be read: %(reason)s", file=path, reason=error.strerror or ""),
            hint=Phrase("Give the certificate.json of a rehearsal."),
        ) from None
    if len(raw) > MAX_BYTES:
        raise TooLargeError(
            Phrase("%(file)s is too large for a certificate", file=path),
            hint=Phrase("Give the certificate.json of a rehearsal."),
        )
    try:
        document = read_document(dict(statement_predicate(identity.verify(raw))))
    except identity.ForgedError as error:
        raise ForgedError(error.message, hint=REHEARSE) from None
    except identity.ForeignError as error:
        raise OtherSiteError(error.message, hint=REHEARSE) from None
    except FormatError as error:
        raise UnreadableError(
            Phrase("%(file)s is not a certificate: %(reason)s", file=path, reason=Phrase.of(error)),
            hint=Phrase("Give the certificate.json of a rehearsal."),
        ) from None
    if not isinstance(document, Certificate):
        raise UnreadableError(
            Phrase("%(file)s is signed, but is no certificate", file=path),
            hint=Phrase("Give the certificate.json of a rehearsal."),
        )
    return document


def examine(
    path: Path, *, now: dt.datetime, subject: Subject | None, work: Path
) -> tuple[Certificate, CertificateError | None]:
    """What stands in a certificate and why it does not hold, if so; with a subject also against that, as it is now."""
    certificate = read(path)
    try:
        check_time(certificate, now)
        if subject is not None:
            with private_folder(work) as scratch:
                if subject.databases:
                    seen = look(subject, scratch / "plan", count=True)
                    check_plan(certificate, plan_of(subject, seen))
                    check_growth(certificate, counted(seen.current.one("tables")))
                else:
                    check_plan(certificate, driver_of(subject).freeze(subject, Asked(scratch, now)))
    except CertificateError as error:
        return certificate, error
    return certificate, None


def check(path: Path, plan: Plan, sizes_now: Iterable[Table], *, now: dt.datetime) -> Certificate:
    """The certificate in a file, if it holds for this plan, now. Raises the CertificateError that says why not."""
    certificate = read(path)
    check_time(certificate, now)
    check_plan(certificate, plan)
    check_growth(certificate, sizes_now)
    return certificate


def check_time(certificate: Certificate, now: dt.datetime) -> None:
    """Raise when it does not say go for this site, or not at this time."""
    if certificate.site_id != identity.site_id():
        raise OtherSiteError(Phrase("The certificate is of another site"), hint=REHEARSE)
    if certificate.verdict != Verdict.GO:
        raise NoGoError(Phrase("The certificate says %(verdict)s", verdict=certificate.verdict), hint=REHEARSE)
    if now < certificate.issued_at:
        raise EarlyError(
            Phrase("The certificate is of %(instant)s, which is still to come", instant=_iso(certificate.issued_at)),
            hint=Phrase("Set this machine's clock."),
        )
    if now >= certificate.expires_at:
        raise ExpiredError(
            Phrase("The certificate ended at %(instant)s", instant=_iso(certificate.expires_at)), hint=REHEARSE
        )


def check_plan(certificate: Certificate, plan: Plan) -> None:
    """Raise when it is for another deployment or another plan, and say in which part they differ."""
    if certificate.subject != plan.subject:
        raise OtherSubjectError(
            Phrase(
                "The certificate is for %(theirs)s, not for %(ours)s", theirs=certificate.subject, ours=plan.subject
            ),
            hint=Phrase("Give the certificate of this deployment."),
        )
    if certificate.plan != plan.digest:
        changed = [words for name, words in PARTS.items() if certificate.parts.get(name) != plan.parts.get(name)] or [
            Phrase("what a plan consists of")
        ]
        raise OtherPlanError(
            Phrase("Since the rehearsal these changed: %(parts)s", parts=Phrase.all_of(changed)), hint=REHEARSE
        )


def check_growth(certificate: Certificate, sizes_now: Iterable[Table]) -> None:
    """Raise when a table grew beyond what the rehearsal saw."""
    before = {(table.database, table.name): table for table in certificate.tables}
    for table in sizes_now:
        then = before.get((table.database, table.name), Table(database=table.database, name=table.name, rows=0))
        if _outgrown(then.rows, table.rows, FLOOR_ROWS):
            raise OutgrownError(
                Phrase(
                    "The table %(table)s grew from %(then)s to %(now)s rows since the rehearsal",
                    table=table.name,
                    then=Figure(then.rows),
                    now=Figure(table.rows),
                ),
                hint=REHEARSE,
            )
        if _outgrown(then.size_bytes, table.size_bytes, FLOOR_BYTES):
            raise OutgrownError(
                Phrase(
                    "The table %(table)s grew from %(then)s to %(now)s bytes since the rehearsal",
                    table=table.name,
                    then=Figure(then.size_bytes or 0),
                    now=Figure(table.size_bytes or 0),
                ),
                hint=REHEARSE,
            )


def _outgrown(then: int | None, now: int | None, floor: int) -> bool:
    return then is not None and now is not None and now - then > max(floor, then * GROWTH)


def _iso(instant: dt.datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M UTC")
