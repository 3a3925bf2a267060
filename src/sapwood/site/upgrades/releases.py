"""What the project offers this site: releases and fixes that concern it, by the signed documents and its own facts."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from django.db import transaction

from sapwood.channel import api as channel
from sapwood.core.errors import NotFoundError
from sapwood.formats.catalogue import Catalogue
from sapwood.formats.conditions import Answer, evaluate
from sapwood.formats.documents import parse_document
from sapwood.formats.errors import FormatError
from sapwood.formats.exposure import Exposure, Threat
from sapwood.formats.phrase import Phrase
from sapwood.formats.publication import Publication
from sapwood.formats.release import Release, ReleaseStatus
from sapwood.formats.retraction import Retraction
from sapwood.formats.sitefacts import SiteFacts
from sapwood.formats.versions import LineOrder
from sapwood.site.facts import api as facts
from sapwood.site.identity import api as identity
from sapwood.site.upgrades.models import ReleaseDocument, ReleasesRead

CHANNELS: Final = ("releases", "candidates")
PAGE: Final = 200
HEARD_WITHIN: Final = dt.timedelta(days=1)
CANDIDATE_NAME: Final = re.compile(r"rc\.?[0-9]+\Z", re.IGNORECASE)


class Sort(StrEnum):
    """What a release is to this site."""

    POINT = "point"
    LINE = "line"
    CANDIDATE = "candidate"


@dataclass(frozen=True)
class Offered:
    """A release that is newer than what runs here. `why_not`: why it is not, or not yet, for this site."""

    version: str
    line: str
    tag: str
    sort: Sort
    documents: tuple[Release, ...] = ()
    why_not: Phrase | None = None
    unsure: Phrase | None = None


@dataclass(frozen=True)
class Outlook:
    """Where the site stands and what is ahead of it, the newest of each sort first."""

    here: str
    releases: tuple[Offered, ...]
    fixes: tuple[Threat, ...]

    def newest(self, sort: Sort) -> Offered | None:
        """The newest of a sort that this site is offered."""
        return next((one for one in self.releases if one.sort is sort and one.why_not is None), None)

    def named(self, version: str) -> Offered | None:
        """The release of this name, offered or held back."""
        return next((one for one in self.releases if one.version == version), None)


def site_number() -> float | None:
    """From 0 to below 100, drawn once: as the percentage of a roll-out grows beyond it, this site is reached.

    None where the console runs as an account that may not read who this site is; the worker may.
    """
    try:
        return identity.random_number() * 100
    except OSError:
        return None


def read_releases() -> int:
    """Note the releases among what the channel received since the last time; how many documents were new."""
    found = 0
    while True:
        with transaction.atomic():
            ReleasesRead.objects.get_or_create(pk=1)
            state = ReleasesRead.objects.select_for_update().get(pk=1)
            batch = channel.received(state.read_up_to, PAGE)
            for item in batch:
                found += item.channel in CHANNELS and item.type in {"release", "retraction"} and _note(item)
            if not batch:
                return found
            state.read_up_to = batch[-1].id
            state.save(update_fields=["read_up_to"])


def _note(item: channel.Received) -> bool:
    try:
        document = parse_document(item.raw)
    except FormatError:
        return False  # the inbox shows it among what cannot be read
    if not isinstance(document, Publication) or document.channel != item.channel:
        return False
    place: dict[str, Any] = {"subscription": item.subscription, "channel": item.channel}
    if isinstance(document, Retraction):
        row, _fresh = ReleaseDocument.objects.get_or_create(**place, publication=str(document.retracts))
        if document.retracts_revision in {None, row.revision}:
            row.retracted = True
            row.save(update_fields=["retracted"])
        return True
    if not isinstance(document, Release):
        return False
    row, _fresh = ReleaseDocument.objects.get_or_create(**place, publication=item.uuid)
    if item.revision > row.revision:
        row.revision, row.received_id, row.document = item.revision, item.id, document.to_dict()
        row.save(update_fields=["revision", "received_id", "document"])
    return True


def outlook(now: dt.datetime) -> Outlook | None:
    """What is ahead of this site; None where nobody knows where it stands."""
    found, site = facts.try_exposure(now), facts.current_facts()
    if not isinstance(found, Exposure) or found.standing.line is None or site is None:
        return None
    catalogue, order = facts.find_catalogue(), facts.line_order()
    documents, is_heard = _documents(), _is_heard(now)
    here = found.standing.name or found.standing.line.name
    offered = []
    for line, version, tag in _known(catalogue, documents, now.date()):
        if not _is_newer(order, version, line, found):
            continue
        of_it = documents.get(version, ())
        sort = _sort(version, line, of_it, found.standing.line.name)
        why_not, unsure = _standing_of(of_it, site, order)
        if unsure is None and not is_heard:
            unsure = Phrase("the channel is silent, so nobody would hear that the release was taken back")
        offered.append(Offered(version, line, tag, sort, tuple(of_it), why_not, unsure))
    ranked = sorted(offered, key=lambda one: _rank(order, one), reverse=True)
    fixes = tuple(threat for threat in found.advisories if _has_fix(threat))
    return Outlook(here, tuple(ranked), fixes)


def _documents() -> dict[str, list[Release]]:
    """By version, the releases that stand: not retracted, and still listed by their publisher."""
    found: dict[str, list[Release]] = {}
    publisher = _publisher()
    for row in ReleaseDocument.objects.exclude(document=None).order_by("pk"):
        if row.subscription != publisher:
            continue
        release = _read(row.document)
        if release is None:
            continue
        if row.retracted or _is_withdrawn(row.received_id):
            release = Release.from_dict({**release.to_dict(), "status": ReleaseStatus.YANKED.value})
        found.setdefault(release.release, []).append(release)
    return found


def _publisher() -> str:
    """Of several publishers with a channel of this name, the first one known here is the project's."""
    known = channel.subscriptions()
    return min(known, key=lambda one: one.pk).name if known else ""


