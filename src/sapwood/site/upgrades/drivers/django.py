"""The django driver: any Django project in two environments."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades.data import DatabaseUrl, Side, Subject

INSIDE = Path(__file__).with_name("inside.py")
MAX_ANSWER_BYTES = 16_000_000
LOG_TAIL_BYTES = 4_000


class InsideError(SapwoodError):
    """The subject's own environment failed: its interpreter, its settings or its code."""

    code = "upgrades.inside"


def ask(
    subject: Subject,
    side: Side,
    verb: str,
    *,
    databases: Mapping[str, DatabaseUrl],
    scratch: Path,
    **more: Any,
) -> Iterator[dict[str, Any]]:
    """Run one verb of `inside.py` in a side's environment and yield its answers as they come.

    `databases` maps every alias of the settings; `scratch` is a folder of this run for mail, uploads and the log.
    Raises InsideError when the environment refuses, dies, or cannot be started.
    """
    if side.python is None:
        raise InsideError("This environment was not built yet", hint="Name its python in the subject file.")
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    request = {
        "verb": verb,
        "settings": side.settings,
        "pythonpath": [str(path) for path in subject.pythonpath],
        "databases": {alias: url.as_django() for alias, url in databases.items()},
        "scratch": str(scratch),
        **more,
    }
    with tempfile.NamedTemporaryFile("w", dir=scratch, suffix=".json", encoding="utf-8") as file:
        json.dump(request, file)
        file.flush()
        yield from _run(subject, side.python, Path(file.name), scratch / f"{verb}.log")


def one(subject: Subject, side: Side, verb: str, **given: Any) -> dict[str, Any]:
    """The answer of a verb that gives one."""
    answers = list(ask(subject, side, verb, **given))
    if len(answers) != 1:
        raise InsideError(f"The environment gave {len(answers)} answers to {verb!r}", hint="Report this with its log.")
    return answers[0]


def _run(subject: Subject, python: Path, request: Path, log: Path) -> Iterator[dict[str, Any]]:
    reading, writing = os.pipe()
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                # -I: neither this folder nor the variables of whoever started us reach the subject.
                [python, "-I", INSIDE, request, f"/dev/fd/{writing}"],
                cwd=subject.path.parent,
                env=_environment(log.parent),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[writing],
                start_new_session=True,
            )
    except OSError as error:
        os.close(reading)
        os.close(writing)
        raise InsideError(f"{python} cannot be started: {error.strerror}", hint="Check the subject file.") from None
    os.close(writing)
    finished = False
    try:
        with os.fdopen(reading, encoding="utf-8", errors="replace") as answers:
            while line := answers.readline(MAX_ANSWER_BYTES):
                answer = _parsed(line)
                if answer["event"] == "refused":
                    raise InsideError(str(answer["message"])[:500], hint=f"The whole output is in {log}.")
                yield answer
        finished = True
    finally:
        if not finished:
            process.kill()
        code = process.wait()
    if code:
        raise InsideError(
            f"The environment ended with code {code}: {_tail(log)}", hint=f"The whole output is in {log}."
        )


def _parsed(line: str) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or "event" not in answer:
        raise InsideError("The environment answered something unreadable", hint="Report this with its log.")
    return answer


def _environment(scratch: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "HOME": str(scratch), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else "it printed nothing"
