"""Killing things: nothing is lost, nothing is doubled, and the next start goes on."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


def children(pid: int) -> dict[str, int]:
    """The processes below one, by the word that names them."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            try:
                words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
                role = Path(f"/proc/{child}/environ").read_bytes().decode().split("SAPWOOD_ROLE=")[1].split("\0")[0]
            except (OSError, IndexError):
                continue  # it has just died, or is just being born
            kind = "files" if "sapwood.config.files" in words else words[3]
            found[f"{role} {kind}"] = int(child)
    return found


def until(condition, seconds: float = 30.0) -> None:
    for _ in range(int(seconds / 0.2)):
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError("it did not happen")


@pytest.mark.slow
def test_a_second_start_keeps_everything_and_a_killed_one_leaves_nothing_running(tmp_path_factory):
    from tests.e2e.conftest import House

    house = House(tmp_path_factory.mktemp("second"))
    first = house.start("--offline")
    try:
        items = {item["publication"]: item for item in house.run("inbox", "list", "--tab", "all", role="site")["items"]}
        assert len(items) >= 6
        chosen = next(item for item in items.values() if item["kind"] == "news")
        house.run("inbox", "approve", str(chosen["id"]), role="site")
        pids = children(house.process.pid)
        assert len(pids) == 5
        house.stop(signal.SIGKILL)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids.values()))
        again = house.start("--offline")
        assert (again["site"], again["commons"]) == (first["site"], first["commons"])
        kept = {item["publication"]: item for item in house.run("inbox", "list", "--tab", "all", role="site")["items"]}
        assert kept.keys() == items.keys()
        assert kept[chosen["publication"]]["decision"].upper() == "APPROVED"
        house.run("audit", "verify", role="site")
        house.run("audit", "verify", role="commons")
    finally:
        house.stop()


def test_a_killed_web_server_or_worker_comes_back(house):
    import urllib.request

    before = children(house.process.pid)
    killed = ("site serve", "site worker")
    for name in killed:
        os.kill(before[name], signal.SIGKILL)

    def others_stand_there() -> bool:
        after = children(house.process.pid)
        return after.keys() == before.keys() and all(after[name] != before[name] for name in killed)

    until(others_stand_there)

    def answers() -> bool:
        try:
            return urllib.request.urlopen(f"{house.report['site']}/announcements/", timeout=5).status == 200
        except OSError:
            return False

    until(answers)


def test_a_second_start_from_the_same_folder_is_refused_in_one_line(house):
    refused = house.run("up", expect=1)
    assert refused["error"]["code"] == "core.conflict"


def test_a_port_that_another_program_holds_is_named_before_anything_starts(tmp_path):
    from tests.e2e.conftest import House

    house = House(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", house.port + 1))
        other.listen()
        refused = house.run("up", "--port", str(house.port), expect=1)
    assert str(house.port + 1) in refused["error"]["message"]


def test_wrong_words_are_a_usage_error_and_never_a_traceback(house):
    for words in (["nope"], ["inbox", "approve"], ["inbox", "show", "999999"], ["catalogue", "path", "x", "y"]):
        import subprocess
        import sys

        done = subprocess.run(
            [sys.executable, "-m", "sapwood.config.cli", *words],
            check=False,
            env=house.env(None),
            capture_output=True,
            text=True,
        )
        assert done.returncode in {1, 2}, words
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
