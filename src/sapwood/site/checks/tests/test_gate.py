"""The gate before a live site: what reads goes through, whatever a pack asks for else does not."""

import http.client
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from sapwood.core.http.client import WebClient
from sapwood.site.checks import api


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        length = int(self.headers.get("content-length", 0))
        self.server.asked.append((self.command, self.path, {name.lower() for name in self.headers}, length))
        self.send_response(302 if self.path.endswith("/moved") else 200)
        self.send_header("Location", "/campus/elsewhere")
        self.send_header("Content-Length", "5")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"hello")

    do_HEAD = do_POST = do_OPTIONS = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *given):
        pass


class Connection(http.client.HTTPConnection):
    def __init__(self, place):
        super().__init__("localhost", timeout=30)
        self.place = place

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.place))


@pytest.fixture
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def gate(site, tmp_path):
    client = WebClient(user_agent="Sapwood/test")
    with api.gate(f"http://127.0.0.1:{site.server_port}/campus", tmp_path / "gate", client) as (place, counted):

        def ask(method, path, body=None, **headers):
            connection = Connection(place)
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, names)
            answer = connection.getresponse()
            found = answer.status, answer.read(), dict(answer.getheaders())
            connection.close()
            return found

        yield SimpleNamespace(ask=ask, counted=counted, asked=site.asked)
    assert not place.exists()


def test_what_reads_goes_through_and_is_counted(gate):
    assert gate.ask("GET", "/campus/courses?page=2", User_Agent="Sapwood-Checks/0.1")[:2] == (200, b"hello")
    assert gate.ask("HEAD", "/campus")[:2] == (200, b"")
    assert gate.ask("OPTIONS", "/campus/")[0] == 200
    status, _body, headers = gate.ask("GET", "/campus/moved")
    assert (status, headers["location"]) == (302, "/campus/elsewhere")
    assert [(method, path) for method, path, *_ in gate.asked] == [
        ("GET", "/campus/courses?page=2"), ("HEAD", "/campus"), ("OPTIONS", "/campus/"), ("GET", "/campus/moved"),
    ]  # fmt: skip
    assert (gate.counted.allowed, gate.counted.refused) == (4, 0)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/campus/courses", b""),
        ("DELETE", "/campus/courses", None),
        ("GET", "/campus/courses", b"hidden"),
        ("GET", "/", None),
        ("GET", "/campusother", None),
        ("GET", "/campus/../admin", None),
        ("GET", "/campus/%2e%2e/admin", None),
        ("GET", "/campus/%252e%252e/admin", None),
        ("GET", "/campus//admin", None),
        ("GET", "/campus/..\\admin", None),
        ("GET", "http://elsewhere.example/campus/", None),
        ("GET", "@elsewhere.example/campus/", None),
        ("GET", "/campus/a%0d%0ab", None),
    ],
)
def test_everything_else_is_refused_and_named(gate, method, path, body):
    status, words, _headers = gate.ask(method, path, body)
    assert (status, words[:20]) == (403, b"refused by the gate:")
    assert gate.asked == []
    assert (gate.counted.allowed, gate.counted.refused, len(gate.counted.refusals)) == (0, 1, 1)


def test_no_header_that_names_somebody_or_overrides_the_method_goes_through(gate):
    own = {"Cookie": "sessionid=1", "Authorization": "Bearer x", "Host": "elsewhere.example"}
    over = {"X_HTTP_Method_Override": "DELETE", "X_Forwarded_Host": "elsewhere.example"}
    gate.ask("GET", "/campus/", Accept="text/html", **own, **over)
    [(_method, _path, names, _length)] = gate.asked
    assert names == {"host", "user-agent", "accept", "accept-encoding"}


def test_a_site_that_does_not_answer_is_a_bad_gateway(gate, site):
    site.shutdown()
    site.server_close()
    status, words, _headers = gate.ask("GET", "/campus/")
    assert (status, words[:10]) == (502, b"no answer:")
