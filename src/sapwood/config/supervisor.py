"""Keeps a few child processes running and stops them with itself."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

STOP_S = 15.0
STEADY_S = 30.0


@dataclass
class Child:
    """One program that should be running."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    retry_at: float = 0.0
    failures: int = field(default=0)


class Supervisor:
    """Starts children, restarts those that die (with growing pauses), stops all on SIGINT or SIGTERM."""

    def __init__(self, children: Sequence[Child], say: Callable[[str], None]) -> None:
        self.children = children
        self._say = say
        self._stop = threading.Event()

    def start(self) -> None:
        """Start every child."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        for child in self.children:
            self._spawn(child)

    def watch(self) -> None:
        """Stay until a signal comes; restart what dies."""
        while not self._stop.wait(0.5):
            for child in self.children:
                self._look_after(child)
        self.stop()

    def stop(self) -> None:
        """Ask every child to end, then insist."""
        running = [child for child in self.children if child.process and child.process.poll() is None]
        for child in running:
            _signal(child, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for child in running:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))  # type: ignore[union-attr]  # filtered above
            except subprocess.TimeoutExpired:
                _signal(child, signal.SIGKILL)

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.retry_at:
                self._spawn(child)
            return
        code = child.process.poll()
        if code is None:
            return
        child.failures = 0 if now - child.started_at > STEADY_S else child.failures + 1
        pause = min(30.0, 0.5 * 2**child.failures)
        self._say(f"{child.name} ended with {code}; starting it again in {pause:.0f} s (log: {child.log})")
        child.process, child.retry_at = None, now + pause

    def _spawn(self, child: Child) -> None:
        child.log.parent.mkdir(parents=True, exist_ok=True)
        with child.log.open("ab") as log:
            child.process = subprocess.Popen(
                child.argv,
                env=dict(child.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - only a system call between fork and exec
            )
        child.started_at = time.monotonic()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()


def _signal(child: Child, number: signal.Signals) -> None:
    if child.process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.process.pid, number)


def _die_with_parent() -> None:
    """Linux: have the kernel end this process when the supervisor is killed (prctl PR_SET_PDEATHSIG)."""
    if not os.path.exists("/proc/self"):  # noqa: PTH110 - nothing heavier between fork and exec
        return
    import ctypes  # noqa: PLC0415 - only on Linux

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM)
