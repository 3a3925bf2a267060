"""Packs, and a site to look at behind a socket."""

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace

import pytest

from sapwood.site.checks import api
from sapwood.site.checks.tests.packs import Packs


@pytest.fixture
def packs(tmp_path, monkeypatch):
    made = Packs(tmp_path / "environment")
    monkeypatch.setenv("SAPWOOD_PACKS", str(made.folder))
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    return made


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        body = json.dumps({"path": self.path, "host": self.headers["host"]}).encode()
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "https://elsewhere.example/")
        else:
            self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *given):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self):
        return super().get_request()[0], ("pack", 0)


@pytest.fixture
def shadow(tmp_path):
    """A shadow's application, on a socket; `run` has a pack look at it."""
    (tmp_path / "served").mkdir()
    place = tmp_path / "served" / "http"
    server = Server(str(place), Handler)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    secret = tmp_path / "campus"
    secret.mkdir()
    (secret / "campus.toml").write_text("password")
    target = api.Target("http://campus.example", place, shadow=True, hidden=(secret,))

    def run(*names, highest=api.Safety.S3, **given):
        return api.run(
            api.require_packs(names), target, highest=highest, scratch=tmp_path / "var" / "site" / "scratch", **given
        )

    yield SimpleNamespace(asked=server.asked, run=run, target=target, secret=secret)
    server.shutdown()
    server.server_close()
