"""Reads: facts and catalogues, from files or as last found and received, and what follows from both."""

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sapwood.channel import api as channel
from sapwood.formats import sitefacts
from sapwood.formats.catalogue import Catalogue
from sapwood.formats.catalogue.document import MAX_BYTES
from sapwood.formats.errors import FormatError
from sapwood.formats.exposure import Exposure, exposure
from sapwood.formats.phrase import Phrase, recalled
from sapwood.formats.sitefacts import SiteFacts
from sapwood.formats.versions import LineOrder
from sapwood.site.facts.data import NoCatalogueError, NoFactsError, WrongFileError
from sapwood.site.facts.models import FactsSnapshot, KnownCatalogue, LastLook

NOBODY_LOOKED = dt.timedelta(hours=6)
WORDED = ("why", "mismatches")  # fields of a facts document that hold sentences; kept as phrases in the database


@dataclass(frozen=True)
class Look:
    """How the last look at this site went: facts may be older than the last attempt."""

    attempted_at: dt.datetime | None
    seen_at: dt.datetime | None
    error: dict[str, str] | None

    def stale(self, now: dt.datetime) -> bool:
        """Whether facts exist and nobody has confirmed them for hours."""
        return self.seen_at is not None and now - self.seen_at > NOBODY_LOOKED


def read_facts(path: Path) -> SiteFacts:
    """A facts document from a file."""
    return SiteFacts.from_bytes(_read(path, sitefacts.MAX_BYTES))


def read_catalogue(path: Path) -> Catalogue:
    """A catalogue from a file."""
    return Catalogue.from_bytes(_read(path, MAX_BYTES))


def find_catalogue() -> Catalogue:
    """The newest catalogue that this site received, verified and can read; else raises NoCatalogueError."""
    latest = KnownCatalogue.objects.order_by("-received_id").first()
    known = KnownCatalogue.objects.filter(uuid=latest.uuid if latest else None)
    for row in known.order_by("-revision", "-received_id")[:20]:
        item = channel.received_one(row.received_id)
        if item.withdrawn_at is not None:
            continue
        try:
            return _parsed(item.sha256, item.raw)
        except FormatError:
            continue  # the channel shows it among the refused; the one before still stands
    raise NoCatalogueError(
        Phrase("No release catalogue has been received"),
        hint=Phrase("Subscribe to the channel `releases` and pull, or give %(option)s.", option="--catalogue FILE"),
    )


_shipped: list[Path] = []


def set_shipped_catalogue(path: Path) -> None:
    """Where the catalogue lies that came with Sapwood: for the command line, while none has been received."""
    _shipped[:] = [path]


def shipped_catalogue() -> Catalogue | None:
    """The catalogue that came with Sapwood, where one did."""
    return read_catalogue(_shipped[0]) if _shipped else None


def current_snapshot() -> FactsSnapshot | None:
    """The newest facts row."""
    return FactsSnapshot.objects.order_by("-taken_at", "-pk").first()


def current_facts() -> SiteFacts | None:
    """What is known about this site, or None when nothing is."""
    row = current_snapshot()
    if row is None:
        return None
    return SiteFacts.from_dict({**row.document, **{name: recalled(row.document.get(name)) for name in WORDED}})


def last_look() -> Look:
    """How the last look went."""
    state, row = LastLook.objects.filter(pk=1).first(), current_snapshot()
    seen_at = row.seen_at if row else None
    return Look(state.attempted_at, seen_at, recalled(state.error)) if state else Look(None, seen_at, None)


def current_exposure(now: dt.datetime) -> Exposure:
    """What this site is exposed to now; raises NoFactsError or NoCatalogueError."""
    facts = current_facts()
    if facts is None:
        raise NoFactsError(
            Phrase("Nothing is known about this site yet"),
            hint=Phrase("Set SAPWOOD_TUTOR_ROOT to its Tutor root, or SAPWOOD_FACTS."),
        )
    return exposure(facts, find_catalogue(), now.date())


def try_exposure(now: dt.datetime) -> Exposure | NoFactsError | NoCatalogueError:
    """The exposure, or the reason why there is none."""
    try:
        return current_exposure(now)
    except (NoFactsError, NoCatalogueError) as error:
        return error


def line_order() -> LineOrder:
    """The order of the project's lines and the days of their releases, for conditions; empty without a catalogue."""
    try:
        catalogue = find_catalogue()
    except NoCatalogueError:
        return LineOrder()
    days = {item.version: item.date for line in catalogue.lines for item in line.releases if item.date}
    return LineOrder(tuple(line.name for line in catalogue.lines), days)


@lru_cache(maxsize=4)
def _parsed(sha256: str, raw: bytes) -> Catalogue:  # noqa: ARG001 - the key under which it is kept
    return Catalogue.from_bytes(raw)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise WrongFileError(
            Phrase("%(path)s cannot be read: %(reason)s", path=path, reason=error.strerror),
            hint=Phrase("Check the path."),
        ) from None
