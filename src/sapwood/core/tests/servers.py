"""Servers on this machine, each as badly behaved as a test needs."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing

from sapwood.core.http import (
    Request,
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


def names(table: dict[str, list[str]]):
    return lambda host, port: table.get(host, [])


def inside(url: str, **options) -> Request:
    return Request("GET", url, allow_private=True, **options)


def redirect_to(location: str, status: str = "302 Found") -> bytes:
    return reply(status=status, location=location)
