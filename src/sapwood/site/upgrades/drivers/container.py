"""Running the commands of a deployment in containers: one runner, a time limit, a bounded log without secrets."""

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from sapwood.core.errors import SapwoodError
from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades.isolation import MARK, end_marked, mark

ENGINE: Final = "docker"
ENGINE_LIMIT_S: Final = 20.0
SHORTEST_SECRET: Final = 5
HIDDEN: Final = "[secret]"
KEPT: Final = ("PATH", "HOME", "LANG", "TZ", "DOCKER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR")
CHUNK_BYTES: Final = 1 << 16
HEAD_BYTES: Final = 4_000_000
TAIL_CHUNKS: Final = 4
CONTAINERS: Final = "containers"  # a file that stands in a folder for which containers may have been made


class NoEngineError(SapwoodError):
    """What was asked for needs containers, and this machine cannot run any for this account."""

    code = "upgrades.no_engine"
    exit_code = 4


class CommandFailedError(SapwoodError):
    """A command of the upgrade failed, or did not end in time."""

    code = "upgrades.command"


def run(  # noqa: PLR0913 - what, where to, how far, and what must not be seen
    argv: Sequence[str],
    log: Path,
    *,
    limit_s: float,
    secrets: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
    given: Path | None = None,
    output: Path | None = None,
    folder: Path | None = None,
) -> None:
    """Run a command to its end; its words go to the log, line by line, without any of the secrets.

    The log is private and grows by each command: of many words the first and the very last are kept. `given` is a file
    that the command reads, `output` one that takes what it writes instead of the log. Raises CommandFailedError when
    the command fails, cannot be started or is not over in time; nothing that it started is left then. What a crash of
    this process leaves is found by `isolation.end_marked`, by `folder`, which is else the log's.
    """
    kept = {name: os.environ[name] for name in KEPT if name in os.environ} | dict(environment or {})
    # Long ones first: one secret may begin another. Many are of several lines, and a log is read by lines.
    hidden = {line.strip() for text in secrets for line in text.splitlines() if len(line.strip()) >= SHORTEST_SECRET}
    in_order = sorted(hidden, key=lambda text: (-len(text), text))
    marked = mark(folder or log.parent)
    with contextlib.ExitStack() as opened:
        reading: int | IO[bytes] = opened.enter_context(given.open("rb")) if given else subprocess.DEVNULL
        writing: int | IO[bytes] = subprocess.PIPE
        if output is not None:
            descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            writing = opened.enter_context(os.fdopen(descriptor, "wb"))
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=reading,
                stdout=writing,
                stderr=subprocess.PIPE if output is not None else subprocess.STDOUT,
                env=kept | marked,
                start_new_session=True,
            )
        except OSError as error:
            raise CommandFailedError(
                Phrase("%(program)s cannot be started: %(reason)s", program=argv[0], reason=error.strerror or "?"),
                hint=Phrase("Is it there?"),
            ) from None
        words = process.stderr if output is not None else process.stdout
        assert words is not None  # noqa: S101 - asked for as a pipe
        try:
            in_time, said = _listen(process, words, limit_s)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
            end_marked(marked[MARK])
            words.close()
    _keep(log, argv, said, str(code) if in_time else "out of time", in_order)
    name, place = Path(argv[0]).name, Phrase("Its words are in %(log)s.", log=log)
    if not in_time:
        raise CommandFailedError(
            Phrase("%(program)s was not over in %(seconds)s s", program=name, seconds=f"{limit_s:g}"), hint=place
        )
    if code:
        raise CommandFailedError(Phrase("%(program)s ended with code %(code)s", program=name, code=code), hint=place)


