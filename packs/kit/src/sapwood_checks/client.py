"""The HTTP client of a check: one address and what lies below it, nothing else.

Where it is given a Unix socket, every request goes through that, whatever the address says: on the other side is the
shadow's application, or the gate, which alone opens connections. A check cannot tell the difference.
"""

from __future__ import annotations

import http.client
import json as json_of
import os
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

AGENT: Final = "Sapwood-Checks/0.1"
TIMEOUT_S: Final = 30.0
MAX_BODY_BYTES: Final = 20_000_000
MAX_HOPS: Final = 5
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PORTS: Final = {"http": 80, "https": 443}


class OutsideError(Exception):
    """A request, or a redirect that was to be followed, would have left the address of the site."""


class TooLargeError(Exception):
    """The site answered more than a check can hold."""


@dataclass(frozen=True)
class Answer:
    """What the site answered. Names of headers are in small letters."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """The body as text, by the character set that the site names."""
        kind = self.headers.get("content-type", "")
        _before, _equals, charset = kind.lower().partition("charset=")
        try:
            return self.body.decode(charset.split(";")[0].strip(" \"'") or "utf-8", "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON; raises AssertionError where it is none, as a page in the place of an answer is."""
        try:
            return json_of.loads(self.body)
        except ValueError:
            kind = self.headers.get("content-type", "no type")
            raise AssertionError(f"the answer is no JSON but {kind}") from None


class Site:
    """The site under check. `base_url` is its address; paths are below it."""

    def __init__(self, base_url: str, *, through: str = "", timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("the address of a site is http://… or https://…, without a question mark")
        self.base_url = base_url.rstrip("/")
        self._parts, self._through, self._timeout_s = parts, through, timeout_s
        self._origin = _origin(base_url)

    def get(self, path: str, **given: Any) -> Answer:
        """GET a path, or an address below the site's own."""
        return self.request("GET", path, **given)

    def head(self, path: str, **given: Any) -> Answer:
        """HEAD."""
        return self.request("HEAD", path, **given)

    def options(self, path: str, **given: Any) -> Answer:
        """OPTIONS."""
        return self.request("OPTIONS", path, **given)

    def post(self, path: str, **given: Any) -> Answer:
        """POST; `form` or `json` is its body. A check that does so is none of class S0."""
        return self.request("POST", path, **given)

    def request(  # noqa: PLR0913 - what HTTP has
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Any = None,
        follow: bool = False,
    ) -> Answer:
        """One request; with `follow`, GET and HEAD go where redirects lead, as long as that is the site.

        Raises OutsideError for any other place, OSError when there is no answer.
        """
        url = self.url(path)
        if params:
            url += ("&" if "?" in url else "?") + urlencode(params)
        sent, body = {"accept": "*/*", **{name.lower(): value for name, value in (headers or {}).items()}}, b""
        if form is not None:
            body, sent["content-type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
        elif json is not None:
            body, sent["content-type"] = json_of.dumps(json).encode(), "application/json"
        for _hop in range(MAX_HOPS + 1):
            answer = self._send(method, url, sent, body)
            if not follow or answer.status not in REDIRECTS or method not in {"GET", "HEAD"}:
                return answer
            url = self.url(urljoin(url, answer.headers.get("location", "")))
        raise OutsideError(f"more than {MAX_HOPS} redirects")

    def url(self, path: str) -> str:
        """The whole address of a path; raises OutsideError where that is none of the site's."""
        url = self.base_url + path if path.startswith("/") and not path.startswith("//") else path
        parts = urlsplit(url)
        below = self._parts.path.rstrip("/")
        inside = parts.path == below or parts.path.startswith(f"{below}/")
        if parts.username is not None or _origin(url) != self._origin or not inside or ".." in parts.path.split("/"):
            raise OutsideError(f"{parts.scheme}://{parts.hostname}{parts.path[:60]} is not of this site")
        return url.partition("#")[0]

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        parts, began = urlsplit(url), time.perf_counter()
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = self._connection()
        try:
            own = {"host": parts.netloc, "user-agent": AGENT, "accept-encoding": "identity", "connection": "close"}
            connection.request(method, target, body or None, {**own, **headers})
            answer = connection.getresponse()
            read = answer.read(MAX_BODY_BYTES + 1)
            found = {name.lower(): value for name, value in answer.getheaders()}
        except http.client.HTTPException as error:
            raise ConnectionError(f"the site breaks off its answer: {type(error).__name__}") from error
        finally:
            connection.close()
        if len(read) > MAX_BODY_BYTES:
            raise TooLargeError(f"more than {MAX_BODY_BYTES:,} bytes")
        return Answer(url, answer.status, found, read, time.perf_counter() - began)

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._through:
            return _SocketConnection(self._through, self._timeout_s)
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        return kind(host, port, timeout=self._timeout_s)


class _SocketConnection(http.client.HTTPConnection):
    """HTTP through a Unix socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._place = Path(path)

    def connect(self) -> None:
        # The name of a socket may have 107 bytes; by way of its folder the path may be as long as it likes.
        folder = os.open(self._place.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{folder}/{self._place.name}")
        finally:
            os.close(folder)


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    return parts.scheme, (parts.hostname or "").lower(), port if port is not None else _PORTS.get(parts.scheme, 0)