def _is_heard(now: dt.datetime) -> bool:
    """Whether what the publisher takes back or pauses would have reached this site within the last day."""
    publisher = _publisher()
    health = [one for one in channel.channel_health(now) if (one.subscription, one.name) == (publisher, CHANNELS[0])]
    return any(
        one.state is channel.ChannelState.FRESH and one.last_good_at and now - one.last_good_at < HEARD_WITHIN
        for one in health
    )


def _read(data: Any) -> Release | None:
    """A release that was kept; None when this Sapwood cannot read it any more."""
    try:
        return Release.from_dict(data)
    except FormatError:
        return None


def _is_withdrawn(received_id: int) -> bool:
    try:
        return channel.received_one(received_id).withdrawn_at is not None
    except NotFoundError:
        return True


def _known(
    catalogue: Catalogue, documents: Mapping[str, Iterable[Release]], today: dt.date
) -> Iterable[tuple[str, str, str]]:
    """Line, version and tag of each release that is out."""
    known = {
        release.version: (line.name, release.version, release.tag)
        for line in catalogue.lines
        for release in line.releases
        if release.out_by and release.out_by <= today
    }
    lines = {line.name for line in catalogue.lines}
    for version, of_it in documents.items():
        for release in of_it:
            if release.line in lines and (release.date is None or release.date <= today):
                known.setdefault(version, (release.line, version, release.tag))
    return list(known.values())


def _is_newer(order: LineOrder, version: str, line: str, found: Exposure) -> bool:
    standing = found.standing
    if standing.release is not None:
        return order.compare(version, standing.release.version) == 1
    there, here = order.place(line), order.place(standing.line.name) if standing.line else None
    return there is not None and here is not None and there > here


def _sort(version: str, line: str, documents: Iterable[Release], here: str) -> Sort:
    states = {one.status for one in documents}
    if CANDIDATE_NAME.search(version) or (ReleaseStatus.CANDIDATE in states and ReleaseStatus.RELEASED not in states):
        return Sort.CANDIDATE
    return Sort.POINT if line == here else Sort.LINE


def _standing_of(
    documents: Iterable[Release], site: SiteFacts, order: LineOrder
) -> tuple[Phrase | None, Phrase | None]:
    """Why a release is not for this site now, and what about it is not known."""
    unsure: Phrase | None = Phrase("no signed document says how far its roll-out is")
    number = site_number()
    for one in documents:
        unsure = None
        if one.status is ReleaseStatus.YANKED:
            return Phrase("it was taken back"), None
        if one.paused:
            return Phrase("its roll-out is paused"), None
        if number is None:
            unsure = Phrase("this account cannot read this site's number")
        elif number >= one.rollout_percent:
            return Phrase(
                "its roll-out is at %(percent)s %%, this site's turn comes at %(number)s %%",
                percent=one.rollout_percent,
                number=f"{number:.2f}",
            ), None
        if one.condition is not None:
            answer = evaluate(one.condition, site, lines=order)
            if answer.answer is Answer.NO:
                return Phrase("it does not concern this site"), None
            if answer.answer is Answer.UNKNOWN:
                unsure = Phrase("whether it concerns this site is not known")
    return None, unsure


def _rank(order: LineOrder, one: Offered) -> tuple[int, tuple[object, ...]]:
    try:
        return order.sort_key(one.version)
    except FormatError:
        return (order.place(one.line) or -1, ())


def _has_fix(threat: Threat) -> bool:
    fixed = threat.advisory.fixed_in
    return bool(fixed.tags or fixed.distributions)
