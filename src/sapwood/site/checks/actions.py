"""Running packs: each in a process of its own, confined, bounded, and ended with everything that it started."""

import contextlib
import json
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from sapwood.core.commands import harmless
from sapwood.core.errors import SapwoodError
from sapwood.core.isolation import Confinement, Kind, probe, shut_in
from sapwood.core.isolation.running import Words, answers
from sapwood.core.paths import var_dir
from sapwood.site.checks.data import DATABASE, SHADOW, Pack, PackRun, Result, Safety, Target, Verdict

LIMIT_S: Final = 900.0
START_S: Final = 120.0
MAX_RESULTS: Final = 20_000
MAX_DETAIL: Final = 300
MAX_WORDS: Final = 200
MAX_NAMED: Final = 20
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,63}")
HOMES: Final = (Path("/root"), Path("/home"))


class PackFailedError(SapwoodError):
    """A pack could not be run to its end."""

    code = "checks.failed"


class NoIsolationError(SapwoodError):
    """This machine cannot confine a pack, and the site is a live one."""

    code = "checks.isolation"


WORDS: Final = Words("The pack", PackFailedError)


def run(
    packs: Iterable[Pack],
    target: Target,
    *,
    highest: Safety,
    scratch: Path,
    limit_s: float | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> tuple[PackRun, ...]:
    """Run packs against a target, one after the other; checks above the class `highest` are skipped.

    `scratch` is a folder of this run, `limit_s` the time for each pack. Whatever a pack does, it yields a PackRun.
    Raises NoIsolationError where a live site would be looked at by a pack that nothing holds, ValueError for a live
    site and a class above S0.
    """
    if not target.shadow and highest > Safety.S0:
        raise ValueError("a live site is only read")
    if not target.shadow and probe().kind is Kind.PROCESS:
        raise NoIsolationError(
            f"Packs cannot be confined on this machine: {probe().why}",
            hint="Against a live site they run confined or not at all.",
        )
    found = []
    for pack in packs:
        say(f"running the pack {pack.id}")
        found.append(_Run(pack, target, highest, scratch / "packs" / pack.id).go(limit_s or LIMIT_S))
    return tuple(found)


class _Run:
    """One pack on its way."""

    def __init__(self, pack: Pack, target: Target, highest: Safety, scratch: Path) -> None:
        self.pack, self.target, self.highest, self.scratch = pack, target, highest, scratch
        self.results: dict[str, Result] = {}
        self.problems: list[str] = []
        self.held: list[str] = []
        self.expected, self.begun = -1, ""

    def go(self, limit_s: float) -> PackRun:
        began = time.perf_counter()
        self.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        python = self.pack.environment / "bin" / "python"
        with tempfile.NamedTemporaryFile("w", dir=self.scratch, suffix=".json", encoding="utf-8") as file:
            json.dump(self._request(), file)
            file.flush()
            try:
                for event in answers(
                    [python, "-I", "-m", "sapwood_checks", file.name],
                    self.scratch.parent / f"{self.pack.id}.log",
                    words=WORDS,
                    cwd=self.scratch,
                    environment=self._environment(),
                    confined=self._confined(),
                    limit_s=limit_s,
                    start_s=min(limit_s, START_S),
                ):
                    self._hear(event)
                if self.expected <= 0:
                    self.problems.append("it has no check, or ended before it named one")
                elif len(self.results) < self.expected:
                    self.problems.append(f"{self.expected - len(self.results)} of its checks gave no result")
            except PackFailedError as error:
                self.problems.append(error.message)
        if self.begun and self.begun not in self.results:
            self._keep(Result(self.pack.id, self.begun, Verdict.ERROR, detail="the pack ended in the middle of it"))
        problem = "; ".join(dict.fromkeys(plain(problem) for problem in self.problems))
        seconds = round(time.perf_counter() - began, 3)
        return PackRun(self.pack, tuple(self.results.values()), problem, tuple(self.held), seconds)

    def _database(self) -> bool:
        return self.target.shadow and DATABASE in self.pack.needs and bool(self.target.database_url)

    def _request(self) -> dict[str, Any]:
        offers = [SHADOW] * self.target.shadow + [DATABASE] * self._database()
        return {
            "module": self.pack.module,
            "base_url": self.target.base_url,
            "socket": str(self.target.socket),
            "highest": self.highest.value,
            "declared": self.pack.safety.value,
            "offers": offers,
            "scratch": str(self.scratch),
            "database_url": self.target.database_url if self._database() else "",
            "sockets": [str(path) for path in self.target.database_sockets] if self._database() else [],
        }

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH") if name in os.environ}
        own = {"HOME": str(self.scratch), "TMPDIR": str(self.scratch), "PYTHONDONTWRITEBYTECODE": "1"}
        return {**kept, **own, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    def _confined(self) -> Confinement:
        """A file view without Sapwood's state, without homes, without what the target hides; its own things in it."""
        python = (self.pack.environment / "bin" / "python").resolve()
        folders, sockets = (
            (self.target.database_folders, self.target.database_sockets) if self._database() else ((), ())
        )
        return shut_in(
            writable=[self.scratch, *folders],
            sockets=[self.target.socket, *sockets],
            hidden=[var_dir(), *_homes(), *self.target.hidden],
            visible=[self.pack.environment, python.parent.parent],
        )

    def _hear(self, event: Mapping[str, Any]) -> None:
        kind = event["event"]
        if kind == "start":
            checks = event.get("checks")
            self.expected = checks if isinstance(checks, int) and 0 <= checks <= MAX_RESULTS else MAX_RESULTS
        elif kind == "begun":
            name = str(event.get("id"))
            self.begun = name if _ID.fullmatch(name) else ""
        elif kind == "result":
            self._result(event)
        elif kind == "broken" and len(self.problems) < MAX_NAMED:
            self.problems.append(f"{_words(event.get('where'))} cannot be read: {_words(event.get('detail'))}")
        elif kind == "held" and len(self.held) < MAX_NAMED:
            self.held.append(plain(_words(event.get("wanted"))))

    def _result(self, event: Mapping[str, Any]) -> None:
        name, seconds = str(event.get("id")), event.get("seconds")
        if not _ID.fullmatch(name) or name in self.results or len(self.results) >= MAX_RESULTS:
            self.problems[MAX_NAMED:] = []
            self.problems.append("it gave a result that has no name of its own, or too many")
            return
        try:
            verdict = Verdict(event.get("verdict"))  # type: ignore[arg-type] # ValueError is the answer to anything else
        except ValueError:
            verdict = Verdict.ERROR
        covers = event.get("covers")
        self._keep(
            Result(
                self.pack.id,
                name,
                verdict,
                seconds=seconds if isinstance(seconds, int | float) and math.isfinite(seconds) else 0.0,
                detail=plain(_words(event.get("detail"), MAX_DETAIL)),
                use_case=plain(_words(event.get("use_case"))),
                safety=_words(event.get("safety"), 2),
                owner=_words(event.get("owner")),
                covers=tuple(_words(one, 64) for one in covers[:MAX_NAMED]) if isinstance(covers, list) else (),
            )
        )

    def _keep(self, result: Result) -> None:
        self.results[result.id] = result


def _homes() -> set[Path]:
    """Where people keep what is theirs, and this account too, unless its home is a folder of the system's."""
    with contextlib.suppress(RuntimeError):  # an account without one
        own = Path.home()
        return {*HOMES, own} if len(own.parts) > 2 else set(HOMES)  # noqa: PLR2004 - /opt, /srv, /
    return set(HOMES)


def _words(value: object, most: int = MAX_WORDS) -> str:
    return harmless(" ".join(str(value).split()))[:most] if isinstance(value, str) else ""


def plain(words: str) -> str:
    """Words of a pack without what may be a secret or data about people: the kit does as much, if a pack lets it."""
    words = re.sub(r"://[^/\s@]*@", "://…@", words)
    words = re.sub(r"[\w.+-]+@[\w.-]+", "…@…", words)
    return re.sub(r"(?=[\w+=-]*\d)[\w+=-]{24,}", "…", words)
