"""Writes: look at the site, note what was found, note which catalogues arrived."""

import datetime as dt
import logging
from pathlib import Path

from django.db import DatabaseError, transaction

from sapwood.channel import api as channel
from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import SapwoodError
from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.formats.catalogue import Catalogue
from sapwood.formats.phrase import Phrase, recorded
from sapwood.formats.sitefacts import SiteFacts
from sapwood.site.facts import conf, queries
from sapwood.site.facts.data import NoCatalogueError, NoFactsError
from sapwood.site.facts.models import FactsSnapshot, KnownCatalogue, LastLook
from sapwood.site.facts.tutor import inspect_root
from sapwood.site.facts.words import summary

logger = logging.getLogger(__name__)
PAGE = 200
CHANNEL = "releases"


def refresh(*, actor: Actor, now: dt.datetime) -> str:
    """Read what arrived, look at the configured site, and say in one line how it stands; a bad root is a note."""
    read_catalogues()
    if configured():
        look(actor=actor, now=now)
    return summary(queries.try_exposure(now))


def configured() -> bool:
    """Whether this installation knows where its platform is."""
    return conf.folder(conf.TUTOR_ROOT) is not None or conf.folder(conf.FACTS_FILE) is not None


def look(*, actor: Actor, now: dt.datetime) -> FactsSnapshot | None:
    """Inspect the configured site and keep what was found; a failure is kept too and leaves the last good facts."""
    try:
        facts, source = _inspect()
    except SapwoodError as error:
        _note_failure(error, now)
        return None
    return record_facts(facts, source=source, actor=actor, now=now)


@transaction.atomic
def record_facts(facts: SiteFacts, *, source: str, actor: Actor, now: dt.datetime) -> FactsSnapshot:
    """Keep facts: the same ones again only move the time at which they were seen."""
    document = facts.to_dict()
    kept = {**document, **recorded({name: document[name] for name in queries.WORDED})}
    digest = sha256_hex(canonical_bytes(document))
    state = _last_look()
    state.attempted_at, state.error = now, None
    state.save(update_fields=["attempted_at", "error"])
    newest = FactsSnapshot.objects.select_for_update().order_by("-taken_at", "-pk").first()
    if newest is not None and newest.digest == digest and newest.source == source:
        newest.seen_at, newest.document = now, kept  # rows of an older Sapwood hold bare texts
        newest.save(update_fields=["seen_at", "document"])
        return newest
    row = FactsSnapshot.objects.create(document=kept, digest=digest, source=source, taken_at=now, seen_at=now)
    details = {"digest": digest, "source": source, "release": facts.inferred_release or facts.declared_release}
    audit.record(actor=actor, action="facts.recorded", subject=f"facts:{row.pk}", details=details, at=now)
    return row


def read_catalogues() -> int:
    """Note the catalogues among what the channel received since the last time; how many were new."""
    found = 0
    while True:
        with transaction.atomic():
            state = _last_look()
            batch = channel.received(state.read_up_to, PAGE)
            for item in batch:
                if item.type == "catalogue" and item.channel == CHANNEL:
                    found += KnownCatalogue.objects.get_or_create(
                        received_id=item.id,
                        defaults={
                            "uuid": item.uuid,
                            "revision": item.revision,
                            "sha256": item.sha256,
                            "received_at": item.received_at,
                        },
                    )[1]
            if not batch:
                return found
            state.read_up_to = batch[-1].id
            state.save(update_fields=["read_up_to"])


def catalogue_at_hand(file: Path | None = None) -> Catalogue:
    """The catalogue in a file, else the newest received, else the one that came with Sapwood."""
    if file is not None:
        return queries.read_catalogue(file)
    try:
        read_catalogues()
        return queries.find_catalogue()
    except (NoCatalogueError, DatabaseError):  # before the first pull, or before there is a database
        shipped = queries.shipped_catalogue()
        if shipped is None:
            raise
        return shipped


def _inspect() -> tuple[SiteFacts, str]:
    root = conf.folder(conf.TUTOR_ROOT)
    if root is not None:
        facts = inspect_root(
            root, plugins_root=conf.folder(conf.TUTOR_PLUGINS_ROOT), python=conf.folder(conf.TUTOR_PYTHON)
        )
        return facts, "tutor"
    file = conf.folder(conf.FACTS_FILE)
    if file is None:
        raise NoFactsError(Phrase("No site is configured"), hint=Phrase("Set SAPWOOD_TUTOR_ROOT or SAPWOOD_FACTS."))
    return queries.read_facts(file), "file"


@transaction.atomic
def _note_failure(error: SapwoodError, now: dt.datetime) -> None:
    logger.warning("the site could not be inspected: %s", error.code)
    state = _last_look()
    state.attempted_at, state.error = now, recorded(error.as_dict())
    state.save(update_fields=["attempted_at", "error"])


def _last_look() -> LastLook:
    LastLook.objects.get_or_create(pk=1)
    return LastLook.objects.select_for_update().get(pk=1)
