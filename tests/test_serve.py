"""The web server behind a proxy: what it says about the reader counts exactly when the proxy is trusted."""

import http.client
import json
import threading

import pytest
from waitress import wasyncore
from waitress.server import create_server

from sapwood.config.serve import server_options


def echo(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    names = ("wsgi.url_scheme", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_FOR", "REMOTE_ADDR")
    return [json.dumps({name: environ.get(name) for name in names}).encode()]


@pytest.fixture
def ask():
    """One request to a server of its own; the thread that waits on its sockets is the one that closes them."""
    done, threads = threading.Event(), []

    def serve(server, sockets):
        while not done.is_set():
            wasyncore.loop(timeout=0.05, map=sockets, count=1)
        server.task_dispatcher.shutdown()
        wasyncore.close_all(sockets)

    def send(*, trust_proxy):
        sockets = {}
        options = server_options(trust_proxy=trust_proxy)
        server = create_server(echo, map=sockets, host="127.0.0.1", port=0, threads=1, **options)
        threads.append(threading.Thread(target=serve, args=(server, sockets), daemon=True))
        threads[-1].start()
        connection = http.client.HTTPConnection("127.0.0.1", server.effective_port, timeout=10)
        connection.request("GET", "/", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"})
        seen = json.loads(connection.getresponse().read())
        connection.close()
        return seen

    yield send
    done.set()
    for thread in threads:
        thread.join(10)


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
