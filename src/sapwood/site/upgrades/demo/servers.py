"""Database servers that belong to the demonstration: on a Unix socket in its folder, started on request."""

import abc
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from typing_extensions import override

from sapwood.core.errors import SapwoodError

START_S, STOP_S = 60.0, 60.0
# Linux ends a socket's path at 107 bytes; PostgreSQL's file is ".s.PGSQL.5432".
MAX_SOCKET_FOLDER = 90
POSTGRESQL = Path("/usr/lib/postgresql")
DEBIAN = {"mariadb": "mariadb-server", "postgresql": "postgresql"}


class ServerError(SapwoodError):
    """A database server of the demonstration is not installed, or does not start."""

    code = "upgrades.demo_server"


def all_of(folder: Path) -> Iterator["Server"]:
    """Both servers, whether or not they were ever started."""
    return (kind(folder) for kind in KINDS.values())


def server(folder: Path, engine: str) -> "Server":
    """The demonstration's server of one engine."""
    return KINDS[engine](folder)


class Server(abc.ABC):
    """One server in a folder of its own; `start` and `stop` may be called at any time."""

    engine: ClassVar[str]
    scheme: ClassVar[str]
    django_engine: ClassVar[str]
    user: ClassVar[str] = "root"

    def __init__(self, folder: Path) -> None:
        self.place = folder / "servers" / self.engine
        self.data, self.run, self.log = self.place / "data", self.place / "run", self.place / "server.log"

    def start(self, say: Callable[[str], None]) -> None:
        """Start it where it does not run, and wait until it answers."""
        if len(str(self.run)) > MAX_SOCKET_FOLDER:
            raise ServerError(f"{self.run} is too long for a socket", hint="Set SAPWOOD_VAR to a shorter path.")
        self.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.pid() is None:
            if not (self.place / "made").exists():
                say(f"{self.engine}: a server of its own")
                shutil.rmtree(self.data, ignore_errors=True)
                self._call(*self.make())
                (self.place / "made").touch()
            self._launch()
        deadline = time.monotonic() + START_S
        while not self._works("SELECT 1"):
            if time.monotonic() > deadline:
                raise ServerError(f"{self.engine} does not answer", hint=f"Read {self.log}.")
            time.sleep(0.1)

    def stop(self) -> bool:
        """Stop it and wait until it is gone; whether it ran."""
        pid = self.pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while self.pid() == pid:
            if time.monotonic() > deadline:
                raise ServerError(f"{self.engine} does not stop", hint=f"Read {self.log}.")
            time.sleep(0.1)
        return True

    def pid(self) -> int | None:
        """The process that serves this folder; a number that another program has by now does not count."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.place / "pid").read_text(encoding="utf-8"))
            if str(self.place).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        return None

    def new_database(self) -> None:
        """An empty database `campus` in place of the one that is there."""
        self.sql("DROP DATABASE IF EXISTS campus")
        self.sql(self.create)

    @property
    def url(self) -> str:
        """Its address for a subject file."""
        return f"{self.scheme}://{self.user}@localhost/campus?socket={quote(str(self.host()))}"

    def django(self) -> dict[str, Any]:
        """Its entry for DATABASES."""
        return {"ENGINE": self.django_engine, "NAME": "campus", "USER": self.user, "HOST": str(self.host())}

    create: ClassVar[str]

    @abc.abstractmethod
    def make(self) -> Sequence[str | Path]:
        """The command that makes an empty data folder."""

    @abc.abstractmethod
    def serve(self) -> Sequence[str | Path]:
        """The command that serves it."""

    @abc.abstractmethod
    def client(self, statement: str) -> Sequence[str | Path]:
        """The command that carries out one statement."""

    @abc.abstractmethod
    def host(self) -> Path:
        """What HOST says to reach it."""

    def sql(self, statement: str) -> None:
        self._call(*self.client(statement))

    def _works(self, statement: str) -> bool:
        return subprocess.run(self.client(statement), capture_output=True, check=False).returncode == 0

    def _call(self, *command: str | Path) -> None:
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, errors="replace")
        except FileNotFoundError:
            raise self._missing() from None
        except subprocess.CalledProcessError as error:
            lines = (error.stderr or error.stdout or "it printed nothing").strip().splitlines()
            raise ServerError(f"{self.engine}: {lines[-1][:300]}", hint=f"Read {self.log} where it exists.") from None

    def _launch(self) -> None:
        try:
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    self.serve(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.place,
                    start_new_session=True,
                )
        except FileNotFoundError:
            raise self._missing() from None
        (self.place / "pid").write_text(str(process.pid), encoding="utf-8")

    def _missing(self) -> ServerError:
        package = DEBIAN[self.engine]
        return ServerError(
            f"{self.engine} is not on this machine", hint=f"Install it, on Debian with: apt install {package}"
        )


class MariaDB(Server):
    """mariadbd on a socket, without a network port."""

    engine, scheme, django_engine = "mariadb", "mysql", "django.db.backends.mysql"
    create = "CREATE DATABASE campus CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"

    @override
    def make(self) -> Sequence[str | Path]:
        return [
            *("mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--skip-test-db"),
            "--auth-root-authentication-method=normal",
        ]

    @override
    def serve(self) -> Sequence[str | Path]:
        program = shutil.which("mariadbd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") or "mariadbd"
        return [
            *(program, "--no-defaults", f"--datadir={self.data}", f"--socket={self.host()}", "--skip-networking"),
            *(f"--pid-file={self.run / 'server.pid'}", "--skip-log-bin", "--character-set-server=utf8mb4"),
            *("--collation-server=utf8mb4_unicode_ci", "--innodb-buffer-pool-size=512M", "--max-allowed-packet=256M"),
            *(["--user=root"] if os.geteuid() == 0 else []),
        ]

    @override
    def client(self, statement: str) -> Sequence[str | Path]:
        return ["mariadb", "--no-defaults", f"--socket={self.host()}", "--user=root", f"--execute={statement}"]

    @override
    def host(self) -> Path:
        return self.run / "s"


class PostgreSQL(Server):
    """postgres on a socket, without a network port."""

    engine, scheme, django_engine = "postgresql", "postgresql", "django.db.backends.postgresql"
    user = "campus"
    create = "CREATE DATABASE campus ENCODING 'UTF8' TEMPLATE template0"

    @override
    def make(self) -> Sequence[str | Path]:
        return [*self._program("initdb"), "-D", self.data, "-U", self.user, "-A", "trust", "-E", "UTF8", "--no-sync"]

    @override
    def serve(self) -> Sequence[str | Path]:
        return [*self._program("postgres"), "-D", self.data, "-k", self.run, "-c", "listen_addresses="]

    @override
    def client(self, statement: str) -> Sequence[str | Path]:
        psql = self._program("psql")[-1]
        return [psql, "-X", "-q", "-h", self.run, "-U", self.user, "-d", "postgres", "-c", statement]

    @override
    def host(self) -> Path:
        return self.run

    @staticmethod
    def _program(name: str) -> list[str]:
        versions = sorted(POSTGRESQL.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3].partition(".")[0]))
        # PostgreSQL refuses to be root; in a user namespace of its own root has another number and the same files.
        outside = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []
        return [*outside, str(versions[-1]) if versions else name]


KINDS: Mapping[str, type[Server]] = {"mariadb": MariaDB, "postgresql": PostgreSQL}
