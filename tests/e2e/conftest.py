"""A whole house: a commons, a site, their workers and the channel's files, as `make up` starts them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sapwood.console.tests.browser import browser  # noqa: F401 - a fixture

ROOT = Path(__file__).resolve().parent.parent.parent
SAPWOOD = [sys.executable, "-m", "sapwood.config.cli"]


def free_ports() -> int:
    """The first of three neighbouring free ports."""
    for _ in range(50):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1]
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for step in range(3):
                other = stack.enter_context(socket.socket())
                other.bind(("127.0.0.1", first + step))
            return first
    raise RuntimeError("no three free ports")


def pytest_collection_modifyitems(items):
    """To start the house costs more than most tests in it: one worker has it, and all its tests."""
    for item in items:
        if "house" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("house"))


class House:
    """What `sapwood up` started, and a way to run commands beside it."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.port = free_ports()
        self.process: subprocess.Popen[str] | None = None
        self.report: dict = {}

    def start(self, *options: str) -> dict:
        self.process = subprocess.Popen(
            [*SAPWOOD, "up", "--json", "--port", str(self.port), *options],
            env=self.env(None),
            stdout=subprocess.PIPE,
            stderr=(self.var / "up.err").open("w"),
            text=True,
            start_new_session=True,
        )
        line = self.process.stdout.readline()
        assert line, (self.var / "up.err").read_text()
        self.report = json.loads(line)
        return self.report

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)
        if self.process and self.process.stdout:
            self.process.stdout.close()
        self.process = None

    def env(self, role: str | None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAPWOOD_", "DJANGO_"))}
        more = {"SAPWOOD_ROLE": role} if role else {}
        return {**kept, "SAPWOOD_VAR": str(self.var), **more}

    def run(self, *arguments: str, role: str | None = None, expect: int = 0) -> dict | list:
        done = subprocess.run(
            [*SAPWOOD, *arguments, "--json"], check=False, env=self.env(role), capture_output=True, text=True
        )
        assert done.returncode == expect, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def house(tmp_path_factory):
    """One house for the whole run. While writing tests, E2E_HOUSE=<its var folder> uses one that runs already."""
    if running := os.environ.get("E2E_HOUSE"):
        built = House(Path(running))
        ports = json.loads((built.var / "ports.json").read_text())
        built.report = {name: f"http://localhost:{port}" for name, port in ports.items()}
        yield built
        return
    built = House(tmp_path_factory.mktemp("house"))
    built.start()
    yield built
    built.stop()
