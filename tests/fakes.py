"""Fakes for the edge of the world. Our own code is never faked."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sapwood.core.http import (
    NetworkError,
    Request,
    Response,
    StreamedResponse,
    TooLargeError,
    UnreachableError,
)

Answer = Response | NetworkError | Callable[[Request], Response]


@dataclass
class FakeHttp:
    """An HttpClient whose other side is a table of answers; it records what was asked.

    An address may have several answers: each is given once, the last one for ever. An address without an
    answer is unreachable. To fail, answer with an error: `http.answer(url, TooSlowError("…"))`.
    """

    requests: list[Request] = field(default_factory=list)
    _answers: dict[str, list[Answer]] = field(default_factory=dict)

    def answer(
        self,
        url: str,
        body: bytes | str | NetworkError | Callable[[Request], Response] = b"",
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        moved_to: str | None = None,
    ) -> "FakeHttp":
        """Add the next answer for an address."""
        if isinstance(body, bytes | str):
            raw = body.encode() if isinstance(body, str) else body
            body = Response(status, headers or {}, raw, moved_to or url, moved_to)
        self._answers.setdefault(url, []).append(body)
        return self

    def fetch(self, request: Request) -> Response:
        """The next answer, under the request's own limit on size."""
        self.requests.append(request)
        waiting = self._answers.get(request.url)
        if not waiting:
            raise UnreachableError(f"{request.url} has no answer in this test.")
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(answer, NetworkError):
            raise answer
        response = answer if isinstance(answer, Response) else answer(request)
        if len(response.body) > request.max_bytes:
            raise TooLargeError(f"{request.url} sends more than {request.max_bytes} bytes.")
        return response

    @contextmanager
    def stream(self, request: Request) -> Iterator[StreamedResponse]:
        """The same answer in chunks of 1,000 bytes."""
        whole = self.fetch(request)
        chunks = (whole.body[start : start + 1000] for start in range(0, len(whole.body), 1000))
        yield StreamedResponse(whole.status, whole.headers, chunks, whole.url, whole.moved_to)

    @property
    def asked(self) -> list[str]:
        """The addresses asked for, in order."""
        return [request.url for request in self.requests]
