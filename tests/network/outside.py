"""The world of a site: a channel, a blog and a receiver of webhooks, and the egress proxy that alone knows their names.

They run in a process of their own, are real servers, and write down who asked them for what.
"""

import base64
import datetime as dt
import json
import os
import signal
import socket
import ssl
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

CHANNEL, BLOG, HOOKS = "channel.commons.invalid", "blog.commons.invalid", "hooks.riverside.invalid"


class Outside:
    """Started before anything else; `host` is the one address at which all of it listens."""

    def __init__(self, folder: Path, host: str, *, user: str = "", password: str = "") -> None:
        folder.mkdir(parents=True)
        self.host, self.pages, self.log = host, folder / "pages", folder / "heard.jsonl"
        self.pages.mkdir()
        self.log.touch()
        self.certificate = folder / "certificate.pem"
        _make_certificate(self.certificate, [CHANNEL, BLOG, HOOKS])
        self._badge = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._plain, self._tls = self._web(), self._web(tls=True)
        self._proxy = _server(ThreadingTCPServer, host)((host, 0), self._relay())
        self.web_port, self.proxy_port = (found.server_address[1] for found in (self._plain, self._proxy))
        self._ways = {(CHANNEL, 80): self._plain, (BLOG, 443): self._tls, (HOOKS, 443): self._tls}
        self._pid = os.fork()
        if self._pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            for server in (self._plain, self._tls):
                threading.Thread(target=server.serve_forever, daemon=True).start()
            self._proxy.serve_forever()
        for server in (self._plain, self._tls, self._proxy):
            server.socket.close()

    def stop(self) -> None:
        os.kill(self._pid, signal.SIGTERM)
        os.waitpid(self._pid, 0)

    def put(self, name: str, raw: bytes) -> None:
        """Serve a page."""
        path = self.pages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)

    def heard(self, who: str) -> list[str]:
        """What the proxy was asked for (`proxy`), or what the web servers were (`web`)."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line["what"] for line in lines if line["who"] == who]

    def _note(self, who: str, what: str) -> None:
        with self.log.open("a") as log:
            log.write(json.dumps({"who": who, "what": what}) + "\n")

    def _web(outside, *, tls: bool = False) -> ThreadingHTTPServer:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(outside.pages / self.path.strip("/"))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(outside.pages)

            def _answer(self, page: Path) -> None:
                outside._note("web", f"{self.command} {self.headers['Host']}{self.path}")
                assert "Proxy-Authorization" not in self.headers
                raw = page.read_bytes() if page.is_file() else b""
                self.send_response(200 if page.exists() else 404)
                self.send_header("Content-Type", "application/json" if page.suffix == ".json" else "application/xml")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *given: object) -> None:
                pass

        server = _server(ThreadingHTTPServer, outside.host)((outside.host, 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(outside.certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        return server

    def _relay(outside) -> type[StreamRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Relay(StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline().decode("latin-1").strip()
                head = {}
                while (raw := self.rfile.readline().strip()) != b"":
                    name, _, value = raw.decode("latin-1").partition(":")
                    head[name.lower()] = value.strip()
                if not line:
                    return
                outside._note("proxy", line)
                if head.get("proxy-authorization") != outside._badge:
                    self._refuse("407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="campus"')
                    return
                method, target, _version = line.split()
                url = urlsplit(f"//{target}" if method == "CONNECT" else target)
                server = outside._ways.get((url.hostname, url.port or 80))
                if server is None:
                    self._refuse("502 Bad Gateway", "X-Reason: no such name")
                    return
                with socket.create_connection(server.server_address[:2], timeout=60) as there:
                    if method == "CONNECT":
                        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    else:
                        kept = [
                            f"{name}: {head[name]}" for name in head if not name.startswith(("proxy", "connection"))
                        ]
                        lines = [f"{method} {url.path} HTTP/1.1", *kept, "Connection: close", "", ""]
                        there.sendall("\r\n".join(lines).encode("latin-1"))
                    self._pump(there)

            def _refuse(self, status: str, header: str) -> None:
                self.wfile.write(f"HTTP/1.1 {status}\r\n{header}\r\nContent-Length: 0\r\n\r\n".encode())

            def _pump(self, there: socket.socket) -> None:
                back = threading.Thread(target=_copy, args=(there, self.connection), daemon=True)
                back.start()
                _copy(self.connection, there)
                back.join()

        return Relay


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while raw := source.recv(65536):
            target.sendall(raw)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _server(kind: Any, host: str) -> Any:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return type(kind.__name__, (kind,), {"address_family": family, "daemon_threads": True})


def _make_certificate(path: Path, names: list[str]) -> None:
    """One certificate that is its own authority, as an institution makes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Riverside test authority")])
    now = dt.datetime.now(tz=dt.UTC)  # noqa: TID251 - the library judges it by the machine's clock
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + built.public_bytes(Encoding.PEM))