def _listen(process: "subprocess.Popen[bytes]", words: IO[bytes], limit_s: float) -> tuple[bool, bytes]:
    """Read what a command says until it ends, whoever else still holds the pipe; whether it ended in time."""
    until, head, tail, left_out = time.monotonic() + limit_s, bytearray(), deque[bytes](maxlen=TAIL_CHUNKS), 0

    def take() -> bool:
        nonlocal left_out
        try:
            chunk = os.read(words.fileno(), CHUNK_BYTES)
        except BlockingIOError:
            return False
        if len(head) < HEAD_BYTES:
            head.extend(chunk)
        elif chunk:
            left_out += len(chunk)
            tail.append(chunk)
        return bool(chunk)

    os.set_blocking(words.fileno(), False)
    ended = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(ended, selectors.EVENT_READ)
            selector.register(words, selectors.EVENT_READ)
            over = False
            while not over and (left := until - time.monotonic()) > 0:
                ready = {key.fileobj for key, _events in selector.select(left)}
                over = ended in ready
                if words in ready and not take() and not over:
                    selector.unregister(words)
            while take():
                pass
    finally:
        os.close(ended)
    gap = b"\n[%d bytes, of which the last follow]\n" % left_out if left_out else b""
    return over, bytes(head) + gap + b"".join(tail)


def _keep(log: Path, argv: Sequence[str], said: bytes, end: str, hidden: Sequence[str]) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"$ {_without(' '.join(argv), hidden)}\n")
        text = _without(said.decode("utf-8", "replace"), hidden)
        file.write(text + ("" if not text or text.endswith("\n") else "\n"))
        file.write(f"= {end}\n")


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
        try:
            run([program, "compose", "version"], Path(folder) / "log", limit_s=ENGINE_LIMIT_S)
        except CommandFailedError:
            return f"{ENGINE} has no compose plugin"
    return ""


def require_engine() -> None:
    """Raise NoEngineError, in one line, where the upgrade of a deployment in containers cannot be run."""
    if why := missing_engine():
        raise NoEngineError(
            Phrase("This needs a container engine, and %(why)s", why=why),
            hint=Phrase(
                "Run it on the machine and as the account that runs the site's containers; "
                "`plan` and `preflight` work without."
            ),
        )


def listed(words: Sequence[str], folder: Path) -> list[str]:
    """The lines that the engine answers to a question."""
    answer = folder / "answer"
    try:
        run([ENGINE, *words], folder / "engine.log", limit_s=ENGINE_LIMIT_S, output=answer)
        return answer.read_text(encoding="utf-8", errors="replace").split()
    finally:
        answer.unlink(missing_ok=True)


def containers(
    project: str, folder: Path, *, running: bool, one_off: bool = False, service: str = "", status: str = ""
) -> list[str]:
    """The ids of a compose project's containers: all, or those that run; `one_off`: those of jobs alone."""
    labels = {"project": project, "oneoff": "True" if one_off else "", "service": service}
    which = [f"label=com.docker.compose.{name}={value}" for name, value in labels.items() if value]
    filters = [word for one in (*which, *([f"status={status}"] if status else [])) for word in ("--filter", one)]
    return listed(["ps", "--quiet", *([] if running else ["--all"]), *filters], folder)


def end_jobs(project: str, folder: Path) -> int:
    """Remove the containers of a project's jobs: they outlive whoever started them. The number of containers."""
    if found := containers(project, folder, running=False, one_off=True):
        run([ENGINE, "rm", "--force", *found], folder / "engine.log", limit_s=ENGINE_LIMIT_S * 6)
    return len(found)


def remove_project(project: str, folder: Path) -> None:
    """Remove everything that the engine keeps of a compose project, found by its label: no file of it is needed."""
    label = f"label=com.docker.compose.project={project}"
    kinds = (
        ("ps", ("--all", "--quiet"), ("rm", "--force", "--volumes")),
        ("network", ("ls", "--quiet"), ("network", "rm")),
        ("volume", ("ls", "--quiet"), ("volume", "rm", "--force")),
    )
    for noun, words, removing in kinds:
        if found := listed([noun, *words, "--filter", label], folder):
            run([ENGINE, *removing, *found], folder / "engine.log", limit_s=ENGINE_LIMIT_S * 6)


def project_of(folder: Path) -> str:
    """The compose project of what a run makes in its private folder: a crash leaves it findable."""
    return f"sapwood-{folder.name}".lower()


def sweep(folder: Path) -> bool:
    """Remove what a dead run left with the engine; whether nothing of it is left."""
    if not (folder / CONTAINERS).exists() or shutil.which(ENGINE) is None:
        return True
    try:
        remove_project(project_of(folder), folder)
    except CommandFailedError:
        return False
    return True


def _without(text: str, hidden: Iterable[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, HIDDEN)
    return text
