"""The client against real servers on this machine, each as badly behaved as a test needs."""

import datetime as dt
import gzip
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sapwood.core.http import (
    BadResponseError,
    CaptivePortalError,
    CertificateError,
    ProxyError,
    RefusedAddressError,
    RefusedUrlError,
    Request,
    Response,
    TooLargeError,
    TooManyRedirectsError,
    TooSlowError,
    UnreachableError,
    WebClient,
    refuse_captive_portal,
    user_agent,
)

Script = Callable[[socket.socket, bytes], None]


class Server:
    """Accepts connections and answers each request head with whatever the script writes."""

    def __init__(self, script: Script, family: socket.AddressFamily = socket.AF_INET) -> None:
        self.script = script
        self.tls: ssl.SSLContext | None = None
        self.heads: list[bytes] = []
        self.connections = 0
        self.listener = socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family)
        self.port = self.listener.getsockname()[1]
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        if self.tls is not None:
            try:
                connection = self.tls.wrap_socket(connection, server_side=True)
            except OSError:
                return
        with closing(connection):
            while head := self.read_head(connection):
                self.heads.append(head)
                try:
                    self.script(connection, head)
                except (OSError, EOFError):
                    return

    def read_head(self, connection: socket.socket) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            try:
                byte = connection.recv(1)
            except OSError:
                return b""
            if not byte:
                return b""
            head += byte
        return head

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def stop(self) -> None:
        self.stopped.set()
        self.listener.close()


