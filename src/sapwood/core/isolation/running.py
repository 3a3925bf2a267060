"""One confined process, read while it runs: answers in JSON lines, its own words into a log."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from sapwood.core.errors import SapwoodError
from sapwood.core.isolation import MARK, Confinement, end_marked, mark, probe, wrap

MAX_ANSWER_BYTES: Final = 16_000_000
MAX_ANSWERS_BYTES: Final = 200_000_000
MAX_LOG_BYTES: Final = 4_000_000
LOG_TAIL_BYTES: Final = 4_000
CHUNK_BYTES: Final = 1 << 16
# Looking takes minutes at most; a migration may take hours, and then says every few seconds that it is alive.
LIMIT_S: Final = 600.0


@dataclass(frozen=True)
class Words:
    """Who runs, for the messages, and the error that says how it failed."""

    who: str
    error: type[SapwoodError]
    hint: str = "Report this with its log."
    slow: str = "Does it wait for something that is not there?"


def answers(  # noqa: PLR0913 - what to run, where, and how far
    argv: Sequence[str | Path],
    log: Path,
    *,
    words: Words,
    cwd: Path,
    environment: dict[str, str],
    confined: Confinement | None,
    limit_s: float | None = None,
    start_s: float = LIMIT_S,
    until: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Run a command whose last argument will be the file for its answers, and yield these as they come.

    `confined` is None for what is meant to work on production. The first answer must come within `start_s`, the end
    within `limit_s`; whoever starts what never ends makes the descriptor `until` readable. However this ends, no
    process that the command started is left.
    """
    if not os.access(argv[0], os.X_OK):
        raise words.error(f"{argv[0]} cannot be started", hint="Is it there, and may this account run it?")
    reading, writing = os.pipe()
    command: list[str] = [os.fspath(part) for part in [*argv, f"/dev/fd/{writing}"]]
    marked = mark(log.parent)
    with contextlib.ExitStack() as held:
        held.callback(os.close, reading)
        with os.fdopen(writing, "wb"):
            kept = held.enter_context(log.open("wb"))
            process = subprocess.Popen(
                wrap(command, confined, probe()) if confined else command,
                cwd=cwd,
                env=environment | marked,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[writing],
                start_new_session=True,
            )
        running = _Running(process, reading, kept, words, limit_s, start_s, until)
        try:
            yield from running.answers()
        finally:
            running.end(marked[MARK])
    if (code := process.returncode) and not running.stopped:
        raise words.error(f"{words.who} ended with code {code}: {tail(log)}", hint=f"The whole output is in {log}.")


def tail(log: Path) -> str:
    """The last line that was printed."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else "it printed nothing"


class _Running:
    """A process, the pipe of its answers and the pipe of its words: neither may fill up, and neither our memory."""

    def __init__(  # noqa: PLR0913, PLR0917 - a process, its pipes, and its limits
        self,
        process: subprocess.Popen[bytes],
        reading: int,
        log: BinaryIO,
        words: Words,
        limit_s: float | None,
        start_s: float,
        until: int | None,
    ) -> None:
        assert process.stdout is not None  # noqa: S101 - asked for as a pipe
        self.process, self.reading, self.said, self.words = process, reading, process.stdout, words
        self.log, self.logged, self.last = log, 0, deque[bytes](maxlen=4)
        self.limit_s, self.start_s, self.began = limit_s, start_s, time.monotonic()
        self.answered, self.until, self.stopped = False, until, False
        self.rest, self.given = b"", 0

    def answers(self) -> Iterator[dict[str, Any]]:
        # The end is seen on the process itself: a daemon that it leaves holds both pipes open.
        ended = os.pidfd_open(self.process.pid)
        try:
            with selectors.DefaultSelector() as selector:
                for pipe in (self.reading, self.said.fileno()):
                    os.set_blocking(pipe, False)
                for source in (self.reading, self.said, ended):
                    selector.register(source, selectors.EVENT_READ)
                if self.until is not None:
                    selector.register(self.until, selectors.EVENT_READ)
                over = False
                while not over:
                    ready = {key.fd for key, _events in selector.select(self._left())}
                    self.stopped = self.until in ready
                    if self.stopped:
                        return
                    over = ended in ready
                    if self.said.fileno() in ready and not self._listen(whole=False):
                        selector.unregister(self.said)
                    if over or self.reading in ready:
                        yield from self._read(whole=over)
                    if not over:
                        self._judge_time()
                self._listen(whole=True)
        finally:
            os.close(ended)

    def _left(self) -> float | None:
        limit = self.limit_s if self.answered else min(self.start_s, self.limit_s or self.start_s)
        return None if limit is None else max(0.0, self.began + limit - time.monotonic())

    def _judge_time(self) -> None:
        if self._left() == 0.0:
            took = time.monotonic() - self.began
            raise self.words.error(
                f"{self.words.who} gave no {'end' if self.answered else 'answer'} in {took:.0f} s", hint=self.words.slow
            )

    def _read(self, *, whole: bool) -> Iterator[dict[str, Any]]:
        """The answers that are there; all of them when the process has ended."""
        while True:
            try:
                chunk = os.read(self.reading, CHUNK_BYTES)
            except BlockingIOError:
                return
            *lines, self.rest = (self.rest + chunk).split(b"\n")
            for line in lines:
                yield self._parsed(line)
            self.given += len(chunk)
            if len(self.rest) > MAX_ANSWER_BYTES or self.given > MAX_ANSWERS_BYTES:
                raise self.words.error(f"{self.words.who} answers without end", hint=self.words.hint)
            if not chunk or not whole:
                return

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or "event" not in answer:
            raise self.words.error(f"{self.words.who} answered something unreadable", hint=self.words.hint)
        if answer["event"] == "refused":
            raise self.words.error(str(answer.get("message"))[:500], hint=f"The whole output is in {self.log.name}.")
        self.answered = self.answered or answer["event"] not in {"alive", "held"}
        return answer

    def _listen(self, *, whole: bool) -> bool:
        """Take what was printed: the beginning is kept, and the very end; False when nothing more can come."""
        while True:
            try:
                words = os.read(self.said.fileno(), CHUNK_BYTES)
            except BlockingIOError:
                return True
            kept = words[: max(0, MAX_LOG_BYTES - self.logged)]
            self.log.write(kept)
            self.log.flush()
            self.logged += len(words)
            if len(kept) < len(words):
                self.last.append(words[len(kept) :])
            if not words or not whole:
                return bool(words)

    def end(self, marked: str) -> None:
        """Nothing is left: neither the process, nor what it forked away from itself."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        while end_marked(marked):
            time.sleep(0.02)
        self.said.close()
        if self.last:
            end = b"".join(self.last)[-LOG_TAIL_BYTES:]
            self.log.write(b"\n[%d bytes left out]\n" % (self.logged - MAX_LOG_BYTES - len(end)) + end)
            self.log.flush()
