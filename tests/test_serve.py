"""The web server behind a proxy: what it says about the reader counts exactly when the proxy is trusted."""

import http.client
import json
import threading

import pytest
from waitress.server import create_server

from sapwood.config.serve import server_options


def echo(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    names = ("wsgi.url_scheme", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_FOR", "REMOTE_ADDR")
    return [json.dumps({name: environ.get(name) for name in names}).encode()]


@pytest.fixture
def ask():
    servers = []

    def send(*, trust_proxy):
        server = create_server(echo, host="127.0.0.1", port=0, threads=1, **server_options(trust_proxy=trust_proxy))
        servers.append(server)
        threading.Thread(target=server.run, daemon=True).start()
        connection = http.client.HTTPConnection("127.0.0.1", server.effective_port, timeout=10)
        connection.request("GET", "/", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"})
        seen = json.loads(connection.getresponse().read())
        connection.close()
        return seen

    yield send
    for server in servers:
        server.close()


def test_a_trusted_proxy_says_that_the_reader_came_by_tls_and_from_where(ask):
    seen = ask(trust_proxy=True)
    assert (seen["wsgi.url_scheme"], seen["HTTP_X_FORWARDED_PROTO"]) == ("https", "https")
    assert seen["HTTP_X_FORWARDED_FOR"] == "203.0.113.9"


def test_without_a_trusted_proxy_nobody_can_say_so(ask):
    seen = ask(trust_proxy=False)
    assert seen["wsgi.url_scheme"] == "http"
    assert seen["HTTP_X_FORWARDED_PROTO"] is None
    assert seen["HTTP_X_FORWARDED_FOR"] is None
    assert seen["REMOTE_ADDR"] == "127.0.0.1"
