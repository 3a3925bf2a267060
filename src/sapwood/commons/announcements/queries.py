"""Reads of announcements: what is live, what waits, what the public sees."""

import datetime as dt
import uuid
from collections.abc import Mapping

from django.db.models import Exists, Max, OuterRef, Q, QuerySet, Subquery

from sapwood.commons.announcements.data import DEFAULT_LIVE_ITEMS, LiveBudget
from sapwood.commons.announcements.lines import line_order
from sapwood.commons.announcements.models import (
    OPEN_STATES,
    Budget,
    ImportedEntry,
    Reference,
    Relation,
    Revision,
    State,
)
from sapwood.formats.announcement import Kind
from sapwood.formats.canonical import JSON
from sapwood.formats.conditions import evaluate
from sapwood.formats.publication import Audience, normal_locale
from sapwood.formats.versions import LineOrder

LEFT_THE_HOUSE = (State.STAGED, State.PUBLISHED)


def newest(*states: str) -> QuerySet[Revision]:
    """For each announcement, its newest revision in one of these states."""
    newer = Revision.objects.filter(announcement=OuterRef("announcement"), state__in=states).order_by("-number")
    return Revision.objects.select_related("announcement").filter(state__in=states, pk=Subquery(newer.values("pk")[:1]))


def live(rows: QuerySet[Revision], now: dt.datetime) -> QuerySet[Revision]:
    """Those of `rows` whose window is open and that nothing published has replaced.

    Only what is published and open now replaces, only by its newest text, and only within its own channel: who may
    write to one channel must not make the items of another disappear.
    """
    begun = Q(publish_at=None) | Q(publish_at__lte=now)
    rows = rows.filter(begun, Q(expires_at=None) | Q(expires_at__gt=now))
    for channel, targets in _replaced(now).items():
        rows = rows.exclude(channel=channel, announcement__uuid__in=targets)
    return rows


def _replaced(now: dt.datetime) -> dict[str, list[uuid.UUID]]:
    """By channel, what is replaced there. Few replace others, so they are looked up once and not for each row."""
    newer = Revision.objects.filter(
        announcement=OuterRef("revision__announcement"), number__gt=OuterRef("revision__number"), state=State.PUBLISHED
    )
    pairs = Reference.objects.filter(
        Q(revision__publish_at=None) | Q(revision__publish_at__lte=now),
        ~Exists(newer),
        relation=Relation.SUPERSEDES,
        revision__state=State.PUBLISHED,
    ).values_list("revision__channel", "target")
    found: dict[str, list[uuid.UUID]] = {}
    for channel, target in pairs:
        found.setdefault(channel, []).append(target)
    return found


def live_budgets(now: dt.datetime) -> list[LiveBudget]:
    """For each audience, how many announcements are live, and how many should be at most."""
    limits = dict(Budget.objects.values_list("audience", "live_items"))
    titles: dict[str, list[str]] = {audience.value: [] for audience in Audience}
    for audience, title in live(newest(*LEFT_THE_HOUSE), now).order_by("pk").values_list("audience", "title"):
        titles.setdefault(audience, []).append(title)
    return [
        LiveBudget(audience, len(names), limits.get(audience, DEFAULT_LIVE_ITEMS), tuple(names))
        for audience, names in titles.items()
    ]


def published() -> QuerySet[Revision]:
    """What anybody may read: the newest published revision of each announcement that was not retracted."""
    return newest(State.PUBLISHED).exclude(announcement__revisions__state=State.RETRACTED)


def public_list(
    now: dt.datetime, *, audience: str = "", release: str = "", locale: str = "", kind: str = ""
) -> QuerySet[Revision]:
    """The public announcements page: live, newest first; for one release, what does not certainly spare it."""
    rows = live(published(), now)
    if audience:
        rows = rows.filter(audience=audience)
    if kind:
        rows = rows.filter(kind=kind)
    if release:
        lines = line_order()
        targeted = rows.exclude(condition=None).values_list("pk", "condition")
        spared = [pk for pk, condition in targeted if condition and _spares(condition, release, lines)]
        rows = rows.exclude(pk__in=spared)
    if locale:
        rows = rows.filter(pk__in=[pk for pk, names in rows.values_list("pk", "locales") if _speaks(names, locale)])
    return rows.order_by("-published_at", "-pk")


def last_change(now: dt.datetime) -> dt.datetime | None:
    """When the public list last changed by itself: something came out, opened, ended or was taken back."""
    rows = Revision.objects.filter(state__in=(State.PUBLISHED, State.RETRACTED))
    names = ("published_at", "publish_at", "expires_at", "retracted_at")
    found = [rows.filter(**{f"{name}__lte": now}).aggregate(latest=Max(name))["latest"] for name in names]
    return max((at for at in found if at is not None), default=None)


def by_slug(slug: str, now: dt.datetime) -> Revision | None:
    """What the permanent link shows: the newest text that came out, also after it ended or was retracted."""
    return (
        newest(State.PUBLISHED, State.RETRACTED)
        .filter(Q(publish_at=None) | Q(publish_at__lte=now), announcement__slug=slug)
        .first()
    )


def waiting() -> QuerySet[Revision]:
    """Everything that somebody still has to work on, oldest first."""
    return Revision.objects.select_related("announcement").filter(state__in=OPEN_STATES).order_by("updated_at", "pk")


def approvals_due() -> QuerySet[Revision]:
    """What was submitted and waits for somebody's word."""
    return waiting().filter(state=State.IN_REVIEW)


def conflicts() -> QuerySet[ImportedEntry]:
    """Imports whose source changed after somebody here had edited the text, the longest waiting first."""
    rows = ImportedEntry.objects.select_related("source", "announcement").filter(conflict=True)
    return rows.exclude(announcement=None).order_by("seen_at", "pk")


def answers_to(announcement_uuid: uuid.UUID) -> QuerySet[Revision]:
    """Published announcements that close this feedback request: you asked, we did."""
    closing = Reference.objects.filter(relation=Relation.CLOSES, target=announcement_uuid).values("revision")
    return published().filter(pk__in=closing)


def asked_in(revision: Revision) -> QuerySet[Revision]:
    """Published feedback requests that this revision closes."""
    targets = revision.references.filter(relation=Relation.CLOSES).values("target")
    return published().filter(announcement__uuid__in=targets, kind=Kind.FEEDBACK_REQUEST.value)


def _speaks(locales: list[str], wanted: str) -> bool:
    """Whether one of the languages suits: es matches es-419, and es-419 is content with es."""
    tags = [normal_locale(locale) for locale in locales]
    tag = normal_locale(wanted)
    return any(f"{other}-".startswith(f"{tag}-") or f"{tag}-".startswith(f"{other}-") for other in tags)


def _spares(condition: Mapping[str, JSON], release: str, lines: LineOrder) -> bool:
    """Whether a site on this release is certainly not concerned."""
    return evaluate(condition, {"release": release}, lines=lines).is_no
