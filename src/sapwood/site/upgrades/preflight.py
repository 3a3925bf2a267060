"""Preflight: what must be so before an upgrade begins, each thing under a name that stays.

Nothing is changed. What cannot be found out is unknown, and unknown is never a pass. Somebody may waive what stands in
the way, with a reason, which stays in the result.
"""

import contextlib
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sapwood.core.errors import SapwoodError, UsageError
from sapwood.formats.phrase import NO_WORDS, Figure, Phrase
from sapwood.site.checks import api as checks
from sapwood.site.upgrades.data import DatabaseUrl, Subject
from sapwood.site.upgrades.drivers.django import InsideError
from sapwood.site.upgrades.engines.base import engine_for
from sapwood.site.upgrades.isolation import Kind, probe
from sapwood.site.upgrades.locks import holders
from sapwood.site.upgrades.planning import Seen

LONGEST_LOCK_WAIT_S: Final = 60
LONGEST_TRANSACTION_S: Final = 10
LARGEST_SKEW_S: Final = 5.0
SHOWN: Final = 5
LOCAL: Final = ("localhost", "127.0.0.1", "::1")
OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH

Answers = Mapping[str, Mapping[str, Any]]
"""What a side says of each database, by alias."""


class Outcome(StrEnum):
    """What one look found. Waived: it stands in the way, and somebody answers for going on.

    Confirmed: only a person can tell, and somebody did.
    """

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    UNKNOWN = "unknown"
    WAIVED = "waived"
    CONFIRMED = "confirmed"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found, what to do about it, and why somebody goes on all the same.

    `by_person`: only a person can tell. `of_plan`: it is about what is planned, and not about this moment, so that a
    rehearsal rests on it too.
    """

    name: str
    outcome: Outcome
    detail: Phrase
    remedy: Phrase = NO_WORDS
    reason: str = ""
    by_person: bool = False
    of_plan: bool = False

    @property
    def line(self) -> str:
        """One line for a terminal."""
        more = f" [{self.outcome}: {self.reason}]" if self.reason else f". {self.remedy}" if self.remedy else ""
        return f"{self.outcome:<8}  {self.name:<28}  {self.detail}{more}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON, in English."""
        return {
            "name": self.name,
            "verdict": self.outcome.value,
            "detail": str(self.detail),
            "remedy": str(self.remedy),
            "reason": self.reason,
            "by_person": self.by_person,
            "of_plan": self.of_plan,
        }


