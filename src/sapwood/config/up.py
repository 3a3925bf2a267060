"""`sapwood up`: a commons and a site on this machine, from nothing to two addresses, and the same again next time."""

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from sapwood.config.supervisor import Child, Supervisor
from sapwood.core import settings as typed
from sapwood.core.commands import json_option
from sapwood.core.errors import ConflictError, SapwoodError
from sapwood.core.files import write_atomically

# An older release on purpose: a newcomer sees a site that is behind, and the way forward.
TUTOR_PINS = ("tutor==20.0.3",)
FIRST_PORT = 8100
NAMES = {"commons": "Example commons", "site": "Riverside College"}


class StartError(SapwoodError):
    """`sapwood up` could not prepare or start one of its parts."""

    code = "up.failed"


@dataclass(frozen=True)
class Ports:
    """Where the three servers listen; kept between starts."""

    commons: int
    site: int
    channel: int

    def url(self, name: str) -> str:
        """The address of one of them."""
        host = "127.0.0.1" if name == "channel" else "localhost"  # passkeys refuse numeric addresses
        return f"http://{host}:{getattr(self, name)}"


@dataclass(frozen=True)
class House:
    """The folder of all state, the ports, and how to speak to whoever started it."""

    var: Path
    ports: Ports
    say: Callable[[str], None]

    def settings(self, role: str) -> dict[str, str]:
        """The example's settings of a role, which commands typed later see as well."""
        tutor = self.var / "tutor"
        found = {"SAPWOOD_SITE_NAME": NAMES[role], "SAPWOOD_BASE_URL": self.ports.url(role)}
        if role == "site":
            found |= {
                "SAPWOOD_TUTOR_ROOT": str(tutor / "root"),
                "SAPWOOD_TUTOR_PLUGINS_ROOT": str(tutor / "plugins"),
                "SAPWOOD_TUTOR_PYTHON": str(tutor / "venv" / "bin" / "python"),
            }
        return found

    def environment(self, role: str) -> dict[str, str]:
        """What a process of this role sees; what the caller set wins over the example, but for the addresses."""
        kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        fixed = {"SAPWOOD_ROLE": role, "SAPWOOD_VAR": str(self.var), "SAPWOOD_BASE_URL": self.ports.url(role)}
        return {**self.settings(role), **kept, **fixed, "PYTHONUNBUFFERED": "1"}

    def sapwood(self, role: str, *arguments: str) -> str:
        """Run one of our commands as this role."""
        return run([sys.executable, "-m", "sapwood.config.cli", *arguments], self.environment(role))

    def seed(self, role: str, *arguments: str) -> dict[str, Any]:
        """Run one step of the example's data as this role."""
        printed = run([sys.executable, "-m", "sapwood.config.seed", *arguments], self.environment(role))
        result: dict[str, Any] = json.loads(printed)
        return result


@click.command()
@click.option(
    "--port", "first_port", type=click.IntRange(1, 65533), help="First of three ports (8100, or as last time)."
)
@click.option("--offline", is_flag=True, help="Do not fetch Tutor for the example site.")
@json_option
def up(*, first_port: int | None, offline: bool, as_json: bool) -> None:
    """Start a commons and a site with real releases and advisories, and keep them running."""
    var = Path(typed.VAR.get()).absolute()
    var.mkdir(parents=True, exist_ok=True, mode=0o700)
    with only_one(var):
        house = House(var, choose_ports(var, first_port), lambda text: click.echo(f"· {text}", err=as_json))
        links = prepare(house, offline=offline)
        supervisor = Supervisor(children(house), house.say)
        supervisor.start()
        try:
            report = finish(house, links)
            click.echo(json.dumps(report) if as_json else greeting(report))
            sys.stdout.flush()
            supervisor.watch()
        finally:
            supervisor.stop()


def prepare(house: House, *, offline: bool) -> dict[str, str]:
    """Tables, the signed seed and the example site's Tutor root, side by side; all of it safe to repeat.

    Gives the one-time link into the commons.
    """
    with ThreadPoolExecutor() as pool:
        others = [pool.submit(make_tables, house, "site")]
        if not offline:
            others.append(pool.submit(render_tutor_root, house))
        make_tables(house, "commons")
        house.say("signing and publishing the catalogue and the announcements")
        seeded = house.seed("commons", "commons", house.ports.url("commons"))
        for other in others:
            other.result()
    return {"commons": seeded["link"]}


def make_tables(house: House, role: str) -> None:
    """The settings and the database of a role."""
    house.say(f"preparing the {role}")
    lines = [f"{name}={value}" for name, value in house.settings(role).items()]
    text = "\n".join(["# Written by 'sapwood up'; the environment wins over it.", *lines, ""])
    write_atomically(house.var / role / "settings.env", text)
    house.sapwood(role, "migrate")


