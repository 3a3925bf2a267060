"""The kit by itself: what it gives to a check, what it refuses, what it says."""

import ast
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sapwood_checks import OutsideError, Site
from sapwood_checks.data import scrubbed

KIT = Path(__file__).parents[1] / "src"

CHECK = """
import pytest
@pytest.mark.check(id="CAMPUS-001", use_case="front page")
def test_front(site):
    assert site.get("/").text == "hello"
"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302 if self.path == "/below/moved" else 200)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *given):
        pass


@pytest.fixture
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def pytest_in(folder, *words):
    env = {**os.environ, "PYTHONPATH": str(KIT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    options = ["-p", "sapwood_checks.plugin", "-p", "no:cacheprovider", "-c", os.devnull]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_whoever_writes_a_pack_tries_it_with_pytest(tmp_path, address):
    (tmp_path / "test_site.py").write_text(CHECK)
    done = pytest_in(tmp_path, "--site-url", address)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert "1 skipped" in pytest_in(tmp_path).stdout  # without a site there is nothing to look at


def test_a_test_that_is_no_check_is_refused(tmp_path, address):
    (tmp_path / "test_site.py").write_text(CHECK + "def test_more(): pass\n")
    done = pytest_in(tmp_path, "--site-url", address)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "test_more: it has no marker check(id=…)" in done.stderr


def test_events_are_json_lines_and_prints_are_not(tmp_path, address):
    (tmp_path / "campus_checks.py").write_text("print('read')\n" + CHECK.replace("hello", "good bye"))
    request = {"module": "campus_checks", "base_url": address, "offers": [], "scratch": str(tmp_path)}
    (tmp_path / "request.json").write_text(json.dumps(request))
    (tmp_path / "lines").touch()
    env = {**os.environ, "PYTHONPATH": f"{KIT}:{tmp_path}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "sapwood_checks", "request.json", str(tmp_path / "lines")]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    start, begun, result, end = map(json.loads, (tmp_path / "lines").read_text().splitlines())
    assert start == {"event": "start", "checks": 1}
    assert begun == {"event": "begun", "id": "CAMPUS-001"}
    assert result.pop("seconds") >= 0
    assert result == {
        "event": "result", "id": "CAMPUS-001", "verdict": "fail", "detail": "assert '…' == '…'",
        "use_case": "front page", "safety": "S0", "owner": "", "covers": [],
    }  # fmt: skip
    assert end == {"event": "end", "checks": 1}


@pytest.mark.parametrize(
    "path",
    [
        "https://elsewhere.example/", "//elsewhere.example/", "http://127.0.0.1:1/below/", "/../above", "nowhere",
        "http://u@127.0.0.1/below/", "file:///etc/passwd", "",
    ],
)  # fmt: skip
def test_the_client_stays_at_its_address(path):
    with pytest.raises(OutsideError):
        Site("http://127.0.0.1/below").get(path)


def test_a_redirect_out_of_the_address_is_not_followed(address):
    site = Site(f"{address}/below")
    assert site.get("/moved").status == 302
    with pytest.raises(OutsideError):
        site.get("/moved", follow=True)
    assert site.get(f"{address}/below/x").text == "hello"


@pytest.mark.parametrize("address_", ["campus.example", "ftp://campus.example", "https://campus.example/?x"])
def test_an_address_that_is_none_is_refused(address_):
    with pytest.raises(ValueError, match="the address of a site"):
        Site(address_)


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        ("assert 'Dave' == \"Carol\"\nmore", "assert '…' == \"…\""),
        ("mysql://root:x@db is gone", "mysql://…@db is gone"),
        ("dave@riverside.example", "…@…"),
        ("key 0123456789abcdef0123456789abcdef", "key …"),
        ("/api/courses/v1/courses/ answers 500", "/api/courses/v1/courses/ answers 500"),
        ("\x1b[31mred", " [31mred"),
    ],
)
def test_words_lose_what_may_be_data_about_people(words, plain):
    assert scrubbed(words) == plain


def test_the_kit_imports_pytest_and_nothing_else():
    for path in (KIT / "sapwood_checks").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                top = name.split(".")[0]
                assert top in {"pytest", "sapwood_checks"} or top in sys.stdlib_module_names, f"{path.name}: {name}"
