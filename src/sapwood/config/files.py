"""Serves the channel's folder as static files on loopback: what a CDN does for a real commons."""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override


class Files(SimpleHTTPRequestHandler):
    """Plain files: no folder listings, no log line per request."""

    protocol_version = "HTTP/1.1"

    @override
    def list_directory(self, path: Any) -> None:
        self.send_error(404)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the channel is polled all day."""


def main(folder: str, port: str) -> None:
    """Serve until ended."""
    ThreadingHTTPServer(("127.0.0.1", int(port)), partial(Files, directory=folder)).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
