"""The gate before a live site: a Unix socket that lets requests which only read through to one address.

A pack runs without a network; what it asks for goes through here, or nowhere. Signed out and reading: GET, HEAD and
OPTIONS, without a body, with a few harmless headers, below the address.
"""

import contextlib
import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from typing_extensions import override

from sapwood.core.http.data import HttpClient, Request
from sapwood.core.http.errors import NetworkError

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LET_THROUGH: Final = frozenset(
    {"accept", "accept-language", "if-modified-since", "if-none-match", "range", "user-agent"}
)
KEPT_BACK: Final = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})
ANSWER_S: Final = 30.0
MAX_ANSWER_BYTES: Final = 20_000_000
MAX_REFUSALS: Final = 50


class Gate:
    """What went through and what was refused."""

    def __init__(self, base_url: str, client: HttpClient) -> None:
        self.base_url, self.client = base_url.rstrip("/"), client
        self.parts = urlsplit(self.base_url)
        self.allowed, self.refused, self.refusals = 0, 0, list[str]()
        self.lock = threading.Lock()

    def judge(self, method: str, path: str, *, body: bool) -> str:
        """Why a request may not pass; nothing where it may. Every request is counted."""
        below, plain = f"{self.parts.path}/", unquote(unquote(path.partition("?")[0]))
        why = ""
        if method not in READING:
            why = "it does not only read"
        elif body:
            why = "it has a body"
        elif not path.startswith("/") or not f"{plain}/".startswith(below):
            why = "it is of another place"
        elif "//" in plain or "\\" in plain or ".." in plain.split("/") or not plain.isprintable():
            why = "its path is not plain"
        with self.lock:
            self.allowed += not why
            self.refused += bool(why)
            if why and len(self.refusals) < MAX_REFUSALS:
                self.refusals.append(f"{method[:10]} {plain[:100]}: {why}")
        return why


@contextlib.contextmanager
def opened(base_url: str, folder: Path, client: HttpClient) -> Iterator[tuple[Path, Gate]]:
    """The gate's socket, in a folder of its own, as long as the block lasts."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    place, gate = folder / "gate", Gate(base_url, client)
    with contextlib.suppress(FileNotFoundError):
        place.unlink()
    server = _Server(place, gate)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield place, gate
    finally:
        server.shutdown()
        server.server_close()
        place.unlink(missing_ok=True)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, place: Path, gate: Gate) -> None:
        self.gate = gate
        # The name of a socket may have 107 bytes; by way of its folder the path may be as long as it likes.
        folder = os.open(place.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            super().__init__(f"/proc/self/fd/{folder}/{place.name}", _Handler)
        finally:
            os.close(folder)

    @override
    def get_request(self) -> tuple[socket.socket, Any]:
        accepted, _address = super().get_request()
        return accepted, ("pack", 0)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A pack that goes away in the middle is no event."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = ANSWER_S

    def _pass(self) -> None:
        gate = self.server.gate
        body = self.headers.get("content-length", "0") != "0" or "transfer-encoding" in self.headers
        if why := gate.judge(self.command, self.path, body=body):
            self._answer(403, {"content-type": "text/plain"}, f"refused by the gate: {why}".encode())
            return
        host = f"{gate.parts.scheme}://{gate.parts.netloc}"
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() in LET_THROUGH}
        request = Request(
            self.command,
            host + self.path,
            headers,
            max_bytes=MAX_ANSWER_BYTES,
            timeout_s=ANSWER_S,
            allow_private=True,
            allow_http=gate.parts.scheme == "http",
            follow_redirects=None,
        )
        try:
            answer = gate.client.fetch(request)
        except NetworkError as error:
            self._answer(502, {"content-type": "text/plain"}, f"no answer: {error.message}".encode())
            return
        kept = {name: value for name, value in answer.headers.items() if name not in KEPT_BACK}
        self._answer(answer.status, kept, answer.body)

    do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815 - http.server's names

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = True

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """The gate counts; it writes no log."""