@dataclass(frozen=True)
class Preflight:
    """Everything looked at, in the order of the names."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Outcome:
        """The worst that was found and not waived."""
        found = {finding.outcome for finding in self.findings}
        return next((worst for worst in (Outcome.FAIL, Outcome.UNKNOWN) if worst in found), Outcome.PASS)

    @property
    def answered(self) -> tuple[Finding, ...]:
        """What somebody waived or confirmed, each with the reason."""
        return tuple(finding for finding in self.findings if finding.reason)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"verdict": self.verdict.value, "checks": [finding.to_dict() for finding in self.findings]}


@dataclass(frozen=True)
class Place:
    """What is looked at: the subject, what both sides say, and where Sapwood works and keeps its own data."""

    subject: Subject
    current: Answers
    target: Answers
    refused: SapwoodError | None
    work: Path
    own: Mapping[str, Any]
    left: frozenset[str] = frozenset()  # what earlier upgrades postponed, and so is pending for a reason


Look = Callable[[Place], Finding]
LOOKS: dict[str, Look] = {}


def looked_at(
    subject: Subject, seen: Seen, *, work: Path, own: Mapping[str, Any], left: frozenset[str] = frozenset()
) -> tuple[Finding, ...]:
    """Everything that is looked at before any upgrade. `own` is Sapwood's own database, as Django's settings have it.

    `left` are the labels of migrations that earlier upgrades postponed.
    Raises InsideError where the running release does not answer; a target that does not is a finding.
    """
    if not seen.current.preflight:
        seen.current.one("preflight")
    target, refused = seen.target.preflight, None
    if set(target) != set(seen.current.preflight):
        target, refused = {}, seen.target.refused or InsideError("The target does not answer", hint="See its log.")
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = Place(subject, seen.current.preflight, target, refused, work, own, left)
    return tuple(replace(look(place), name=name) for name, look in LOOKS.items())


def answered(findings: Sequence[Finding], waivers: Mapping[str, str] | None) -> Preflight:
    """The findings with what somebody answers for. Raises UsageError for a name that is not there, or no reason."""
    given = check_waivers(waivers, [finding.name for finding in findings])
    return Preflight(tuple(waived(finding, given.get(finding.name, "")) for finding in findings))


def check_waivers(waivers: Mapping[str, str] | None, names: Iterable[str]) -> dict[str, str]:
    """The waivers, each of a name that exists and with a reason; else raises UsageError."""
    given, known = dict(waivers or {}), list(names)
    for name, reason in given.items():
        if name not in known:
            raise UsageError(f"There is no check named {name!r}", hint=f"Names: {', '.join(known)}.")
        if not reason.strip() or not reason.isprintable():
            raise UsageError(f"The waiver of {name} needs a reason", hint=f"Write --waive '{name}=why'.")
    return given


def waived(finding: Finding, reason: str) -> Finding:
    """The finding, with the reason for which somebody goes on in spite of it."""
    if not reason or finding.outcome is Outcome.PASS:
        return finding
    told = finding.by_person and finding.outcome is Outcome.UNKNOWN
    return replace(finding, outcome=Outcome.CONFIRMED if told else Outcome.WAIVED, reason=reason)


def _look(name: str) -> Callable[[Look], Look]:
    def keep(look: Look) -> Look:
        LOOKS[name] = look
        return look

    return keep


def _good(detail: Phrase) -> Finding:
    return Finding("", Outcome.PASS, detail)


def _bad(detail: Phrase, remedy: Phrase) -> Finding:
    return Finding("", Outcome.FAIL, detail, remedy)


def _unknown(detail: Phrase, remedy: Phrase = NO_WORDS) -> Finding:
    return Finding("", Outcome.UNKNOWN, detail, remedy)


def _some(words: Iterable[object]) -> str:
    listed = [str(word) for word in words]
    return ", ".join(listed[:SHOWN]) + (f" (+{len(listed) - SHOWN})" if len(listed) > SHOWN else "")


def _not_said(place: Place, name: str) -> Phrase | None:
    """Why a server did not say something, where one did not."""
    for alias, answer in place.current.items():
        if name in answer["errors"]:
            return Phrase("%(database)s does not say: %(reason)s", database=alias, reason=answer["errors"][name])
    return None


@_look("disk.data")
def _disk_data(place: Place) -> Finding:
    return _disk(place, "data")


@_look("disk.temporary")
def _disk_temporary(place: Place) -> Finding:
    return _disk(place, "temporary")


@_look("disk.backup")
def _disk_backup(place: Place) -> Finding:
    needed = _needs(place, "backup")
    if needed is not None:
        return _room(needed)
    alias = next(alias for alias in place.current if _sizes(place, alias) is None)
    return _unknown(_not_said(place, "sizes") or Phrase("The size of %(database)s is unknown", database=alias))


def _disk(place: Place, which: str) -> Finding:
    needed = _needs(place, which)
    if needed is not None:
        return _room(needed)
    alias = next(one for one in place.current if _sizes(place, one) is None or _folder(place, one, which) is None)
    why = _not_said(place, "sizes") or _not_said(place, "places")
    return _unknown(
        why or Phrase("The disk of %(database)s is on another machine", database=alias),
        Phrase("Look at it there, and waive this with what you found."),
    )


# A table that is rebuilt exists twice, and the log of it grows as much again. A backup is proved by a copy of it.
NEEDS: Final[Mapping[str, Callable[[Mapping[str, int]], int]]] = {
    "data": lambda sizes: 2 * sizes["largest"],
    "temporary": lambda sizes: sizes["largest"],
    "backup": lambda sizes: 2 * sizes["whole"],
}


def _needs(place: Place, which: str) -> dict[Path, int] | None:
    """The bytes that each folder must have room for; None where that cannot be told from here."""
    needs: dict[Path, int] = {}
    for alias in place.current:
        sizes = _sizes(place, alias)
        folder = place.work if which == "backup" else _folder(place, alias, which)
        if sizes is None or folder is None:
            return None
        needs[folder] = needs.get(folder, 0) + NEEDS[which](sizes)
    return needs


def disk_needs(subject: Subject, seen: Seen, work: Path) -> dict[str, dict[Path, int] | None]:
    """What an upgrade needs on each disk, by what for; None where that cannot be told from here."""
    place = Place(subject, seen.current.preflight, {}, None, work, {})
    return {which: _needs(place, which) for which in NEEDS}


def sizes_of(subject: Subject, seen: Seen) -> dict[str, dict[str, int] | None]:
    """Bytes of each database: whole and its largest table; None where the server does not say."""
    place = Place(subject, seen.current.preflight, {}, None, subject.path.parent, {})
    return {alias: _sizes(place, alias) for alias in place.current}


def _sizes(place: Place, alias: str) -> dict[str, int] | None:
    url, answer = place.subject.databases[alias], place.current[alias]
    if url.vendor == "sqlite3":
        size = Path(url.name).stat().st_size
        return {"whole": size, "largest": size}
    return {name: int(float(value)) for name, value in answer["sizes"].items()} if "sizes" in answer else None


def _folder(place: Place, alias: str, which: str) -> Path | None:
    """Where a database lies, if that is on this machine; a server elsewhere may name a path that exists here too."""
    url, answer = place.subject.databases[alias], place.current[alias]
    if url.vendor == "sqlite3":
        return Path(url.name).parent if which == "data" else Path(tempfile.gettempdir())
    if "places" not in answer or not (url.socket or url.host in LOCAL):
        return None
    folder = Path(str(answer["places"][which]).split(":", maxsplit=1)[0])
    with contextlib.suppress(OSError):
        return folder if folder.is_dir() else None
    return None


def _room(needs: Mapping[Path, int]) -> Finding:
    """Folders of one disk share its room."""
    disks: dict[int, tuple[Path, int]] = {}
    for folder, needed in needs.items():
        device = folder.stat().st_dev
        disks[device] = folder, disks.get(device, (folder, 0))[1] + needed
    for folder, needed in disks.values():
        free = shutil.disk_usage(folder).free
        if free < needed:
            return _bad(
                Phrase(
                    "%(folder)s has %(free)s bytes free and needs %(needed)s",
                    folder=folder,
                    free=Figure(free),
                    needed=Figure(needed),
                ),
                Phrase("Free some space, or enlarge that disk."),
            )
    return _good(Phrase("%(folders)s: enough room", folders=_some(needs)))


@_look("engine.version")
def _engine(place: Place) -> Finding:
    if place.refused is not None:
        return _bad(
            Phrase("The target refuses: %(reason)s", reason=Phrase.of(place.refused)),
            Phrase("Upgrade the database server first, or mend the target's environment."),
        )
    said = {alias: f"{answer['vendor']} {answer['version']}" for alias, answer in place.target.items()}
    return _good(Phrase("The target takes %(engines)s", engines=_some(f"{alias}: {it}" for alias, it in said.items())))


@_look("engine.charset")
def _charset(place: Place) -> Finding:
    if why := _not_said(place, "charset") or _not_said(place, "wrong_charset"):
        return _unknown(why)
    for answer in place.current.values():
        if tables := answer.get("wrong_charset"):
            return _bad(
                Phrase("%(count)s tables are in utf8mb3: %(tables)s", count=len(tables), tables=_some(tables)),
                Phrase("Convert them to utf8mb4 before the upgrade, after a backup."),
            )
        if "UTF" not in (charset := str(answer.get("charset", "UTF")).upper()):
            return _bad(
                Phrase("The database is in %(charset)s", charset=charset), Phrase("Move it to a database in UTF-8.")
            )
    return _good(Phrase("Every table is in full Unicode"))


@_look("engine.lock_wait_timeout")
def _lock_wait(place: Place) -> Finding:
    if why := _not_said(place, "lock_timeout_s"):
        return _unknown(why)
    waits = [float(answer["lock_timeout_s"]) for answer in place.current.values() if "lock_timeout_s" in answer]
    for wait in waits:
        if wait == 0 or wait > LONGEST_LOCK_WAIT_S:
            words = Phrase("for ever") if wait == 0 else Phrase("%(seconds)s seconds", seconds=Figure(int(wait)))
            return _bad(
                Phrase("A change of a table waits %(how_long)s for a lock, and every query behind it", how_long=words),
                Phrase(
                    "Set lock_wait_timeout (PostgreSQL: lock_timeout) to at most %(most)s seconds.",
                    most=LONGEST_LOCK_WAIT_S,
                ),
            )
    return _good(Phrase("A change of a table does not wait for long"))


@_look("engine.long_transactions")
def _transactions(place: Place) -> Finding:
    if why := _not_said(place, "transactions"):
        return _unknown(why, Phrase("Give the database user the right to see all (PROCESS, pg_read_all_stats)."))
    for alias, answer in place.current.items():
        url = place.subject.databases[alias]
        if url.vendor == "sqlite3":
            held = holders(Path(url.name), readers=answer.get("journal") != "wal", wait=time.sleep)
            if held is None:
                return _unknown(Phrase("This system does not say who holds locks"))
            blockers = [f"{holder.program} ({holder.process})" for holder in held]
        else:
            blockers = [
                f"{row['user']} ({row['id']}), {row['seconds']} s, {row['doing'] or '?'}"
                for row in answer["transactions"]
                if row["seconds"] is not None and row["seconds"] > LONGEST_TRANSACTION_S
            ]
        if blockers:
            return _bad(
                Phrase("Open transactions hold locks: %(who)s", who=_some(blockers)),
                Phrase("End them, or wait until they end."),
            )
        if not answer.get("sees_all", True):
            return _unknown(
                Phrase("The user of %(database)s sees its own transactions only", database=alias),
                Phrase("Give the database user the right to see all (PROCESS, pg_read_all_stats)."),
            )
    return _good(Phrase("No transaction is open for long"))


@_look("migrations.readable")
def _graph(place: Place) -> Finding:
    if place.refused is not None:
        return _unknown(Phrase("The target refuses: %(reason)s", reason=Phrase.of(place.refused)))
    for side, _alias, found in _recorded(place):
        if "broken" in found:
            return _bad(
                Phrase(
                    "The migrations of %(side)s contradict what was applied: %(reason)s",
                    side=side,
                    reason=found["broken"],
                ),
                Phrase("Mend the recorded migrations first; see the how-to on upgrades."),
            )
    return _good(Phrase("Both sides read the recorded migrations"))


@_look("migrations.leaves")
def _leaves(place: Place) -> Finding:
    for side, _alias, found in _recorded(place):
        if forked := found.get("leaves"):
            words = _some(f"{app}: {' + '.join(names)}" for app, names in forked.items())
            return _bad(
                Phrase("The migrations of %(side)s end in several leaves: %(leaves)s", side=side, leaves=words),
                Phrase("Add a merge migration to that environment."),
            )
    return _if_known(place, "leaves", Phrase("Each app's migrations end in one leaf"))


@_look("migrations.squashes")
def _squashes(place: Place) -> Finding:
    for side, _alias, found in _recorded(place):
        if half := found["half"]:
            return _bad(
                Phrase("Squashed migrations are half applied for %(side)s: %(names)s", side=side, names=_some(half)),
                Phrase("Apply the rest on a release that still has the single migrations."),
            )
    return _target_or(place, Phrase("No squashed migration is half applied"))


@_look("migrations.foreign")
def _foreign(place: Place) -> Finding:
    for alias, answer in place.current.items():
        unknown = answer["migrations"]["unknown"]
        if alias in place.target:  # what the target has was applied ahead, as an upgrade that was taken back leaves it
            unknown = [name for name in unknown if name in place.target[alias]["migrations"]["unknown"]]
        if unknown:
            return _bad(
                Phrase("Applied, but in neither release: %(names)s", names=_some(unknown)),
                Phrase("Find out where they came from; remove their rows if their tables are gone."),
            )
    return _good(Phrase("Every migration that was applied is in the running release or in the target"))


@_look("migrations.absent_in_target")
def _absent(place: Place) -> Finding:
    for alias, answer in place.target.items():
        before = set(place.current[alias]["migrations"]["unknown"])
        if lost := [name for name in answer["migrations"]["unknown"] if name not in before]:
            return _bad(
                Phrase("Applied, but not in the target: %(names)s", names=_some(lost)),
                Phrase("Install the plugin's release for the target, or remove the plugin first."),
            )
    return _target_or(place, Phrase("The target knows every migration of the running release"))


@_look("migrations.pending_now")
def _pending(place: Place) -> Finding:
    for answer in place.current.values():
        if pending := [name for name in answer["migrations"].get("pending", ()) if name not in place.left]:
            return _bad(
                Phrase("The running release has migrations that were never applied: %(names)s", names=_some(pending)),
                Phrase("Run migrate with the release that runs now."),
            )
    return _if_known(place, "pending", Phrase("The running release has nothing left to apply"))


@_look("migrations.schema")
def _schema(place: Place) -> Finding:
    words: Mapping[str, Callable[[Mapping[str, str]], str]] = {
        "table": lambda one: f"{one['model']}: - {one['name']}",
        "column": lambda one: f"{one['model']}: - {one['name']}",
        "foreign": lambda one: f"{one['model']}: + {one['name']}",
    }
    for answer in place.current.values():
        if found := answer["migrations"].get("schema"):
            return _bad(
                Phrase(
                    "Recorded as applied, but the tables differ (- missing, + not null and unknown): %(what)s",
                    what=_some(words[one["kind"]](one) for one in found),
                ),
                Phrase("Bring the tables in step with the recorded migrations first."),
            )
    return _if_known(place, "schema", Phrase("The tables are as the recorded migrations say"))


def _recorded(place: Place) -> Iterator[tuple[Phrase, str, Mapping[str, Any]]]:
    for side, answers in ((Phrase("the running release"), place.current), (Phrase("the target"), place.target)):
        for alias, answer in answers.items():
            yield side, alias, answer["migrations"]


def _target_or(place: Place, good: Phrase) -> Finding:
    if place.refused is not None:
        return _unknown(Phrase("The target refuses: %(reason)s", reason=Phrase.of(place.refused)))
    return _good(good)


def _if_known(place: Place, key: str, good: Phrase) -> Finding:
    """Good, unless the migrations could not be read so far."""
    if any(key not in answer["migrations"] for answer in place.current.values()):
        return _unknown(Phrase("The recorded migrations cannot be read so far"))
    return _target_or(place, good)


@_look("workers.old_code")
def _workers(place: Place) -> Finding:
    if "stop" in place.subject.hooks:
        return _good(Phrase("The stop hook stops what runs old code"))
    return _unknown(
        Phrase("Whether background workers with old code run is not known"),
        Phrase("Name a stop hook in the subject file, or stop them and waive this."),
    )


@_look("clock")
def _clock(place: Place) -> Finding:
    if why := _not_said(place, "skew_s"):
        return _unknown(why)
    for alias, answer in place.current.items():
        skew = float(answer.get("skew_s", 0.0))
        if abs(skew) > LARGEST_SKEW_S:
            return _bad(
                Phrase(
                    "The clock of %(database)s differs from this machine's by %(seconds)s seconds",
                    database=alias,
                    seconds=f"{skew:.0f}",
                ),
                Phrase("Let both follow the same time servers."),
            )
    return _good(Phrase("The clocks agree"))


@_look("permissions")
def _permissions(place: Place) -> Finding:
    for path in (place.subject.path, place.subject.path.parent):
        found = path.stat()
        if found.st_uid not in {os.geteuid(), 0} or (found.st_mode & OTHERS_WRITE and not found.st_mode & stat.S_ISVTX):
            return _bad(
                Phrase("Others may change %(path)s, which names what is run", path=path),
                Phrase("Give it to the account that runs Sapwood, and take the right to write from all others."),
            )
    places = [place.work]
    for url in place.subject.databases.values():
        if url.vendor == "sqlite3":
            places += [Path(url.name), Path(url.name).parent]
    for path in places:
        if not os.access(path, os.W_OK):
            return _bad(
                Phrase("%(path)s cannot be written", path=path),
                Phrase("Run this as the account that owns it."),
            )
    return _good(Phrase("What has to be written can be, and nobody else may change what is run"))


@_look("backup")
def _backup(place: Place) -> Finding:
    for alias, url in place.subject.databases.items():
        offered = engine_for(url).techniques(url, place.work)
        if not any(technique.possible for technique in offered):
            why = Phrase.listed(technique.why for technique in offered)
            return _bad(
                Phrase("No backup of the database %(alias)s can be made here: %(why)s", alias=alias, why=why),
                Phrase("Without one there is no way back."),
            )
    return _good(Phrase("The upgrade makes two backups and verifies them before it changes what they hold"))


@_look("packs")
def _packs(place: Place) -> Finding:
    if not place.subject.packs:
        return _good(Phrase("The subject file names no packs of checks"))
    try:
        checks.require_packs(place.subject.packs)
    except SapwoodError as error:
        return _bad(Phrase.of(error), Phrase("Install it, or take it out of the subject file."))
    if place.subject.base_url and (ability := probe()).kind is Kind.PROCESS:
        return _unknown(
            Phrase("Packs cannot be confined here, so none will look at the live site: %(why)s", why=ability.why)
        )
    return _good(Phrase("Every pack of checks that the subject file names is installed"))


@_look("own_database")
def _own(place: Place) -> Finding:
    engine, name = str(place.own.get("ENGINE", "")), str(place.own.get("NAME", ""))
    for alias, url in place.subject.databases.items():
        if url.vendor not in engine:
            continue
        if url.vendor == "sqlite3":
            with contextlib.suppress(OSError):
                if not Path(name).samefile(url.name):
                    continue
            if Path(name).resolve() != Path(url.name).resolve():
                continue
        elif (same := _same_server(url, place.own)) is None:
            return _unknown(
                Phrase("Whether Sapwood's own database is on the server of %(database)s is not known", database=alias)
            )
        elif not same:
            continue
        return _bad(
            Phrase("Sapwood keeps its own data on the server of %(database)s, which it upgrades", database=alias),
            Phrase("Move Sapwood's own database elsewhere; SQLite is enough for a site."),
        )
    return _good(Phrase("Sapwood keeps its own data elsewhere"))


def _same_server(url: DatabaseUrl, own: Mapping[str, Any]) -> bool | None:
    """Whether two addresses are of one server; None when a name cannot be resolved."""
    ours = str(own.get("HOST", "")) or "localhost"
    default = {"mysql": 3306, "postgresql": 5432}.get(url.vendor, 0)
    if int(own.get("PORT") or default) != (url.port or default):
        return False
    try:
        return bool(_addresses(ours) & _addresses("localhost" if url.socket else url.host))
    except OSError:
        return None


def _addresses(host: str) -> set[str]:
    if host.startswith("/"):  # a socket in a folder of this machine
        host = "localhost"
    return {str(found[4][0]).replace("::1", "127.0.0.1") for found in socket.getaddrinfo(host, None)}


NAMES: Final = tuple(LOOKS)
