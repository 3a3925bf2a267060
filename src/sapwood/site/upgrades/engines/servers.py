"""Private database servers: a folder, a Unix socket, no port. Each ends with the process that started it.

A killed rehearsal cannot clear up: the kernel ends its server (parent-death signal), and `sweep` does for the next run
what that missed. Whoever runs as root starts the server under an account with fewer rights; where that account cannot
enter the folder, or the socket's path would be too long, the server's files lie in a folder of their own elsewhere.
"""

import contextlib
import json
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sapwood.core.errors import SapwoodError
from sapwood.core.files import write_atomically
from sapwood.site.upgrades.data import DatabaseUrl

RECORD: Final = "server.json"
ELSEWHERE: Final = Path("/var/tmp")  # noqa: S108 - on a disk, unlike /tmp in places; the folder in it is private
MAX_SOCKET_BYTES: Final = 100
READY_S: Final = 600.0  # crash recovery of a large copy takes minutes
STOP_S: Final = 30.0
CONTROL: Final = "sapwood_shadow"


class ServerError(SapwoodError):
    """A private server could not be started."""

    code = "upgrades.server"


@dataclass(frozen=True)
class Home:
    """Where a private server lives, and the account that it runs under (None: ours)."""

    folder: Path
    owner: str | None

    @property
    def data(self) -> Path:
        """The server's data directory."""
        return self.folder / "data"

    @property
    def run(self) -> Path:
        """The folder of its socket, its log and its temporary files."""
        return self.folder / "run"

    def give(self, path: Path) -> None:
        """Make a tree the server's own."""
        if self.owner is not None:
            entry = pwd.getpwnam(self.owner)
            for one in [path, *path.rglob("*")]:
                os.chown(one, entry.pw_uid, entry.pw_gid, follow_symlinks=False)

    def command(self, argv: Sequence[str | Path], death: signal.Signals = signal.SIGKILL) -> list[str]:
        """A command line that runs under the server's account and ends when we do."""
        account = ["--reuid", self.owner, "--regid", _group(self.owner), "--clear-groups"] if self.owner else []
        return ["setpriv", *account, "--pdeathsig", death.name.removeprefix("SIG"), "--", *map(str, argv)]

    def do(self, argv: Sequence[str | Path], what: str) -> None:
        """Run a program of the server's to its end; raises ServerError with its last line."""
        done = subprocess.run(
            self.command(argv), capture_output=True, stdin=subprocess.DEVNULL, cwd=self.folder, env=_ENV, check=False
        )
        if done.returncode:
            lines = (done.stdout + done.stderr).decode("utf-8", "replace").strip().splitlines()
            raise ServerError(f"{what} failed: {lines[-1][:300] if lines else done.returncode}", hint=_HINT)


_ENV: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
_HINT: Final = "See the log that it names, or use another technique."


def owner_for(*accounts: str) -> str | None:
    """The account for a server: our own, or as root the first of these that exists."""
    if os.geteuid() != 0:
        return None
    for name in (*accounts, "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None


def disk_for(folder: Path, owner: str | None) -> Path:
    """The folder whose disk a server's files would use."""
    return folder if _fit(folder, owner) else ELSEWHERE


@contextlib.contextmanager
def home(folder: Path, owner: str | None) -> Iterator[Home]:
    """A fresh place for a server, removed afterwards."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "server" if _fit(folder, owner) else ELSEWHERE / f"sapwood-{secrets.token_hex(8)}"
    # Recorded before it is made: a kill between the two leaves a name, not a folder.
    _record(folder, place=path)
    try:
        path.mkdir(mode=0o700)
        made = Home(path, owner)
        made.run.mkdir(mode=0o700)
        (made.run / "tmp").mkdir(mode=0o700)
        made.give(path)
        if path.parent == folder and owner is not None:
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
        yield made
    finally:
        shutil.rmtree(path, ignore_errors=True)
        (folder / RECORD).unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """End the servers that a killed run left below a folder, and remove what they had elsewhere."""
    for record in folder.rglob(RECORD):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(record.read_text(encoding="utf-8"))
            if (pid := content.get("pid")) and _born(pid) == content["born"]:
                os.kill(pid, signal.SIGQUIT if content.get("children") else signal.SIGKILL)
                deadline = time.monotonic() + STOP_S
                while _born(pid) == content["born"] and time.monotonic() < deadline:
                    time.sleep(0.02)
            shutil.rmtree(content["place"], ignore_errors=True)


@contextlib.contextmanager
def running(
    place: Home, folder: Path, argv: Sequence[str | Path], *, ready: Callable[[], bool], children: bool = False
) -> Iterator[int]:
    """A server from its readiness to its end; its process id. With `children`, SIGQUIT ends it and them at once."""
    end = signal.SIGQUIT if children else signal.SIGKILL  # the copy is thrown away: nothing is worth a clean stop
    log = place.run / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            place.command(argv, end),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=place.folder,
            env=_ENV,
            start_new_session=True,
        )
    _record(folder, place=place.folder, pid=process.pid, born=_born(process.pid), children=children)
    try:
        deadline = time.monotonic() + READY_S
        while not ready():
            if process.poll() is not None:
                raise ServerError(f"The private server ended at once: {_last_line(log)}", hint=_HINT)
            if time.monotonic() > deadline:
                raise ServerError("The private server did not get ready", hint=_HINT)
            time.sleep(0.05)
        yield process.pid
    finally:
        process.send_signal(end)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def program(*names: str, places: Sequence[Path] = ()) -> Path | None:
    """The first of these programs that is on the path or in one of these folders (Debian keeps servers off it)."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", *map(str, places)])
    for name in names:
        if found := shutil.which(name, path=path):
            return Path(found)
    return None


