"""What may happen by itself with one deployment, who allowed it, and what it waits for. Everything is off at first."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.db.models import Q

from sapwood.accounts.api import User, require, user_has
from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import SapwoodError, UsageError
from sapwood.formats.phrase import Phrase, recorded
from sapwood.site.upgrades import targets
from sapwood.site.upgrades.blackouts import blackout_at, ends_at
from sapwood.site.upgrades.data import Stage, Subject, Verdict
from sapwood.site.upgrades.drivers.registry import driver_of
from sapwood.site.upgrades.models import (
    UNFINISHED,
    Automation,
    Kind,
    RehearsalRecord,
    Request,
    State,
    UpgradeRun,
)
from sapwood.site.upgrades.offers import key_of
from sapwood.site.upgrades.permissions import APPLY, AUTOMATE, REHEARSE
from sapwood.site.upgrades.releases import Offered, Outlook, Sort
from sapwood.site.upgrades.windows import LONGEST, Opening, Window, zone_named

BY_ITSELF: Final = Actor.system("upgrades.automatic")
RETRY_AFTER: Final = dt.timedelta(minutes=15)
TRIES: Final = 2
SHORTEST: Final = dt.timedelta(minutes=15)
HELD: Final = "upgrades.held"


class HeldError(SapwoodError):
    """Something that would happen by itself has to wait."""

    code = HELD


class AutomationError(UsageError):
    """What was allowed makes no sense."""

    code = "upgrades.automation"


@dataclass(frozen=True)
class Wish:
    """What would happen by itself next, or why it waits."""

    subject: Subject | None
    offered: Offered | None
    waits: Phrase | None
    record: RehearsalRecord | None = None

    def options(self) -> dict[str, Any]:
        """For the request that asks the worker for it."""
        if self.subject is None or self.offered is None:
            raise ValueError("there is nothing to ask for")
        found = {
            "automatic": True,
            "release": self.offered.version,
            "tag": self.offered.tag,
            "target": targets.digest_of(self.subject),
        }
        return found | ({"rehearsal": str(self.record.request.uuid)} if self.record else {})


def setting_of(place: str) -> Automation:
    """What is allowed for a deployment; not saved where nobody ever said anything."""
    return Automation.objects.filter(place=place).first() or Automation(place=place)


def window_of(setting: Automation) -> Window:
    """The weekly window of automatic application."""
    return Window(setting.day, setting.start, dt.timedelta(minutes=setting.length_minutes), setting.zone)


def asks_for_candidates() -> bool:
    """Whether an administrator wants to hear of candidates."""
    return Automation.objects.filter(candidates=True).exists()


def allow_rehearsals(  # noqa: PLR0913 - what, and on whose word
    place: str, *, on: bool, candidates: bool, in_blackouts: bool, by: User, actor: Actor, now: dt.datetime
) -> Automation:
    """Say whether new point releases are rehearsed by themselves, candidates too, and on black-out dates too."""
    require(by, AUTOMATE)
    values = {"rehearses": on, "candidates": candidates, "in_blackouts": on and in_blackouts, "rehearsals_by": by}
    return _save(place, values, "upgrades.rehearsals_allowed" if on else "upgrades.rehearsals_stopped", actor, now)


def allow_application(place: str, window: Window, *, by: User, actor: Actor, now: dt.datetime) -> Automation:
    """Have point releases applied by themselves, rehearsed before, inside this window. Raises AutomationError."""
    require(by, AUTOMATE)
    require(by, APPLY)
    zone_named(window.zone)
    if window.day not in range(7) or not SHORTEST <= window.length <= LONGEST:
        raise AutomationError(
            Phrase("A window has a day of the week, and is between 15 minutes and 24 hours long"),
            hint=Phrase("Correct it."),
        )
    values = {
        "applies": True,
        "day": window.day,
        "start": window.start,
        "length_minutes": int(window.length.total_seconds()) // 60,
        "zone": window.zone,
        "application_by": by,
        "stopped_at": None,
        "stopped_why": None,
    }
    return _save(place, values, "upgrades.application_allowed", actor, now)


def stop_everything(place: str, *, actor: Actor, now: dt.datetime) -> Automation:
    """One press: nothing happens by itself with this deployment any more. What runs goes on."""
    return _save(place, {"rehearses": False, "applies": False}, "upgrades.automation_stopped", actor, now)


def switch_off(place: str, why: Phrase, *, now: dt.datetime) -> Automation:
    """After a failure nothing is applied by itself until a person has looked."""
    values = {"applies": False, "stopped_at": now, "stopped_why": recorded(why)}
    return _save(place, values, "upgrades.application_switched_off", BY_ITSELF, now)


@transaction.atomic
def _save(place: str, values: dict[str, Any], action: str, actor: Actor, now: dt.datetime) -> Automation:
    row, _fresh = Automation.objects.update_or_create(place=place, defaults=values)
    shown = {name: str(value) for name, value in values.items() if not isinstance(value, User) and value is not None}
    audit.record(actor=actor, action=action, subject=f"automation:{place}", at=now, details=shown)
    return row


def rehearsal_wish(subject: Subject, ahead: Outlook | None, now: dt.datetime) -> Wish:
    """Which release would be rehearsed by itself, and what that waits for."""
    setting = setting_of(key_of(subject.path))
    offered, waits = _wanted(setting, ahead)
    if offered is None:
        return Wish(None, None, waits)
    try:
        wanted = targets.for_release(subject, offered.version, offered.tag)
        driver_of(wanted).require_rehearsal(wanted)
    except SapwoodError as error:
        return Wish(None, offered, Phrase.verbatim(error.message))
    waits = _why_no_rehearsal(setting, now) or _why_not_again(setting, wanted, now)
    return Wish(wanted, offered, waits)


def application_wish(subject: Subject, ahead: Outlook | None, now: dt.datetime) -> Wish:
    """Which release would be applied by itself, and what that waits for."""
    setting = setting_of(key_of(subject.path))
    offered = ahead.newest(Sort.POINT) if ahead else None
    if offered is None:
        return Wish(None, None, Phrase("no point release is offered to this site"))
    try:
        wanted = targets.for_release(subject, offered.version, offered.tag)
    except SapwoodError as error:
        return Wish(None, offered, Phrase.verbatim(error.message))
    record = newest_of_release(setting.place, offered.version, targets.digest_of(wanted))
    waits = _why_no_application(setting, offered, record, now)
    return Wish(wanted, offered, waits, record)


def hold(row: Request, wanted: Subject, ahead: Outlook | None, now: dt.datetime) -> None:
    """Look again when the worker takes up what was asked for by itself. Raises HeldError when it has to wait."""
    setting = setting_of(row.place)
    offered = ahead.named(str(row.options["release"])) if ahead else None
    waits: Phrase | None
    if offered is None:
        waits = Phrase("the release is not offered to this site any more")
    elif offered.why_not is not None:
        waits = offered.why_not
    elif row.kind == Kind.REHEARSE:
        waits = _why_no_rehearsal(setting, now, but=row)
    elif offered.sort is not Sort.POINT:
        waits = Phrase("it is no point release")
    else:
        record = newest_of_release(row.place, offered.version, targets.digest_of(wanted))
        waits = _why_no_application(setting, offered, record, now, but=row)
    if waits is not None:
        raise HeldError(Phrase("It waits: %(why)s", why=waits), hint=Phrase("It is tried again by itself."))


def newest_of_release(place: str, version: str, target: str) -> RehearsalRecord | None:
    """The newest rehearsal of just this target that came to a verdict."""
    rows = RehearsalRecord.objects.exclude(verdict="").filter(
        request__place=place, request__options__release=version, request__options__target=target
    )
    return rows.select_related("request").order_by("-request__asked_at", "-pk").first()


def _wanted(setting: Automation, ahead: Outlook | None) -> tuple[Offered | None, Phrase | None]:
    """The newest point release, or a candidate where these are wanted too and none is newer."""
    if ahead is None:
        return None, Phrase("where this site stands is not known")
    point = ahead.newest(Sort.POINT)
    candidate = ahead.newest(Sort.CANDIDATE) if setting.candidates else None
    found = point or candidate
    return found, None if found else Phrase("no new release is offered to this site")


def _why_no_rehearsal(setting: Automation, now: dt.datetime, *, but: Request | None = None) -> Phrase | None:
    if not setting.rehearses:
        return Phrase("automatic rehearsal is off")
    if not _still_may(setting.rehearsals_by, REHEARSE, now):
        return Phrase("whoever allowed it may not do so any more")
    dark = None if setting.in_blackouts else blackout_at(now)
    if dark is not None:
        return _dark(dark.reason, ends_at(dark))
    return _why_busy(setting.place, but)


def _why_not_again(setting: Automation, wanted: Subject, now: dt.datetime) -> Phrase | None:
    """A target is rehearsed once, and once more after an error that was none of its own or when its word lapsed."""
    asked = list(
        Request.objects.filter(
            place=setting.place,
            kind=Kind.REHEARSE,
            options__release=wanted.release,
            options__target=targets.digest_of(wanted),
        )
        .select_related("rehearsal")
        .order_by("-asked_at", "-pk")[:50]
    )
    failed = []
    for row in asked:
        if row.state == State.DONE:
            lapsed = row.rehearsal.expires_at is not None and now >= row.rehearsal.expires_at
            if row.rehearsal.verdict != Verdict.GO or not lapsed or not setting.applies:
                return Phrase("it was rehearsed already")
            break
        if row.state == State.FAILED and not is_held(row):
            failed.append(row)
    if len(failed) >= TRIES:
        return Phrase("it failed twice; somebody has to look")
    if failed and (failed[0].ended_at or now) + RETRY_AFTER > now:
        return Phrase("it failed, and is tried once more in a quarter of an hour")
    return None


def _why_no_application(  # noqa: PLR0911 - one line for each reason
    setting: Automation,
    offered: Offered,
    record: RehearsalRecord | None,
    now: dt.datetime,
    *,
    but: Request | None = None,
) -> Phrase | None:
    if not setting.applies:
        return Phrase("automatic application is off")
    if not _still_may(setting.application_by, APPLY, now):
        return Phrase("whoever allowed it may not do so any more")
    if offered.unsure is not None:
        return offered.unsure
    if record is None:
        return Phrase("it was not rehearsed yet")
    if record.verdict != Verdict.GO or not record.certificate:
        return Phrase("its rehearsal did not say go")
    if record.expires_at is None or now >= record.expires_at:
        return Phrase("the certificate of its rehearsal has lapsed")
    if _was_tried(setting.place, offered.version, but):
        return Phrase("it was applied by itself before; that happens once")
    opening = window_of(setting).open_at(now)
    if opening is None:
        return Phrase("the window is closed")
    return _why_no_time(record, opening, now) or _why_busy(setting.place, but)


def _why_no_time(record: RehearsalRecord, opening: Opening, now: dt.datetime) -> Phrase | None:
    """The site has to be open again when the window closes, and before black-out dates begin."""
    foretold = _takes_s(record.document or {})
    if foretold is None:
        return Phrase("how long the site would be closed is not known")
    over = now + dt.timedelta(seconds=foretold)
    if over > opening.closes_at:
        return Phrase("what is left of the window is shorter than the site may be closed for")
    dark = blackout_at(now, over)
    return _dark(dark.reason, ends_at(dark)) if dark is not None else None


def _takes_s(document: Mapping[str, Any]) -> float | None:
    """The longest that a rehearsal foretells until the site is open again: first the backup, while it is open still."""
    closed = document.get("predicted_downtime_s") or {}
    high, likely = closed.get("high"), closed.get("likely")
    if not isinstance(high, int | float):
        return None
    before = sum(step["seconds"] or 0.0 for step in document.get("steps", []) if step["part"] == "open")
    return float(high + before * (high / likely if likely else 1.0))


def _why_busy(place: str, but: Request | None) -> Phrase | None:
    run = UpgradeRun.objects.filter(place=place).order_by("-began_at").first()
    if run and run.stage not in {Stage.DONE, Stage.ROLLED_BACK}:
        return Phrase("an earlier upgrade is not over")
    # Two rehearsals, even of two deployments, would measure each other.
    heavy = Q(kind__in=[Kind.REHEARSE, Kind.APPLY, Kind.RESUME, Kind.ROLLBACK])
    busy = Request.objects.filter(heavy | Q(place=place), state__in=UNFINISHED).exclude(kind=Kind.PAUSE)
    others = busy.exclude(pk=but.pk) if but else busy
    return Phrase("something else is under way") if others.exists() else None


def _was_tried(place: str, version: str, but: Request | None) -> bool:
    asked = Request.objects.filter(place=place, kind=Kind.APPLY, options__automatic=True, options__release=version)
    return any(not is_held(row) for row in (asked.exclude(pk=but.pk) if but else asked))


def _still_may(user: User | None, code: str, now: dt.datetime) -> bool:
    return user is not None and user_has(user, code, now=now) and user_has(user, AUTOMATE, now=now)


def _dark(reason: str, until: dt.datetime) -> Phrase:
    return Phrase("black-out dates: %(reason)s, until %(until)s UTC", reason=reason, until=f"{until:%Y-%m-%d %H:%M}")


def is_held(row: Request) -> bool:
    """Whether a request ended without having begun, because something made it wait."""
    return row.state == State.FAILED and (row.error or {}).get("code") == HELD
