"""One Tutor root whose containers are operated: every command through the logged runner, each by the Tutor named."""

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sapwood.core.errors import SapwoodError
from sapwood.formats.canonical import sha256_hex
from sapwood.formats.phrase import Phrase
from sapwood.site.facts.api import TutorRoot
from sapwood.site.upgrades.drivers import container
from sapwood.site.upgrades.drivers.django import LOCK_WAIT_S
from sapwood.site.upgrades.drivers.tutor_steps import KINDS, kind_of

FOLDERS: Final = Path(__file__).with_name("folders.py")
INSIDE: Final = Path(__file__).with_name("inside.py")
# How long a part of Tutor may take before it is ended; what depends on the site's size has a day.
DAY_S: Final = 86_400.0
LIMITS: Final = {"config": 900.0, "stop": 1800.0, "start": 3600.0, "exec": 600.0, "build": DAY_S / 4, "pull": DAY_S / 4}
READY_S: Final = 600.0
LOOK_S: Final = 3.0
PLATFORM: Final = ("lms", "cms")
PREPARES: Final = frozenset({"images", "pull"})  # steps that need no site, and change nothing of one
SOURCE: Final = "/openedx/edx-platform"
MONGODB_READY: Final = 'exec $(command -v mongosh || echo mongo) --quiet --eval "db.adminCommand({ping: 1})"'
# How a line begins that is YAML at the outermost level; whatever else Tutor prints is words with blanks.
_KEY: Final = re.compile(r"[A-Za-z0-9_.-]+:(?:\s|$)")
NO_ADDRESS: Final = "com.docker.network.bridge.inhibit_ipv4"
OPENERS: Final = ("network_mode", "container_name", "privileged", "pid", "ipc", "devices", "cap_add", "userns_mode")
SYSTEM: Final = frozenset({"information_schema", "performance_schema", "mysql", "sys"})
# Over TCP: while it makes its first files, MySQL's image runs a server that listens on a socket alone.
SQL_READY: Final = 'exec mysqladmin ping --silent --host=127.0.0.1 --user=root --password="$MYSQL_ROOT_PASSWORD"'
SQL_NAMES: Final = (
    'exec mysql --batch --skip-column-names --user=root --password="$MYSQL_ROOT_PASSWORD" -e "SHOW DATABASES"'
)
SQL_DUMP: Final = (
    'exec mysqldump --user=root --password="$MYSQL_ROOT_PASSWORD" --single-transaction --quick --routines --triggers'
    ' --hex-blob --default-character-set=utf8mb4 --databases "$@"'
)
SQL_LOAD: Final = 'exec mysql --user=root --password="$MYSQL_ROOT_PASSWORD" --default-character-set=utf8mb4'
SQL_WHOLE: Final = b"-- Dump completed"


class PlaceError(SapwoodError):
    """A Tutor project is not in the state that the next step needs."""

    code = "upgrades.tutor"


