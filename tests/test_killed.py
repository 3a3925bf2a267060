"""A web server, a worker and commands, killed at each write or on a full disk: nothing half done, lost or doubled."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def drivers(tmp_path_factory):
    """One process for each role, started when it is first needed: setting up costs more than what is looked at."""
    running = {}

    def start(role):
        var = tmp_path_factory.mktemp(role) / "var"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAPWOOD_", "DJANGO_"))}
        more = {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))), "DATABASE_URL": ""}
        return subprocess.Popen(
            [sys.executable, "-m", f"tests.killing.{role}"],
            env={**kept, **more, "SAPWOOD_ROLE": role, "SAPWOOD_VAR": str(var)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def driver(role):
        if role not in running:
            running[role] = start(role)
        return running[role]

    yield driver
    for process in running.values():
        process.communicate()


@pytest.mark.parametrize("door", ["web", "subscription", "worker", "commands", "full_disk"])
def test_a_site_at(drivers, door):
    ask(drivers("site"), door)


@pytest.mark.parametrize("door", ["folder", "feed", "catalogue", "full_disk"])
def test_a_commons_at(drivers, door):
    ask(drivers("commons"), door)


def ask(driver, door):
    driver.stdin.write(f"{door}\n")
    driver.stdin.flush()
    line = driver.stdout.readline()
    assert line, "the driver died; what it said stands above"
    answer = json.loads(line)
    print(answer["said"])
    assert answer["good"], answer["said"]
