"""The operator's own commands: stop, start, switch, maintenance on and off. Each may run twice."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades.data import Subject

MAX_OUTPUT_BYTES: Final = 4_000
# Beside these a hook sees where programs are, and nothing else of this process: Sapwood's secrets stand there.
TOLD_TO_HOOKS: Final = (
    "SAPWOOD_SUBJECT", "SAPWOOD_HOOK", "SAPWOOD_TO", "SAPWOOD_RUN", "SAPWOOD_RELEASE", "SAPWOOD_PYTHON",
)  # fmt: skip
KEPT: Final = ("PATH", "HOME", "LANG", "TZ", "USER", "LOGNAME")


class HookError(SapwoodError):
    """A command of the operator's own failed."""

    code = "upgrades.hook"


def run_hook(subject: Subject, name: str, *, towards: str, run: str, log: Path) -> float:
    """Run a hook if the subject has it; seconds. Raises HookError when it fails or takes too long.

    `towards` (current or target) is the release that shall run in the end: the hook finds it as SAPWOOD_TO, its
    interpreter as SAPWOOD_PYTHON, and the new release's name, where Sapwood knows it, as SAPWOOD_RELEASE.
    """
    hook = subject.hooks.get(name)
    if hook is None:
        return 0.0
    began = time.perf_counter()
    environment = {key: os.environ[key] for key in KEPT if key in os.environ}
    side = subject.target if towards == "target" else subject.current
    told = (str(subject.path), name, towards, run, subject.release, str(side.python or ""))
    environment |= dict(zip(TOLD_TO_HOOKS, told, strict=True))
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                hook.argv,
                cwd=subject.path.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                code = process.wait(hook.timeout_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise HookError(
                    f"The hook {name} took longer than {hook.timeout_s:g} s", hint=f"Its output is in {log}."
                ) from None
    except OSError as error:
        why = error.strerror or "?"
        raise HookError(f"The hook {name} cannot be started: {why}", hint="Check the subject file.") from None
    if code:
        raise HookError(f"The hook {name} ended with code {code}: {_tail(log)}", hint=f"Its output is in {log}.")
    return time.perf_counter() - began


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - MAX_OUTPUT_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else "it printed nothing"