@dataclass
class Place:
    """A Tutor root, its compose project, and where the words of its commands go.

    `image` is one of the site's own that has Python: what an account may not read or own itself is copied in it.
    """

    root: Path
    project: str
    folder: Path
    plugins_root: Path | None = None
    secrets: tuple[str, ...] = ()
    image: str = ""
    kept_log: Path | None = None  # where the folder does not outlive what is done

    @property
    def log(self) -> Path:
        """Every command of this place and what it said."""
        return self.kept_log or self.folder / "commands.log"

    def run(self, argv: Sequence[str], *, limit_s: float, **more: Any) -> None:
        """Run one command. Raises CommandFailedError."""
        container.run(argv, self.log, limit_s=limit_s, secrets=self.secrets, folder=self.folder, **more)

    def tutor(self, program: Path, *words: str, limit_s: float, **more: Any) -> None:
        """Run a Tutor on this root. It takes the folder of plugins from the environment only."""
        environment = {"TUTOR_PLUGINS_ROOT": str(self.plugins_root or self.folder / "plugins")}
        argv = [str(program), "--root", str(self.root), *words]
        self.run(argv, limit_s=limit_s, environment=environment, **more)

    def compose(self, program: Path, *words: str, limit_s: float = LIMITS["exec"], **more: Any) -> None:
        """Run docker compose as this Tutor would call it."""
        self.tutor(program, "local", "dc", *words, limit_s=limit_s, **more)

    def model(self, program: Path, *files: str) -> dict[str, Any]:
        """What the engine would be told to run, all files together. Raises PlaceError when it cannot be read."""
        answer = self.folder / "model.yml"
        try:
            self.compose(program, *files, "config", output=answer)
            # Tutor says first which command it runs.
            lines = answer.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
            answer.write_text("".join(line for line in lines if line[:1] in " -#" or _KEY.match(line)))
            found = TutorRoot(self.folder).mapping(answer.name)
        finally:
            answer.unlink(missing_ok=True)
        if found is None or not isinstance(found.get("services"), dict):
            raise PlaceError(
                Phrase("What Tutor would run cannot be read"), hint=Phrase("See `tutor local dc config` of that root.")
            )
        return found

    def save(self, program: Path) -> None:
        """Render the environment."""
        self.tutor(program, "config", "save", limit_s=LIMITS["config"])

    def start(self, program: Path, services: Iterable[str] = ()) -> None:
        """Start these services, or all."""
        self.tutor(program, "local", "start", "--detach", *services, limit_s=LIMITS["start"])

    def stop(self, program: Path) -> None:
        """Stop the site, and what jobs left running."""
        self.tutor(program, "local", "stop", limit_s=LIMITS["stop"])
        container.end_jobs(self.project, self.folder)

    def pull(self, program: Path) -> None:
        """Fetch what can be fetched; whatever else the release starts must be here already. Raises PlaceError."""
        with contextlib.suppress(container.CommandFailedError):  # nobody publishes what was built here
            self.compose(program, "pull", "--ignore-pull-failures", limit_s=LIMITS["pull"])
        for image in sorted({str(one["image"]) for one in self.model(program)["services"].values() if "image" in one}):
            try:
                self.run([container.ENGINE, "image", "inspect", image], limit_s=LIMITS["exec"])
            except container.CommandFailedError as error:
                raise PlaceError(
                    Phrase("The image %(image)s is neither here nor to be had", image=image), hint=error.hint
                ) from None

    def running(self) -> list[str]:
        """The ids of the containers that run."""
        return container.containers(self.project, self.folder, running=True)

    # --- databases --------------------------------------------------------------------------------------------------

    def inside_of(self, service: str, *words: str, limit_s: float = LIMITS["exec"], **more: Any) -> None:
        """Run a command in the running container of a service, past Tutor, whose own words would come between."""
        found = container.containers(self.project, self.folder, running=True, service=service)
        if not found:
            raise PlaceError(
                Phrase("No container of %(service)s runs", service=service),
                hint=Phrase("Look at `docker ps --all`."),
            )
        self.run([container.ENGINE, "exec", "--interactive", found[0], *words], limit_s=limit_s, **more)

    def wait_for(self, service: str, *words: str) -> None:
        """Wait until a service answers."""
        until = time.monotonic() + READY_S
        while True:
            try:
                self.inside_of(service, *words, limit_s=60)
            except (container.CommandFailedError, PlaceError):
                if time.monotonic() > until:
                    raise PlaceError(
                        Phrase("%(service)s did not answer in %(seconds)s s", service=service, seconds=f"{READY_S:g}"),
                        hint=Phrase("Its words are in %(log)s.", log=self.log),
                    ) from None
                time.sleep(LOOK_S)
            else:
                return

    def wait_for_sql(self) -> None:
        """Wait until MySQL answers."""
        self.wait_for("mysql", "sh", "-c", SQL_READY)

    def wait_for_mongodb(self) -> None:
        """Wait until MongoDB answers; which shell it has depends on its version."""
        self.wait_for("mongodb", "sh", "-c", MONGODB_READY)

    def dump_sql(self, path: Path) -> int:
        """Every database of the site's own into one file; its bytes. Raises PlaceError when it is not whole."""
        answer = self.folder / "names"
        try:
            self.inside_of("mysql", "sh", "-c", SQL_NAMES, output=answer)
            names = [name for name in answer.read_text(encoding="utf-8").split() if name not in SYSTEM]
        finally:
            answer.unlink(missing_ok=True)
        if not names:
            raise PlaceError(Phrase("MySQL shows no database of the site"), hint=Phrase("Is it the right server?"))
        self.inside_of("mysql", "sh", "-c", SQL_DUMP, "sh", *names, limit_s=DAY_S, output=path)
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 200))
            if SQL_WHOLE not in file.read():
                raise PlaceError(Phrase("The dump of MySQL is not whole"), hint=Phrase("Is there room on that disk?"))
        return path.stat().st_size

    def load_sql(self, path: Path) -> None:
        """Put a dump into this place's MySQL."""
        self.inside_of("mysql", "sh", "-c", SQL_LOAD, limit_s=DAY_S, given=path)

    def dump_mongodb(self, path: Path) -> int:
        """Everything that MongoDB keeps, into one file; its bytes."""
        self.inside_of("mongodb", "mongodump", "--quiet", "--archive", limit_s=DAY_S, output=path)
        return path.stat().st_size

    def load_mongodb(self, path: Path) -> None:
        """Put such a file into this place's MongoDB."""
        words = ("mongorestore", "--quiet", "--archive", "--nsExclude=admin.*")
        self.inside_of("mongodb", *words, limit_s=DAY_S, given=path)

    # --- the platform -----------------------------------------------------------------------------------------------

    def inside(self, program: Path, service: str, *verbs: str, **more: Any) -> Iterator[dict[str, Any]]:
        """Run verbs of `inside.py` with the platform's own code in a new container of a service."""
        scratch = self.folder / "scratch"
        scratch.mkdir(mode=0o700, exist_ok=True)
        shared = scratch / "shared"  # the platform's account is another one; the folder above lets nobody else in
        shared.mkdir(exist_ok=True)
        shared.chmod(0o777)
        request, answer = shared / "request.json", shared / "answers.jsonl"
        answer.unlink(missing_ok=True)
        content = {
            "verbs": verbs,
            "settings": f"{service}.envs.tutor.production",
            "pythonpath": [SOURCE],
            "databases": None,
            "lock_wait_s": LOCK_WAIT_S,
            "scratch": "/sapwood/shared",
            "rehearsal": True,
            "guard": None,
            **more,
        }
        request.write_text(json.dumps(content), encoding="utf-8")
        mounts = ("-v", f"{INSIDE}:/sapwood/inside.py:ro", "-v", f"{shared}:/sapwood/shared")
        call = ("python", "-I", "/sapwood/inside.py", "/sapwood/shared/request.json", "/sapwood/shared/answers.jsonl")
        failed: SapwoodError | None = None
        try:
            self.tutor(program, "local", "run", "--no-deps", *mounts, service, *call, limit_s=DAY_S)
        except container.CommandFailedError as error:
            failed = error
        for line in answer.read_text(encoding="utf-8").splitlines() if answer.exists() else ():
            with contextlib.suppress(ValueError):  # a process that was killed leaves a part of a line
                found = json.loads(line)
                if found["event"] == "refused":
                    raise PlaceError(
                        Phrase.verbatim(str(found.get("message"))[:500]), hint=(failed and failed.hint) or ""
                    )
                yield found
        if failed is not None:
            raise failed

    # --- folders ----------------------------------------------------------------------------------------------------

    def folders(self, verb: str, *places: Path) -> str:
        """Run `folders.py`; the digest of what it wrote down. Where this account is not root, in a container."""
        answer = self.folder / "described.jsonl"
        answers = [] if verb == "empty" else [answer]
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            argv = [sys.executable, "-I", str(FOLDERS), verb, *map(str, [*places, *answers])]
        else:
            answer.touch()
            mounted = [f"/mnt/{number}" for number in range(len(places))]
            volumes = [f"{place}:{there}" for place, there in zip(places, mounted, strict=True)]
            volumes += [f"{FOLDERS}:/sapwood/folders.py:ro", *(f"{answer}:/sapwood/answer" for _one in answers)]
            argv = [
                *(container.ENGINE, "run", "--rm", "--network=none", "--user=0", "--entrypoint=python"),
                *(f"--label=com.docker.compose.project={self.project}", "--label=com.docker.compose.oneoff=True"),
                *(f"--volume={volume}" for volume in volumes),
                *(self.image, "/sapwood/folders.py", verb, *mounted, *("/sapwood/answer" for _one in answers)),
            ]
        self.run(argv, limit_s=DAY_S)
        found = sha256_hex(answer.read_bytes()) if answers else ""
        answer.unlink(missing_ok=True)
        return found


