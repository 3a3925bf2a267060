"""The executable that the public TUF conformance suite drives keeps that suite's promises here, too.

The suite itself is run by hand: `pytest tuf_conformance --entrypoint tests/contract/tuf-client`.
"""

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.simulator import SimulatedCommons, key
from tuf.api.metadata import TargetFile, Targets

from sapwood.core.http import Request

CLIENT = Path(__file__).parent / "tuf-client"
pytestmark = [pytest.mark.contract, pytest.mark.slow]


class Served:
    """A simulated commons behind a real port, and one run of the client after the other."""

    def __init__(self, commons, folder):
        self.commons = commons
        self.metadata = folder / "metadata"
        self.targets = folder / "targets"
        for path in (self.metadata, self.targets):
            path.mkdir()
        (folder / "root.json").write_bytes(commons.first_root)
        self.trusted_root = folder / "root.json"
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        commons.url = self.address
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def _handler(self):
        commons = self.commons

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                response = commons.fetch(Request("GET", commons.url + self.path))
                self.send_response(response.status)
                self.send_header("content-length", str(len(response.body)))
                self.end_headers()
                self.wfile.write(response.body)

            def log_message(self, *args):
                pass

        return Handler

    def run(self, *arguments):
        command = [str(CLIENT), "--metadata-dir", str(self.metadata), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def init(self):
        return self.run("init", str(self.trusted_root))

    def refresh(self):
        return self.run("--metadata-url", f"{self.address}/metadata", "refresh")

    def download(self, *names):
        chosen = [part for name in names for part in ("--target-name", name)]
        places = ["--target-base-url", f"{self.address}/targets", "--target-dir", str(self.targets)]
        return self.run("--metadata-url", f"{self.address}/metadata", *chosen, *places, "download")

    def trusted(self, role):
        return (self.metadata / f"{role}.json").read_bytes()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def served(tmp_path):
    import datetime as dt

    from sapwood.core.clock import system_clock

    # The executable takes the real clock, so the simulated commons lives now.
    commons = SimulatedCommons(now=system_clock().now().replace(microsecond=0) - dt.timedelta(minutes=1))
    found = Served(commons, tmp_path)
    yield found
    found.close()


def add_target(commons, role, path, content):
    target = commons.serve(path, content)
    commons.roles[role].targets[path] = TargetFile(target.length, target.hashes, path)


def test_init_trusts_the_given_root_and_asks_nobody(served):
    assert served.init().returncode == 0
    assert served.trusted("root") == served.commons.first_root
    assert served.commons.asked == []


def test_refresh_leaves_the_served_bytes_under_unversioned_names(served):
    served.init()
    assert served.refresh().returncode == 0
    files = served.commons.files
    assert served.trusted("timestamp") == files["metadata/timestamp.json"]
    assert served.trusted("snapshot") == files["metadata/1.snapshot.json"]
    assert served.trusted("targets") == files["metadata/1.targets.json"]
    assert sorted(path.name for path in served.metadata.iterdir()) == [
        "root.json",
        "snapshot.json",
        "targets.json",
        "timestamp.json",
    ]


def test_refresh_exits_with_1_and_one_line_when_something_does_not_verify(served):
    served.init()
    served.commons.files["metadata/timestamp.json"] = b"{}"
    done = served.refresh()
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_target_that_is_there_already_is_not_fetched_again(served):
    add_target(served.commons, "targets", "folder/file.txt", b"hello")
    served.commons.commit("targets")
    served.init()
    assert served.download("folder/file.txt").returncode == 0
    assert [path.read_bytes() for path in served.targets.iterdir()] == [b"hello"]
    before = len(served.commons.asked)
    assert served.download("folder/file.txt").returncode == 0
    assert not [url for url in served.commons.asked[before:] if "/targets/" in url]


def test_download_goes_in_order_and_stops_at_the_first_failure(served):
    for name in ("a.txt", "c.txt"):
        add_target(served.commons, "targets", name, name.encode())
    served.commons.commit("targets")
    served.init()
    assert served.download("a.txt", "b.txt", "c.txt").returncode == 1
    assert [path.read_bytes() for path in served.targets.iterdir()] == [b"a.txt"]


def test_a_role_verified_through_one_delegator_lends_nothing_to_another(served):
    commons = served.commons
    for parent, folder in (("parent-a", "team-a"), ("parent-b", "team-b")):
        commons.roles[parent] = Targets(1, expires=commons.roles["targets"].expires)
        commons.signers[parent] = [key(parent)]
        commons.delegate("targets", parent, [f"{folder}/*"], [key(parent)])
        commons.delegate(parent, "shared", [f"{folder}/*"], [key(f"shared-by-{parent}")])
    commons.roles["shared"] = Targets(1, expires=commons.roles["targets"].expires)
    commons.signers["shared"] = [key("shared-by-parent-a")]
    add_target(commons, "shared", "team-a/file.txt", b"trusted by a")
    add_target(commons, "shared", "team-b/file.txt", b"never trusted by b")
    commons.commit("shared", "parent-a", "parent-b", "targets")
    served.init()
    assert served.download("team-a/file.txt", "team-b/file.txt").returncode == 1
    assert [path.read_bytes() for path in served.targets.iterdir()] == [b"trusted by a"]
