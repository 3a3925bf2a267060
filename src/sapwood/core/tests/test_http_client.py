"""The client against real servers on this machine: what it sends, where it connects, which redirects it follows."""

import socket

import pytest

from sapwood.core.http import (
    RefusedAddressError,
    RefusedUrlError,
    Request,
    TooManyRedirectsError,
    UnreachableError,
    WebClient,
)
from sapwood.core.tests.servers import inside, names, redirect_to, reply


@pytest.fixture
def client():
    with WebClient(user_agent="Sapwood/test", resolve=names({})) as client:
        yield client


def test_an_answer_arrives_with_status_headers_body_and_address(serve, client):
    server = serve(reply(b"hello", status="404 Not Found", ETag='"a"'))
    response = client.fetch(inside(server.url("/x?y=1")))
    assert (response.status, response.headers["etag"], response.body) == (404, '"a"', b"hello")
    assert response.url == server.url("/x?y=1")
    assert response.moved_to is None


def test_the_request_says_who_asks_and_wants_no_compression(serve, client):
    server = serve(reply())
    client.fetch(inside(server.url("/feed"), headers={"If-None-Match": '"a"', "Accept-Encoding": "br"}))
    head = server.heads[0].lower()
    assert head.startswith(b"get /feed http/1.1\r\n")
    for line in (
        b"user-agent: sapwood/test",
        b'if-none-match: "a"',
        b"accept-encoding: identity",
        b"host: 127.0.0.1:",
    ):
        assert b"\r\n" + line in head
    assert head.count(b"accept-encoding") == 1


def test_headers_with_bytes_beyond_ascii_are_read_and_repeated_ones_joined(serve, client):
    server = serve(b"HTTP/1.1 200 OK\r\nX-Name: caf\xe9\r\nVary: a\r\nvary: b\r\nContent-Length: 0\r\n\r\n")
    headers = client.fetch(inside(server.url())).headers
    assert (headers["x-name"], headers["VARY"]) == ("caf\xe9", "a, b")
    assert "x-none" not in headers


def test_a_body_is_sent(serve, client):
    received = []

    def script(connection, head):
        received.append(connection.recv(5))
        connection.sendall(reply())

    server = serve(script)
    client.fetch(Request("POST", server.url(), {"content-type": "text/plain"}, b"sap!!", allow_private=True))
    assert received == [b"sap!!"]
    assert b"content-length: 5" in server.heads[0].lower()


def test_without_leave_a_private_server_is_never_contacted(serve, client):
    server = serve(reply())
    with pytest.raises(RefusedUrlError):
        client.fetch(Request("GET", server.url()))
    with pytest.raises(RefusedAddressError):
        client.fetch(Request("GET", server.url().replace("http:", "https:")))
    assert server.connections == 0


def test_a_public_name_that_leads_to_a_private_address_is_refused_before_connecting(serve):
    server = serve(reply())
    with (
        WebClient(user_agent="t", resolve=names({"evil.example": ["127.0.0.1"]})) as client,
        pytest.raises(RefusedAddressError, match=r"127\.0\.0\.1"),
    ):
        client.fetch(Request("GET", f"http://evil.example:{80}/", allow_http=True))
    assert server.connections == 0


def test_the_name_is_looked_up_once_and_the_connection_goes_to_the_checked_address(serve):
    server = serve(reply(b"ok"))
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with WebClient(user_agent="t", resolve=rebinding) as client:
        assert client.fetch(inside(server.url(host="uni.example"))).body == b"ok"
    assert asked == ["uni.example"]
    assert f"host: uni.example:{server.port}".encode() in server.heads[0].lower()


def test_a_connection_is_used_again_under_the_same_leave(serve, client):
    server = serve(reply(b"ok"))
    client.fetch(inside(server.url("/1")))
    client.fetch(inside(server.url("/2")))
    assert server.connections == 1


def test_a_connection_opened_with_leave_is_not_used_without_it(serve):
    server = serve(reply(b"ok", connection="keep-alive"))
    with WebClient(user_agent="t", resolve=names({"uni.example": ["127.0.0.1"]})) as client:
        pools = client._pools
        client.fetch(inside(server.url(host="uni.example")))
        with pytest.raises(RefusedAddressError):
            client.fetch(Request("GET", "http://uni.example/", allow_http=True))
        assert len(pools) == 2


def test_a_second_address_is_tried_when_the_first_does_not_answer(serve):
    server = serve(reply(b"ok"))
    with WebClient(user_agent="t", resolve=names({"uni.example": ["127.0.0.2", "127.0.0.1"]})) as client:
        assert client.fetch(inside(server.url(host="uni.example"))).body == b"ok"