def closed(model: Mapping[str, Any]) -> list[str]:
    """The services with which a site runs that nobody reaches and that does no work of its own.

    Left out are those that publish a port, and the workers, who would take tasks from the queue.
    """
    services: Mapping[str, Any] = model["services"]
    return [name for name, one in services.items() if not one.get("ports") and not name.endswith("-worker")]


def stores_of(model: Mapping[str, Any]) -> list[str]:
    """The services that keep data, and what prepares their folders."""
    services: Mapping[str, Any] = model["services"]
    return [
        name
        for name, one in services.items()
        if name == "permissions" or (kind_of(str(one.get("image", ""))) in set(KINDS.values()) and not one.get("ports"))
    ]


def openings(model: Mapping[str, Any], root: Path) -> list[Phrase]:
    """Ways out of a project that is meant to reach nothing: what its containers could change or call elsewhere."""
    found = [
        Phrase("the network %(name)s leads out", name=name)
        for name, one in (model.get("networks") or {"default": None}).items()
        if not _shut(one)
    ]
    for name, service in model["services"].items():
        found += [
            Phrase("the service %(name)s has %(key)s", name=name, key=key)
            for key in OPENERS
            if str(service.get(key, "")).lower() not in {"", "false", "none", "[]"}
        ]
        for volume in service.get("volumes") or ():
            source, read_only = _volume(volume)
            if source.startswith("/") and not read_only and not Path(source).resolve().is_relative_to(root.resolve()):
                found.append(Phrase("the service %(name)s may write to %(path)s", name=name, path=source))
            if source.endswith(".sock"):
                found.append(Phrase("the service %(name)s has the socket %(path)s", name=name, path=source))
    for name, one in (model.get("volumes") or {}).items():
        if isinstance(one, dict) and one.get("external"):
            found.append(Phrase("the volume %(name)s belongs to somebody else", name=name))
    return found


def _shut(network: Any) -> bool:
    """Whether a network neither leads out nor has an address of this machine in it."""
    if not isinstance(network, dict) or network.get("external"):
        return False
    options = network.get("driver_opts") or {}
    return str(network.get("internal")).lower() == str(options.get(NO_ADDRESS)).lower() == "true"


def program_of(argv: Sequence[str]) -> Path:
    """The Tutor that a command of the plan names."""
    return Path(argv[argv.index("--root") - 1])


def words_of(argv: Sequence[str]) -> list[str]:
    """What a command of the plan asks of that Tutor."""
    return list(argv[argv.index("--root") + 2 :])


def _volume(volume: Any) -> tuple[str, bool]:
    """Where a volume comes from, and whether it is only read: both ways in which compose writes it."""
    if isinstance(volume, dict):
        return str(volume.get("source", "")), str(volume.get("read_only")).lower() == "true"
    source, _colon, rest = str(volume).partition(":")
    return source, "ro" in rest.rpartition(":")[2].split(",")
