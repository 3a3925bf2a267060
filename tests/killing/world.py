"""The world outside a site: a mail server, a receiver of webhooks and a web server of feeds, in a process of its own.

Each serves one connection after the other, so whoever has been answered knows that all before them were heard to the
end, also those whose senders were killed.
"""

import json
import os
import signal
import smtplib
import socket
import threading
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class World:
    """Start it before Django and before any fork; what it heard is in `heard()`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "heard.jsonl"
        self.pages = folder / "pages"
        self.pages.mkdir(exist_ok=True)
        self._smtp = socket.create_server(("127.0.0.1", 0))
        self._http = HTTPServer(("127.0.0.1", 0), self._handler())
        self.smtp_port = self._smtp.getsockname()[1]
        self.http_port = self._http.server_port
        self._pid = os.fork()
        if self._pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            threading.Thread(target=self._take_mail, daemon=True).start()
            self._http.serve_forever()
        self._smtp.close()
        self._http.socket.close()

    def stop(self) -> None:
        os.kill(self._pid, signal.SIGTERM)
        os.waitpid(self._pid, 0)

    def forget(self) -> None:
        self._settle()
        self._log.unlink(missing_ok=True)

    def heard(self) -> list[dict[str, str]]:
        """Every mail (`to`, `id`) and every webhook (`key`), in order."""
        self._settle()
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    def _settle(self) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=60):
            pass
        urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/", timeout=60).close()

    def _note(self, **what: str) -> None:
        with self._log.open("a") as log:
            log.write(json.dumps(what) + "\n")

    def _handler(world):  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = world.pages / self.path.strip("/")
                self.send_response(200)
                self.send_header("Content-Type", "application/xml")
                self.end_headers()
                self.wfile.write(page.read_bytes() if page.is_file() else b"")

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                if len(self.rfile.read(length)) < length:
                    return  # the sender died before the end
                world._note(key=self.headers["Idempotency-Key"])
                with suppress(OSError):
                    self.send_response(200)
                    self.end_headers()

            def log_message(self, *given: object) -> None:
                pass

        return Handler

    def _take_mail(self) -> None:
        while True:
            link, _peer = self._smtp.accept()
            with link, suppress(OSError):
                self._talk(link)

    def _talk(self, link: socket.socket) -> None:
        file = link.makefile("rwb", buffering=0)
        file.write(b"220 test\r\n")
        to = ""
        while line := file.readline():
            word = line[:4].upper()
            if word == b"RCPT":
                to = line.decode().partition("<")[2].partition(">")[0]
            if word == b"DATA":
                file.write(b"354 go\r\n")
                lines = []
                while (line := file.readline()) not in {b".\r\n", b""}:
                    lines.append(line)
                if not line:
                    return  # the sender died before the end: no mail
                self._note(to=to, id=next(found for found in lines if found.startswith(b"Message-ID")).decode())
            file.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return
