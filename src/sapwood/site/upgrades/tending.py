"""Every minute: what is new, what came of what happened by itself, and what may happen by itself now.

Each step is a row that is written once, so whoever is killed in between is followed by one that finds the rest to do.
"""

import datetime as dt
import logging
from typing import Any

from django.db import transaction
from django.urls import reverse

from sapwood.core.errors import SapwoodError
from sapwood.formats.phrase import Phrase, recalled
from sapwood.site.upgrades import automatic, news, releases, requests
from sapwood.site.upgrades.automatic import BY_ITSELF, Wish
from sapwood.site.upgrades.data import Stage, Subject, Verdict
from sapwood.site.upgrades.models import UNFINISHED, Automation, Kind, News, RehearsalRecord, Request, State, UpgradeRun
from sapwood.site.upgrades.offers import Offer, offers

logger = logging.getLogger(__name__)


def look_around(now: dt.datetime) -> None:
    """Read what arrived, raise news, ask for what may happen by itself, and mail what is new."""
    releases.read_releases()
    ahead = releases.outlook(now)
    news.note_outlook(ahead, now, candidates=automatic.asks_for_candidates())
    requests.settle(now)
    tell_outcomes(now)
    for offer in offers():
        if offer.subject is not None:
            _tend(offer, offer.subject, ahead, now)
    news.mail_news(now)


def tell_outcomes(now: dt.datetime) -> None:
    """Raise news of what happened by itself and is over; a failure switches automatic application off."""
    told = set(News.objects.filter(kind="automatic").values_list("key", flat=True))
    over = Request.objects.filter(options__automatic=True).exclude(state__in=UNFINISHED).order_by("pk")
    for row in over.select_related("rehearsal"):
        key = f"automatic:{row.uuid}"
        if key not in told and not automatic.is_held(row):
            with transaction.atomic():
                _tell(row, key, now)


def _tell(row: Request, key: str, now: dt.datetime) -> None:
    if row.kind == Kind.REHEARSE:
        words, severity, more = _rehearsed(row)
        url = reverse("upgrades:rehearsal", args=[row.uuid])
    else:
        words, severity, more = _applied(row)
        run = (row.answer or {}).get("run", "")
        url = reverse("upgrades:run", args=[run]) if run else reverse("upgrades:request", args=[row.uuid])
        if severity != "info":
            automatic.switch_off(row.place, words, now=now)
    given: dict[str, Any] = {"severity": severity, "subject": row.subject, "url": url, "more": more}
    news.raise_news(key, "automatic", words, now=now, **given)


def _rehearsed(row: Request) -> tuple[Phrase, str, list[object]]:
    given = {"name": row.subject, "release": row.options["release"]}
    if row.state == State.FAILED:
        return Phrase("%(release)s could not be rehearsed for %(name)s", **given), "medium", _why(row)
    record = RehearsalRecord.objects.get(request=row)
    reasons: list[object] = list(record.reasons)[:5]
    if record.verdict == Verdict.GO:
        return Phrase("The rehearsal of %(release)s for %(name)s says go", **given), "info", reasons
    if record.verdict == Verdict.NO_GO:
        return Phrase("The rehearsal of %(release)s for %(name)s says no-go", **given), "medium", reasons
    return Phrase("The rehearsal of %(release)s for %(name)s cannot tell", **given), "medium", reasons


def _applied(row: Request) -> tuple[Phrase, str, list[object]]:
    given = {"name": row.subject, "release": row.options["release"]}
    stage = (row.answer or {}).get("stage")
    if row.state == State.DONE and stage == Stage.DONE:
        run = UpgradeRun.objects.filter(key=(row.answer or {}).get("run")).first()
        took = (
            [Phrase("the site was closed for %(seconds)s s", seconds=f"{run.downtime_s:.0f}")]
            if (run and run.downtime_s is not None)
            else []
        )
        return Phrase("%(name)s was upgraded to %(release)s by itself", **given), "info", [*took]
    off = Phrase("Nothing more is applied by itself until somebody allows it again.")
    if row.state == State.DONE and stage == Stage.ROLLED_BACK:
        words = Phrase("The automatic upgrade of %(name)s to %(release)s was taken back", **given)
        return words, "high", [*_said(row), off]
    if row.state == State.DONE:
        words = Phrase("The automatic upgrade of %(name)s to %(release)s stopped and waits for somebody", **given)
        return words, "critical", [*_said(row), off]
    return Phrase("The automatic upgrade of %(name)s to %(release)s was refused", **given), "high", [*_why(row), off]


def _said(row: Request) -> list[object]:
    message = recalled((row.answer or {}).get("message"))
    return [message] if message else []


def _why(row: Request) -> list[object]:
    error = recalled(row.error) or {}
    return [text for text in (error.get("message"), error.get("hint")) if text]


def _tend(offer: Offer, subject: Subject, ahead: releases.Outlook | None, now: dt.datetime) -> None:
    """Ask for one thing at most: the upgrade, if its time has come, else the rehearsal."""
    setting = Automation.objects.filter(place=offer.key).first()
    if setting is None:
        return
    if setting.applies and setting.application_by is not None:
        wish = automatic.application_wish(subject, ahead, now)
        if wish.waits is None:
            _ask(offer, subject, Kind.APPLY, wish, setting.application_by, now)
            return
    if setting.rehearses and setting.rehearsals_by is not None:
        wish = automatic.rehearsal_wish(subject, ahead, now)
        if wish.waits is None:
            _ask(offer, subject, Kind.REHEARSE, wish, setting.rehearsals_by, now)


def _ask(offer: Offer, subject: Subject, kind: Kind, wish: Wish, by: Any, now: dt.datetime) -> None:
    try:
        requests.ask(subject, kind, by=by, now=now, options=wish.options(), actor=BY_ITSELF)
    except SapwoodError as error:  # somebody was faster, or may not any more: the next look says
        logger.info("nothing was asked for %s by itself: %s", offer.name, error.message)
