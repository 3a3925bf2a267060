"""The client and what stands between it and the server: certificates, proxies, sign-in pages."""

import datetime as dt
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sapwood.core.http import (
    CaptivePortalError,
    CertificateError,
    ProxyError,
    RefusedAddressError,
    Request,
    Response,
    WebClient,
    refuse_captive_portal,
    user_agent,
)
from sapwood.core.tests.servers import inside, names, reply


@pytest.fixture
def client():
    with WebClient(user_agent="Sapwood/test", resolve=names({})) as client:
        yield client


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