def memory_bytes() -> int:
    """What a private server may use for its cache: a quarter of what this machine has to give now."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 // 4
    return 256 << 20


def _fit(folder: Path, owner: str | None) -> bool:
    if len(bytes(folder)) + len("/server/run/.s.PGSQL.5432.lock") > MAX_SOCKET_BYTES:
        return False
    if owner is None:
        return True
    there = [one for one in folder.parents if one.exists()]
    return all(one.stat().st_mode & stat.S_IXOTH for one in there)


def _group(owner: str) -> str:
    return str(pwd.getpwnam(owner).pw_gid)


def _record(folder: Path, **content: object) -> None:
    write_atomically(folder / RECORD, json.dumps(content, default=str))


def _born(pid: int) -> str:
    """When a process was started, by the kernel's clock: tells it from a later one with the same number."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return next((line[-300:] for line in lines if "[ERROR]" in line or "FATAL" in line), "it said nothing")


# --- MariaDB and MySQL -----------------------------------------------------------------------------------------


def mariadb_install(place: Home, options: Mapping[str, str]) -> None:
    """Make an empty data directory."""
    if (script := program("mariadb-install-db", "mysql_install_db")) is not None:
        where = ["--no-defaults", f"--datadir={place.data}", "--skip-test-db", "--skip-name-resolve"]
        small = [
            f"--{name}={options[name]}" for name in ("innodb-page-size", "lower-case-table-names") if name in options
        ]
        place.data.mkdir(mode=0o700)
        place.give(place.data)
        place.do(
            [script, *where, *small, "--auth-root-authentication-method=normal", f"--tmpdir={place.run / 'tmp'}"],
            "Making an empty server",
        )
    elif (server := program("mysqld")) is not None:  # MySQL's own; not verified
        place.do(
            [server, "--no-defaults", "--initialize-insecure", f"--datadir={place.data}"], "Making an empty server"
        )


@contextlib.contextmanager
def mariadb(place: Home, folder: Path, options: Mapping[str, str]) -> Iterator[DatabaseUrl]:
    """A server over the data directory of a place; the address of an account of ours that may do everything."""
    server = program("mariadbd", "mysqld")
    if server is None:
        raise ServerError("No MariaDB server is installed", hint="Install the package mariadb-server.")
    password = f"Aa1-{secrets.token_hex(16)}"  # passes whatever the copy asks of passwords
    first = place.run / "first.sql"
    write_atomically(
        first,
        f"DROP USER IF EXISTS '{CONTROL}'@'localhost';\n"
        f"CREATE USER '{CONTROL}'@'localhost' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL PRIVILEGES ON *.* TO '{CONTROL}'@'localhost' WITH GRANT OPTION;\n",
    )
    place.give(first)
    socket = place.run / "s.sock"
    fixed = {
        "datadir": place.data,
        "socket": socket,
        "pid-file": place.run / "pid",
        "tmpdir": place.run / "tmp",
        "secure-file-priv": place.run / "tmp",
        "init-file": first,
        "event-scheduler": "OFF",
        "skip-networking": "1",
        "skip-log-bin": "1",
        "skip-slave-start": "1",
        "skip-name-resolve": "1",
        "local-infile": "0",
    }
    # What the source has and this server does not know is passed over.
    argv: list[str | Path] = [server, "--no-defaults", *[f"--loose-{name}={value}" for name, value in options.items()]]
    argv += [f"--{name}={value}" for name, value in fixed.items()]
    url = DatabaseUrl("mysql", "", user=CONTROL, password=password, socket=str(socket))
    with running(place, folder, argv, ready=lambda: _answers(url)):
        yield url


