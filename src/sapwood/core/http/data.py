"""What goes into the HTTP client and what comes out."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from typing_extensions import override

MEBIBYTE_BYTES = 1024 * 1024
DEFAULT_MAX_BYTES = 10 * MEBIBYTE_BYTES
DEFAULT_TIMEOUT_S = 30.0
DEFAULT_REDIRECTS = 5


@dataclass(frozen=True)
class Request:
    """One request, with the limits that its answer must keep.

    `timeout_s` is the time for everything together: names, connections, redirects and the last byte of the
    body. `max_bytes` bounds the body after decompression. `allow_private` and `allow_http` are an
    administrator's word for the host in `url`, and end where a redirect leaves that host. `follow_redirects` of None
    hands a redirect back as the answer that it is.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    max_bytes: int = DEFAULT_MAX_BYTES
    timeout_s: float = DEFAULT_TIMEOUT_S
    allow_private: bool = False
    allow_http: bool = False
    follow_redirects: int | None = DEFAULT_REDIRECTS


class Headers(Mapping[str, str]):
    """The headers of an answer, found in any case; several of one name are joined by commas (RFC 9110, 5.2)."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            key = name.lower()
            self._values[key] = f"{self._values[key]}, {value}" if key in self._values else value

    @override
    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    @override
    def __len__(self) -> int:
        return len(self._values)

    @override
    def __repr__(self) -> str:
        return f"Headers({self._values!r})"


@dataclass(frozen=True)
class Response:
    """A complete answer; header names are found in any case.

    `url` is where the answer came from. `moved_to` is where permanent redirects (301, 308) alone lead to.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    moved_to: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", Headers(self.headers.items()))


@dataclass(frozen=True)
class StreamedResponse:
    """An answer whose body is still coming: iterate to receive its chunks."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]
    url: str
    moved_to: str | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks


class HttpClient(Protocol):
    """Whatever can carry a request; the real one is `default_client()`, the tests' one is `FakeHttp`."""

    def fetch(self, request: Request) -> Response:
        """The whole answer, whatever its status; raises NetworkError when there is none."""
        ...

    def stream(self, request: Request) -> AbstractContextManager[StreamedResponse]:
        """The answer in chunks, under the same limits; raises NetworkError, also while iterating."""
        ...