def test_a_host_that_has_only_ipv6_is_reached(serve):
    try:
        server = serve(reply(b"six"), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with WebClient(user_agent="t", resolve=names({"uni.example": ["::1"]})) as client:
        assert client.fetch(inside(server.url(host="uni.example"))).body == b"six"


def test_a_host_that_refuses_connections_is_unreachable(client):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(UnreachableError) as caught:
        client.fetch(inside(f"http://127.0.0.1:{port}/"))
    assert caught.value.code == "http.unreachable"


def test_a_name_that_nobody_knows_is_unreachable(client):
    with pytest.raises(UnreachableError, match="no address"):
        client.fetch(Request("GET", "https://nowhere.example/"))


# Redirects


def test_a_redirect_is_followed_and_a_permanent_one_is_noted(serve, client):
    def script(connection, head):
        path = head.split()[1]
        moved = {b"/old": redirect_to("/new", "301 Moved Permanently"), b"/new": redirect_to("/now")}
        connection.sendall(moved.get(path, reply(b"here")))

    server = serve(script)
    response = client.fetch(inside(server.url("/old")))
    assert (response.body, response.url) == (b"here", server.url("/now"))
    assert response.moved_to == server.url("/new")


def test_a_redirect_into_a_private_network_is_refused(serve):
    inner = serve(reply(b"secret"))
    outer = serve(redirect_to(inner.url("/", host="127.0.0.1")))
    table = {"uni.example": ["127.0.0.1"]}
    with (
        WebClient(user_agent="t", resolve=names(table)) as client,
        pytest.raises((RefusedUrlError, RefusedAddressError)),
    ):
        client.fetch(inside(outer.url(host="uni.example")))
    assert inner.connections == 0


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "http://169.254.169.254/", "https://[::1]/", "https://u:p@example.org/", "https://2130706433/",
     "gopher://example.org/", "http://:0/", "//127.0.0.2/", "https://example.org:22/"],
)  # fmt: skip
def test_a_redirect_is_judged_like_a_typed_address(serve, client, location):
    server = serve(redirect_to(location))
    with pytest.raises((RefusedUrlError, RefusedAddressError)):
        client.fetch(inside(server.url()))


def test_a_private_host_cannot_send_the_request_to_its_other_ports(serve, client):
    other = serve(reply(b"redis"))
    server = serve(redirect_to(other.url()))
    with pytest.raises(RefusedUrlError, match="another port"):
        client.fetch(inside(server.url()))
    assert other.connections == 0


def test_an_endless_redirect_ends(serve, client):
    server = serve(redirect_to("/again"))
    with pytest.raises(TooManyRedirectsError):
        client.fetch(inside(server.url()))
    assert len(server.heads) == 6


def test_a_post_is_never_repeated_elsewhere(serve, client):
    server = serve(redirect_to("/elsewhere", "307 Temporary Redirect"))
    response = client.fetch(Request("POST", server.url(), allow_private=True))
    assert response.status == 307
    assert len(server.heads) == 1


def test_credentials_stay_behind_when_a_redirect_leaves_the_host():
    from sapwood.core.http.addresses import Leave, judge_url
    from sapwood.core.http.client import _follow

    start = judge_url("https://uni.example/feed", Leave())
    sent = {
        "authorization": "Bearer x",
        "cookie": "a",
        "x-api-key": "k",
        "accept": "*/*",
        "if-none-match": "e",
    }
    _, _, same = _follow(start, start, "/other", Leave(), sent)
    assert same == sent
    _, _, elsewhere = _follow(start, start, "https://cdn.example/feed", Leave(), sent)
    assert elsewhere == {"accept": "*/*", "if-none-match": "e"}


def test_leave_ends_where_a_redirect_leaves_the_host():
    from sapwood.core.http.addresses import Leave, judge_url
    from sapwood.core.http.client import _follow

    start = judge_url("https://uni.example/feed", Leave(private=True))
    away, leave, _ = _follow(start, start, "https://elsewhere.example/", Leave(private=True), {})
    assert leave == Leave()
    _, back, _ = _follow(start, away, "https://uni.example/", leave, {})
    assert back == Leave()


def test_a_redirect_from_https_back_to_http_is_refused():
    from sapwood.core.http.addresses import Leave, judge_url
    from sapwood.core.http.client import _follow

    start = judge_url("https://uni.example/feed", Leave(http=True))
    with pytest.raises(RefusedUrlError, match="back to http"):
        _follow(start, start, "http://uni.example/feed", Leave(http=True), {})
