"""The client against servers that send too much, too slowly or nonsense."""

import gzip
import threading

import pytest

from sapwood.core.http import (
    BadResponseError,
    Request,
    TooLargeError,
    TooSlowError,
    WebClient,
)
from sapwood.core.tests.servers import Script, inside, names, redirect_to, reply


@pytest.fixture
def client():
    with WebClient(user_agent="Sapwood/test", resolve=names({})) as client:
        yield client


def test_a_body_that_announces_too_much_is_refused_at_once(serve, client):
    server = serve(reply(b"", content_length="5000000000"))
    with pytest.raises(TooLargeError):
        client.fetch(inside(server.url(), max_bytes=1000))


def test_an_endless_body_is_cut_off(serve, client):
    def script(connection, head):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 10000)

    with pytest.raises(TooLargeError):
        client.fetch(inside(serve(script).url(), max_bytes=100_000))


def test_a_body_of_exactly_the_allowed_size_is_whole(serve, client):
    server = serve(reply(b"x" * 1000))
    assert len(client.fetch(inside(server.url(), max_bytes=1000)).body) == 1000


def test_a_gzip_bomb_is_cut_off_at_the_allowed_size(serve, client):
    bomb = gzip.compress(bytes(50_000_000), mtime=0)
    server = serve(reply(bomb, content_encoding="gzip"))
    with pytest.raises(TooLargeError):
        client.fetch(inside(server.url(), max_bytes=100_000))


def test_an_answer_that_is_compressed_unasked_is_read(serve, client):
    text = b"sap " * 100_000
    server = serve(reply(gzip.compress(text, mtime=0), content_encoding="gzip"))
    assert client.fetch(inside(server.url())).body == text


@pytest.mark.parametrize("body", [gzip.compress(b"sap" * 1000, mtime=0)[:-20], b"not gzip at all"])
def test_a_damaged_compressed_answer_is_refused(serve, client, body):
    server = serve(reply(body, content_encoding="gzip"))
    with pytest.raises(BadResponseError):
        client.fetch(inside(server.url()))


def test_an_encoding_that_nobody_asked_for_is_refused(serve, client):
    server = serve(reply(b"x", content_encoding="br"))
    with pytest.raises(BadResponseError):
        client.fetch(inside(server.url()))


def test_a_body_shorter_than_announced_is_refused(serve, client):
    def script(connection, head):
        connection.sendall(reply(b"half", content_length="8"))
        raise EOFError

    with pytest.raises(BadResponseError):
        client.fetch(inside(serve(script).url()))


@pytest.mark.parametrize(
    "answer", [b"\x00\xff garbage\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"",
               b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
               b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
)  # fmt: skip
def test_an_answer_that_is_not_http_is_refused(serve, client, answer):
    def script(connection, head):
        connection.sendall(answer)
        raise EOFError

    with pytest.raises(BadResponseError) as caught:
        client.fetch(inside(serve(script).url()))
    assert "\n" not in caught.value.message


def test_endless_headers_are_refused(serve, client):
    def script(connection, head):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-More: " + b"x" * 8000 + b"\r\n")

    with pytest.raises(BadResponseError):
        client.fetch(inside(serve(script).url()))


def drip(part: bytes, pause: threading.Event) -> Script:
    def script(connection, head):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" if b"body" in head else b"")
        while not pause.wait(0.02):
            connection.sendall(part)

    return script


@pytest.mark.parametrize("path", ["/body", "/headers"])
def test_a_server_that_drips_is_cut_off_at_the_deadline(serve, client, path):
    over = threading.Event()
    server = serve(drip(b"x", over))
    with pytest.raises(TooSlowError):
        client.fetch(inside(server.url(path), timeout_s=0.3))
    over.set()


def test_each_request_on_a_reused_connection_has_its_own_deadline(serve, client):
    over = threading.Event()

    def script(connection, head):
        if b"/slow" in head:
            drip(b"x", over)(connection, b"/body")
        connection.sendall(reply(b"fast"))

    server = serve(script)
    client.fetch(inside(server.url("/fast"), timeout_s=60))
    with pytest.raises(TooSlowError):
        client.fetch(inside(server.url("/slow"), timeout_s=0.3))
    over.set()
    assert server.connections == 1


def test_a_silent_server_is_too_slow(serve, client):
    over = threading.Event()
    server = serve(lambda connection, head: over.wait(10) and None)
    with pytest.raises(TooSlowError):
        client.fetch(inside(server.url(), timeout_s=0.2))
    over.set()


def test_a_hanging_name_server_is_too_slow():
    over = threading.Event()
    with (
        WebClient(user_agent="t", resolve=lambda host, port: over.wait(10) and []) as client,
        pytest.raises(TooSlowError),
    ):
        client.fetch(Request("GET", "https://example.org/", timeout_s=0.1))
    over.set()


def test_redirects_share_one_deadline(serve, client):
    over = threading.Event()

    def script(connection, head):
        over.wait(0.15)
        connection.sendall(redirect_to("/again"))

    server = serve(script)
    with pytest.raises(TooSlowError):
        client.fetch(inside(server.url(), timeout_s=0.4))
    over.set()


def test_an_error_of_the_reader_of_a_stream_is_not_dressed_up_as_a_network_error(serve, client):
    server = serve(reply(b"x" * 10))

    def keep(chunk):
        raise OSError("disk full")

    def read():
        with client.stream(inside(server.url())) as streamed:
            for chunk in streamed:
                keep(chunk)

    with pytest.raises(OSError, match="disk full"):
        read()


def test_a_stream_that_is_left_early_leaves_the_client_usable(serve, client):
    server = serve(reply(b"x" * 200_000))
    with client.stream(inside(server.url())) as streamed:
        assert streamed.status == 200
        next(iter(streamed))
    assert len(client.fetch(inside(server.url())).body) == 200_000
