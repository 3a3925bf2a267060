"""The django driver: any Django project in two environments."""

import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from sapwood.site.upgrades.data import DatabaseUrl, Side, Subject
from sapwood.site.upgrades.drivers.running import LIMIT_S, InsideError, answers
from sapwood.site.upgrades.isolation import Level, confinement, guard, probe

__all__ = ["InsideError", "Served", "ask", "each", "one", "serving"]

INSIDE = Path(__file__).with_name("inside.py")
LOCK_WAIT_S = 10  # MariaDB's own is a day; who waits for a table's lock makes everybody wait who comes after
LOOKING = {"columns", "configuration", "facts", "installed", "plan", "preflight", "relations", "tables"}


def ask(
    subject: Subject,
    side: Side,
    *verbs: str,
    databases: Mapping[str, DatabaseUrl],
    scratch: Path,
    level: Level | None = Level.SHADOW,
    until: int | None = None,
    **more: Any,
) -> Generator[dict[str, Any], None, None]:
    """Run verbs of `inside.py` in one process of a side's environment and yield its answers as they come.

    `databases` maps every alias of the settings; `scratch` is a folder of this run for mail, uploads and the log.
    `level` says how far the code is confined: None for verbs that are meant for production. What never ends by itself
    is ended when the descriptor `until` becomes readable.
    Events beside those of the verbs: `alive` every few seconds, `held` for what the code tried and was refused.
    Raises InsideError when the environment refuses, dies, hangs, or cannot be started.
    """
    if side.python is None:
        raise InsideError("This environment was not built yet", hint="`sapwood upgrade plan` builds it.")
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    confined = None
    if level is not None:
        confined = confinement(level, databases=databases, production=subject.databases.values(), scratch=scratch)
    request = {
        "verbs": verbs,
        "settings": side.settings,
        "pythonpath": [str(path) for path in subject.pythonpath],
        "databases": {alias: url.as_django() for alias, url in databases.items()},
        "scratch": str(scratch),
        "rehearsal": confined is not None,
        "guard": guard(confined, probe()) if confined else None,
        "lock_wait_s": LOCK_WAIT_S,
        **more,
    }
    with tempfile.NamedTemporaryFile("w", dir=scratch, suffix=".json", encoding="utf-8") as file:
        json.dump(request, file)
        file.flush()
        yield from answers(
            # -I: neither this folder nor the variables of whoever started us reach the subject.
            [side.python, "-I", INSIDE, file.name],
            scratch / f"{'-'.join(verbs)}.log",
            cwd=subject.path.parent,
            environment=_environment(scratch),
            confined=confined,
            until=until,
            limit_s=LIMIT_S if LOOKING.issuperset(verbs) and not more.get("count") else None,
        )


def each(subject: Subject, side: Side, *verbs: str, **given: Any) -> list[dict[str, Any]]:
    """The answers of verbs that give one each, in their order."""
    found = [answer for answer in ask(subject, side, *verbs, **given) if answer["event"] in verbs]
    if [answer["event"] for answer in found] != list(verbs):
        raise InsideError(f"The environment gave {len(found)} answers to {verbs}", hint="Report this with its log.")
    return found


def one(subject: Subject, side: Side, verb: str, **given: Any) -> dict[str, Any]:
    """The answer of a verb that gives one."""
    return each(subject, side, verb, **given)[0]


class Served:
    """An application that is being served: the socket that leads to it, and what it wanted and was refused."""

    def __init__(self, place: Path) -> None:
        self.socket = place
        self.held: list[str] = []
        self.error: InsideError | None = None


@contextlib.contextmanager
def serving(
    subject: Subject, side: Side, *, databases: Mapping[str, DatabaseUrl], scratch: Path, origin: str
) -> Iterator[Served]:
    """Serve a side's application, confined, on shadows of its databases, as long as the block lasts.

    `origin` is the address at which it believes to stand. Raises InsideError when it cannot be started.
    """
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    served, ready = Served(scratch / "http"), threading.Event()
    reading, writing = os.pipe()

    def listen() -> None:
        given: dict[str, Any] = {"socket": str(served.socket), "origin": origin}
        try:
            for answer in ask(subject, side, "serve", databases=databases, scratch=scratch, until=reading, **given):
                if answer["event"] == "held":
                    served.held.append(str(answer["wanted"]))
                elif answer["event"] == "serving":
                    ready.set()
        except InsideError as error:
            served.error = error
        finally:
            ready.set()

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        ready.wait()
        if served.error is not None:
            raise served.error
        yield served
    finally:
        os.close(writing)  # what is closed can be read, to its end
        thread.join()
        os.close(reading)


def _environment(scratch: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "HOME": str(scratch), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