def _answers(url: DatabaseUrl) -> bool:
    import pymysql  # noqa: PLC0415 - only those who meet such a database need its driver

    if not Path(url.socket).exists():
        return False
    try:
        pymysql.connect(unix_socket=url.socket, user=url.user, password=url.password, connect_timeout=5).close()
    except pymysql.Error:
        return False
    return True


# --- PostgreSQL ------------------------------------------------------------------------------------------------


def postgresql_programs(major: int | None = None) -> Path | None:
    """The folder of PostgreSQL's programs: of this major version, or else of the newest."""
    found = {
        int(path.parent.name): path
        for path in Path("/usr/lib/postgresql").glob("*/bin")
        if (path / "postgres").exists()
    }
    if (here := program("postgres")) is not None:
        said = subprocess.run([here, "--version"], capture_output=True, text=True, check=False).stdout.split()
        if len(said) > 2 and said[2].split(".")[0].isdigit():  # noqa: PLR2004 - postgres (PostgreSQL) 15.18
            found[int(said[2].split(".")[0])] = here.resolve().parent
    if major is not None and major in found:
        return found[major]
    return found[max(found)] if found else None


def postgresql_install(place: Home, programs: Path, *, checksums: bool = False) -> None:
    """Make an empty cluster whose administrator is ours."""
    where: list[str | Path] = [
        "-D",
        place.data,
        "-U",
        CONTROL,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    ]
    place.do([programs / "initdb", *where, "--no-sync", *(["-k"] if checksums else [])], "Making an empty server")


@contextlib.contextmanager
def postgresql(place: Home, folder: Path, programs: Path, settings: Mapping[str, str]) -> Iterator[DatabaseUrl]:
    """A server over the data directory of a place; whoever can reach its socket is whom he says he is.

    `settings` can be changed afterwards with `postgresql_configure`.
    """
    hba = place.run / "hba.conf"
    write_atomically(hba, "local all all trust\nlocal replication all trust\n")
    write_atomically(place.run / "ident.conf", "")
    postgresql_configure(place, settings)
    place.give(place.run)
    argv: list[str | Path] = [
        programs / "postgres",
        *("-D", place.data),
        *("-c", f"config_file={place.run / 'postgresql.conf'}"),
        *("-c", f"hba_file={hba}"),
        *("-c", f"ident_file={place.run / 'ident.conf'}"),
    ]
    ask = [str(programs / "pg_isready"), "-q", "-h", str(place.run)]

    def ready() -> bool:
        if not (place.run / ".s.PGSQL.5432").exists():
            return False
        return subprocess.run(ask, check=False, env=_ENV, stdin=subprocess.DEVNULL).returncode == 0

    with running(place, folder, argv, ready=ready, children=True):
        yield DatabaseUrl("postgresql", "postgres", user=CONTROL, socket=str(place.run))


def postgresql_configure(place: Home, settings: Mapping[str, str]) -> None:
    """Write the server's settings; a running one has to be told to read them again."""
    fixed = {
        "listen_addresses": "",
        "unix_socket_directories": str(place.run),
        "unix_socket_permissions": "0700",
        "archive_mode": "off",
        "ssl": "off",
        "logging_collector": "off",
        "log_statement": "none",
        "log_min_messages": "fatal",  # an error's text holds values
        "log_min_error_statement": "panic",
    }
    everything = {"max_wal_senders": "0", **settings, **fixed}
    lines = [f"{name} = '" + value.replace("'", "''") + "'" for name, value in everything.items()]
    path = place.run / "postgresql.conf"
    write_atomically(path, "\n".join(lines) + "\n")
    place.give(path)