def finish(house: House, links: dict[str, str]) -> dict[str, Any]:
    """Once the servers answer: pull over HTTP, look at the example site, make the site's sign-in link."""
    for name in asdict(house.ports):
        wait_for(name, getattr(house.ports, name))
    house.say("pulling the channel over HTTP into the site")
    found = house.seed("site", "site", house.ports.url("site"), house.ports.url("channel"))
    links |= {"site": found.pop("link")}
    addresses = {name: house.ports.url(name) for name in asdict(house.ports)}
    return {**addresses, "sign_in": links, **found}


def greeting(report: Mapping[str, Any]) -> str:
    """What a newcomer reads."""
    links = report["sign_in"]
    return (
        f"\n  Site      {report['site']}\n            sign in once: {links['site']}"
        f"\n  Commons   {report['commons']}\n            sign in once: {links['commons']}"
        f"\n  Channel   {report['channel']}\n\n  {report['summary']}"
        "\n  To see an upgrade rehearsed on real Open edX packages, in another terminal: .venv/bin/sapwood upgrade demo"
        "\n  Ctrl-C stops everything; 'make up' goes on where it was.\n"
    )


def children(house: House) -> list[Child]:
    """Two web servers, two workers, and the channel's static files."""
    logs = house.var / "log"
    command = [sys.executable, "-m", "sapwood.config.cli"]
    found = []
    for role in NAMES:
        env, port = house.environment(role), str(getattr(house.ports, role))
        found.append(Child(f"{role} web", [*command, "serve", "--port", port], env, logs / f"{role}-web.log"))
        found.append(Child(f"{role} worker", [*command, "worker"], env, logs / f"{role}-worker.log"))
    folder = str(house.var / "commons" / "channel" / "repository")
    files = [sys.executable, "-m", "sapwood.config.files", folder, str(house.ports.channel)]
    return [*found, Child("channel files", files, house.environment("commons"), logs / "channel-files.log")]


def render_tutor_root(house: House) -> None:
    """The example site's Tutor root, rendered by a real, older Tutor in an environment of its own."""
    folder = house.var / "tutor"
    ready = folder / "ready"
    if ready.exists():
        return
    house.say(f"rendering an example site with {TUTOR_PINS[0]}")
    venv = folder / "venv"
    uv = str(Path(sys.executable).parent / "uv")
    certs = ["--system-certs"] if Path("/etc/ssl/certs/ca-certificates.crt").exists() else []
    strip = ("TUTOR_", "PYTHON", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(strip)}
    env["TUTOR_ROOT"], env["TUTOR_PLUGINS_ROOT"] = str(folder / "root"), str(folder / "plugins")
    hosts = ["--set", "LMS_HOST=learn.riverside.example", "--set", "CMS_HOST=studio.riverside.example"]
    try:
        run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)], env)
        run([uv, "pip", "install", "--quiet", *certs, "--python", str(venv / "bin" / "python"), *TUTOR_PINS], env)
        run([str(venv / "bin" / "tutor"), "config", "save", *hosts], env)
    except StartError as error:
        house.say(f"no example site: {error.message} (the next start tries again)")
        return
    write_atomically(ready, "\n".join(TUTOR_PINS))


def wait_for(name: str, port: int) -> None:
    """Return when something listens on the port; half a minute at most."""
    for _ in range(120):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return
        time.sleep(0.25)
    raise StartError(f"The {name} server does not answer", hint="Look into the files under var/log.")


def choose_ports(var: Path, first: int | None) -> Ports:
    """The ports of last time, or three free ones."""
    path = var / "ports.json"
    if path.exists() and first is None:
        ports = Ports(**json.loads(path.read_text(encoding="utf-8")))
    else:
        start = first or FIRST_PORT
        while first is None and not all(is_free(start + step) for step in range(3)):
            start += 10
        ports = Ports(start, start + 1, start + 2)
    if taken := [port for port in asdict(ports).values() if not is_free(port)]:
        raise ConflictError(f"Port {taken[0]} is in use by another program", hint="Stop it, or use --port.")
    write_atomically(path, json.dumps(asdict(ports)))
    return ports


def is_free(port: int) -> bool:
    """Whether we could listen on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def only_one(var: Path) -> Iterator[None]:
    """Hold the folder, so that two starts do not fight over it."""
    with (var / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConflictError("Sapwood is already running from this folder", hint="Stop it first (Ctrl-C).") from None
        yield


def run(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """Run a program to its end; its output, or a StartError with its last line."""
    try:
        done = subprocess.run(
            argv, env=dict(env), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise StartError(f"{Path(argv[0]).name} cannot be started: {error.strerror}") from error
    if done.returncode:
        last = [*done.stdout.strip().splitlines(), *done.stderr.strip().splitlines()][-1:] or ["no output"]
        words = " ".join(Path(word).name for word in argv[:4])
        raise StartError(f"{words} ended with {done.returncode}: {last[0]}")
    return done.stdout
