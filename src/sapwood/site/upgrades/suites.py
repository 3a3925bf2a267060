"""The packs that a subject names: against the shadow in a rehearsal, and after the switch against the site itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sapwood.core.errors import SapwoodError
from sapwood.core.http.default import default_client
from sapwood.site.checks import api as checks
from sapwood.site.upgrades.data import DatabaseUrl, Side, Subject
from sapwood.site.upgrades.drivers.django import InsideError, serving
from sapwood.site.upgrades.engines.base import Say

NOWHERE: Final = "http://localhost"
SHOWN: Final = 20
NAMED: Final = 5


@dataclass
class Suites:
    """What packs found, as rows for a report; `doubts` say what could not be judged, `untested` what was not tried."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    untested: list[str] = field(default_factory=list)

    def keep(self, found: Iterable[checks.PackRun]) -> None:
        """Take the results of runs over."""
        for run in found:
            self.runs.append(run.to_dict())
            known = {row["id"] for row in self.rows}
            self.rows += [{**result.to_dict(), "model": "", "field": ""} for result in run.results]
            by_verdict: dict[str, list[checks.Result]] = {}
            for result in run.results:
                by_verdict.setdefault(result.verdict, []).append(result)
            unsure = by_verdict.get("error", []) + by_verdict.get("unknown", [])
            name = f"The pack {run.pack.id}"
            if run.problem:
                self.doubts.append(f"{name}: {run.problem}")
            if twice := sorted(known & {result.id for result in run.results}):
                self.doubts.append(f"{name} has the check {twice[0]}, and so has another pack")
            if unsure:
                self.doubts.append(f"{name} could not judge {_some(f'{one.id} ({one.detail})' for one in unsure)}")
            elif not run.problem and not {"pass", "fail"} & by_verdict.keys():
                self.doubts.append(f"{name} judged nothing")
            reasons: dict[str, list[str]] = {}
            for one in by_verdict.get("skipped", []):
                reasons.setdefault(one.detail, []).append(one.id)
            self.untested += [f"{name} left out {_some(ids)}: {reason}" for reason, ids in reasons.items()]
            self.untested += [f"{name} wanted {wanted}, which was held back" for wanted in run.held]


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:NAMED]) + (f" (and {len(listed) - NAMED} more)" if len(listed) > NAMED else "")


def require(subject: Subject) -> None:
    """Raise PackError, before anything begins, where a pack is not installed."""
    checks.require_packs(subject.packs)


def on_shadow(
    subject: Subject, side: Side, shadow: Mapping[str, DatabaseUrl], scratch: Path, highest: checks.Safety, say: Say
) -> Suites:
    """Serve a side's application on the shadow, and have every pack look at it."""
    found = Suites()
    if not subject.packs:
        return found
    origin = subject.base_url or NOWHERE
    default = shadow["default"]
    try:
        packs = checks.require_packs(subject.packs)
        say("serving the application")
        with serving(subject, side, databases=shadow, scratch=scratch / "served", origin=origin) as served:
            target = checks.Target(
                origin,
                served.socket,
                shadow=True,
                hidden=_hidden(subject),
                database_url=_url(default),
                database_folders=(Path(default.name).parent,) if default.vendor == "sqlite3" else (),
                database_sockets=(Path(default.socket),) if default.socket else (),
            )
            found.keep(checks.run(packs, target, highest=highest, scratch=scratch, say=say))
        found.untested += [f"the application wanted the {wanted}, which was held back" for wanted in served.held]
    except InsideError as error:
        found.doubts.append(f"The application could not be served on the copy: {error.message}")
    except SapwoodError as error:
        found.doubts.append(error.message)
    return found


def on_site(subject: Subject, scratch: Path, say: Say) -> Suites:
    """Have every pack look at the live address, signed out and reading, through the gate."""
    found = Suites()
    if not subject.packs or not subject.base_url:
        return found
    try:
        packs = checks.require_packs(subject.packs)
        with checks.gate(subject.base_url, scratch / "gate", default_client()) as (socket, gate):
            target = checks.Target(subject.base_url, socket, shadow=False, hidden=_hidden(subject))
            found.keep(checks.run(packs, target, highest=checks.Safety.S0, scratch=scratch, say=say))
        found.untested += [f"the gate refused {refused}" for refused in gate.refusals]
    except SapwoodError as error:
        found.doubts.append(error.message)
    return found


def where(row: Mapping[str, Any]) -> str:
    """Where a check looked: its own name and its pack's, or a model and a field."""
    return f"{row['pack']} {row['id']}" if row.get("pack") else f"{row['model']}.{row['field']}".rstrip(".")


def bounded(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Failed rows as reasons; of each pack no more than can be read."""
    counts: dict[str, int] = {}
    reasons = []
    for row in rows:
        pack = str(row.get("pack", ""))
        counts[pack] = counts.get(pack, 0) + 1
        if not pack or counts[pack] <= SHOWN:
            reasons.append(f"{where(row)}: {row['detail']}")
    more = {pack: count - SHOWN for pack, count in counts.items() if pack and count > SHOWN}
    return reasons + [f"{count} more checks of the pack {pack} fail" for pack, count in more.items()]


def _hidden(subject: Subject) -> tuple[Path, ...]:
    """What no pack may see of a subject: the file that names it, its settings, its databases."""
    files = [Path(url.name) for url in subject.databases.values() if url.vendor == "sqlite3"]
    folders = {subject.path.parent, *subject.pythonpath, *(path.parent for path in files)}
    deep = [folder for folder in folders if len(folder.parts) > 2]  # noqa: PLR2004 - a folder of the system's is no home
    return (subject.path, *files, *deep)


def _url(url: DatabaseUrl) -> str:
    if url.vendor == "sqlite3":
        return f"sqlite:///{url.name}"
    who = quote(url.user, safe="") + (f":{quote(url.password, safe='')}" if url.password else "")
    port = f":{url.port}" if url.port else ""
    through = f"?socket={quote(url.socket, safe='')}" if url.socket else ""
    return f"{url.vendor}://{who}@{url.host}{port}/{quote(url.name, safe='')}{through}"
