"""Running the commands of a deployment in containers: one runner, a time limit, a log without secrets."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from sapwood.core.errors import SapwoodError

ENGINE: Final = "docker"
ENGINE_LIMIT_S: Final = 20.0
SHORTEST_SECRET: Final = 5
HIDDEN: Final = "[secret]"
KEPT: Final = ("PATH", "HOME", "LANG", "TZ", "DOCKER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR")


class NotYetError(SapwoodError):
    """A part of the subject that this version cannot handle."""

    code = "upgrades.not_supported"


class CommandFailedError(SapwoodError):
    """A command of the upgrade failed, or did not end in time."""

    code = "upgrades.command"


def run(
    argv: Sequence[str],
    log: Path,
    *,
    limit_s: float,
    secrets: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a command to its end; its words go to the log, line by line, without any of the secrets.

    The log is private and grows by each command. Raises CommandFailedError when the command fails, cannot be started
    or is not over in time; nothing that it started is left then.
    """
    kept = {name: os.environ[name] for name in KEPT if name in os.environ} | dict(environment or {})
    # Long ones first: one secret may begin another. Many are of several lines, and a log is read by lines.
    hidden = sorted({line for text in secrets for line in text.splitlines() if len(line) >= SHORTEST_SECRET})[::-1]
    hidden.sort(key=len, reverse=True)
    with tempfile.TemporaryFile() as words:
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
                env=kept,
                start_new_session=True,
            )
        except OSError as error:
            raise CommandFailedError(f"{argv[0]} cannot be started: {error.strerror}", hint="Is it there?") from None
        try:
            code: int | None = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        words.seek(0)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as kept_words:
            kept_words.write(f"$ {_without(' '.join(argv), hidden)}\n")
            for line in words:
                kept_words.write(_without(line.decode("utf-8", "replace"), hidden))
            kept_words.write(f"= {'out of time' if code is None else code}\n")
    if code is None:
        raise CommandFailedError(f"{Path(argv[0]).name} was not over in {limit_s:g} s", hint=f"Its words are in {log}.")
    if code:
        raise CommandFailedError(f"{Path(argv[0]).name} ended with code {code}", hint=f"Its words are in {log}.")


def missing_engine() -> str:
    """Why no container can be run here; empty when one can."""
    program = shutil.which(ENGINE)
    if program is None:
        return f"{ENGINE} is not installed"
    with tempfile.TemporaryDirectory(prefix="sapwood-engine-") as folder:
        try:
            run([program, "version"], Path(folder) / "log", limit_s=ENGINE_LIMIT_S)
        except CommandFailedError:
            return f"the {ENGINE} service does not answer this account"
    return ""


def refuse_rehearsal() -> NoReturn:
    """Say in one line why the upgrade of a deployment in containers cannot be run on a copy here."""
    if why := missing_engine():
        raise NotYetError(
            f"A copy of a Tutor site needs a container engine, and {why}", hint="`plan` and `preflight` work without."
        )
    raise NotYetError(
        "Copies of Tutor sites cannot be made yet", hint="`plan` and `preflight` say what the upgrade would do."
    )


def _without(text: str, hidden: Iterable[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, HIDDEN)
    return text