def reply(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    lines = {"content_length": str(len(body)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def always(answer: bytes) -> Script:
    return lambda connection, head: connection.sendall(answer)


@pytest.fixture
def serve():
    servers = []

    def start(script: Script | bytes, **options) -> Server:
        servers.append(Server(always(script) if isinstance(script, bytes) else script, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def client():
    with WebClient(user_agent="Sapwood/test", resolve=names({})) as client:
        yield client


def names(table: dict[str, list[str]]):
    return lambda host, port: table.get(host, [])


def inside(url: str, **options) -> Request:
    return Request("GET", url, allow_private=True, **options)


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


def redirect_to(location: str, status: str = "302 Found") -> bytes:
    return reply(status=status, location=location)


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


# Size and time


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


# Surroundings


@pytest.fixture
def certificate(tmp_path):
    """A certificate for uni.example that nobody else has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "uni.example")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2120, 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("uni.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path / "uni.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + built.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls_server(serve, certificate):
    server = serve(reply(b"private talk"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.asked_names = []
    context.sni_callback = lambda sock, name, ctx: server.asked_names.append(name)
    server.tls = context
    return server


def test_a_certificate_from_nobody_we_know_is_refused(tls_server):
    resolve = names({"uni.example": ["127.0.0.1"]})
    with WebClient(user_agent="t", resolve=resolve) as client:  # noqa: SIM117 - the exit is not what may fail
        with pytest.raises(CertificateError, match=r"uni\.example .*self-signed"):
            client.fetch(inside(f"https://uni.example:{tls_server.port}/"))
    assert tls_server.heads == []


def test_tls_asks_for_the_host_by_name_although_the_connection_goes_to_a_checked_address(tls_server, certificate):
    trusting = ssl.create_default_context(cafile=str(certificate))
    resolve = names({"uni.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    with WebClient(user_agent="t", resolve=resolve, tls=trusting) as client:
        assert client.fetch(inside(f"https://uni.example:{tls_server.port}/")).body == b"private talk"
        assert tls_server.asked_names == ["uni.example"]
        with pytest.raises(CertificateError, match=r"other\.example"):
            client.fetch(inside(f"https://other.example:{tls_server.port}/"))


def test_a_server_that_speaks_no_tls_is_refused_with_a_reason(serve, client):
    server = serve(reply())
    server.read_head = lambda connection: connection.sendall(b"220 ftp ready\r\n") or b""
    with pytest.raises(CertificateError):
        client.fetch(inside(f"https://127.0.0.1:{server.port}/"))


def test_the_environment_cannot_divert_requests(serve, client, monkeypatch):
    server = serve(reply(b"direct"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert client.fetch(inside(server.url())).body == b"direct"


def test_the_operators_proxy_resolves_names_and_carries_requests(serve):
    proxy = serve(reply(b"by proxy"))
    with WebClient(user_agent="t", proxy=f"http://alice:s3cret@127.0.0.1:{proxy.port}", resolve=proxy_only) as client:
        response = client.fetch(Request("GET", "http://feeds.example.org/rss", allow_http=True))
    assert response.body == b"by proxy"
    assert proxy.heads[0].startswith(b"GET http://feeds.example.org:80/rss HTTP/1.1\r\n")
    assert b"proxy-authorization: basic" in proxy.heads[0].lower()
    assert b"\r\nhost: feeds.example.org\r\n" in proxy.heads[0].lower()


def proxy_only(host, port):
    assert host == "127.0.0.1", "only the proxy's own name is looked up here"
    return ["127.0.0.1"]


def test_a_private_literal_is_refused_before_the_proxy_sees_it(serve):
    proxy = serve(reply(b"by proxy"))
    with (
        WebClient(user_agent="t", proxy=proxy.url(), resolve=proxy_only) as client,
        pytest.raises(RefusedAddressError),
    ):
        client.fetch(Request("GET", "https://169.254.169.254/"))
    assert proxy.connections == 0


def test_a_private_address_with_leave_goes_past_the_proxy(serve):
    proxy, server = serve(reply(b"by proxy")), serve(reply(b"direct"))
    with WebClient(user_agent="t", proxy=proxy.url(), resolve=proxy_only) as client:
        assert client.fetch(inside(server.url())).body == b"direct"


def test_a_proxy_that_refuses_is_named(serve):
    proxy = serve(reply(status="403 Forbidden"))
    with (
        WebClient(user_agent="t", proxy=proxy.url(), resolve=proxy_only) as client,
        pytest.raises(ProxyError),
    ):
        client.fetch(Request("GET", "https://feeds.example.org/"))
    assert proxy.heads[0].startswith(b"CONNECT feeds.example.org:443 HTTP/1.1\r\n")


@pytest.mark.parametrize("proxy", ["squid", "socks5://127.0.0.1:1", "http://"])
def test_a_proxy_setting_that_is_no_address_is_refused(proxy):
    with pytest.raises(ProxyError):
        WebClient(user_agent="t", proxy=proxy)


def test_the_user_agent_names_the_program_and_its_page_but_not_the_site(monkeypatch):
    monkeypatch.delenv("SAPWOOD_PROJECT_URL", raising=False)
    assert user_agent().startswith("Sapwood/")
    monkeypatch.setenv("SAPWOOD_PROJECT_URL", "https://sapwood.example/about")
    assert user_agent().endswith("(+https://sapwood.example/about)")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html; charset=utf-8", b"Please sign in"),
        ("application/json", b"\xef\xbb\xbf\n<!DOCTYPE HTML><title>Wi-Fi"),
    ],
)
def test_a_web_page_instead_of_a_document_is_called_a_captive_portal(content_type, body):
    with pytest.raises(CaptivePortalError):
        refuse_captive_portal(
            Response(200, {"Content-Type": content_type}, body, "https://a.example/1.root.json"), "JSON"
        )


@pytest.mark.parametrize(("status", "body"), [(200, b'{"signed":1}'), (404, b"<html>")])
def test_a_document_or_an_honest_error_page_is_no_captive_portal(status, body):
    refuse_captive_portal(Response(status, {"content-type": "text/html"}, body, "https://a.example/"), "JSON")


def test_tls_checks_the_host_name_and_the_chain():
    from sapwood.core.http.client import _tls_context

    context = _tls_context()
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
