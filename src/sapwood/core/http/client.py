"""The one HTTP client: checked addresses, a deadline, bounded bodies, no surprises from the environment."""

import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from types import TracebackType
from typing import Self

import httpcore
import httpx

from sapwood.core.http.addresses import Leave, Resolver, Target, judge_url, literal_address, system_resolver
from sapwood.core.http.data import Headers, Request, Response, StreamedResponse
from sapwood.core.http.errors import (
    BadResponseError,
    NetworkError,
    ProxyError,
    RefusedUrlError,
    TooLargeError,
    TooManyRedirectsError,
    TooSlowError,
    UnreachableError,
)
from sapwood.core.http.network import Deadline, Monotonic, PinningBackend

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PERMANENT = frozenset({301, 308})
_ANSWERS_WITHOUT_BODY = frozenset({204, 304})
_WANTS_A_PASSWORD = 407  # only a proxy says that (RFC 9110, section 15.5.8)
_MAX_SKIPPED_BYTES = 65536
# What may follow a redirect to another host: nothing that names the sender or proves a right.
_PORTABLE_HEADERS = frozenset({"accept", "accept-language", "if-modified-since", "if-none-match", "user-agent"})


class WebClient:
    """An HttpClient on httpx's engine; safe to share between threads, closed when the process ends."""

    def __init__(
        self,
        *,
        user_agent: str,
        proxy: str = "",
        resolve: Resolver = system_resolver,
        tls: ssl.SSLContext | None = None,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._user_agent = user_agent
        self._proxy = _proxy_url(proxy) if proxy else None
        self._resolve = resolve
        self._tls = tls or _tls_context()
        self._monotonic = monotonic
        # A connection that was opened under one leave is never reused under another.
        self._pools: dict[tuple[Leave, bool], httpcore.ConnectionPool] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    def fetch(self, request: Request) -> Response:
        """The whole answer, whatever its status; raises NetworkError when there is none."""
        with self.stream(request) as streamed:
            body = b"".join(streamed)
        return Response(streamed.status, streamed.headers, body, streamed.url, streamed.moved_to)

    def stream(self, request: Request) -> AbstractContextManager[StreamedResponse]:
        """The answer in chunks, under the same limits; raises NetworkError, also while iterating."""
        return self._stream(request)

    @contextmanager
    def _stream(self, request: Request) -> Iterator[StreamedResponse]:
        deadline = Deadline.after(request.timeout_s, self._monotonic)
        leave = Leave(private=request.allow_private, http=request.allow_http)
        start = target = judge_url(request.url, leave)
        headers = self._headers(request)
        moved_to: str | None = None
        permanent_so_far = True
        for _ in range((request.follow_redirects or 0) + 1):
            with ExitStack() as connection:
                with _explained(target):
                    answer = connection.enter_context(self._send(request, target, headers, leave, deadline))
                    if answer.status == _WANTS_A_PASSWORD:
                        raise httpcore.ProxyError("it wants another name and password")
                answer_headers = _headers_of(answer)
                location = _location(request.method, answer.status, answer_headers)
                if location is None or request.follow_redirects is None:
                    chunks = _bounded(answer, answer_headers, request, target)
                    yield StreamedResponse(answer.status, answer_headers, chunks, str(target.url), moved_to)
                    return
                permanent_so_far = permanent_so_far and answer.status in _PERMANENT
                with _explained(target):
                    _skip_body(answer)
            target, leave, headers = _follow(start, target, location, leave, headers)
            moved_to = str(target.url) if permanent_so_far else moved_to
        raise TooManyRedirectsError(
            f"{start.host} sent the request on more than {request.follow_redirects} times.",
            hint="Open the address in a browser and use the one it ends at.",
        )

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {name.lower(): value for name, value in request.headers.items()}
        return {"user-agent": self._user_agent, "accept": "*/*"} | headers | {"accept-encoding": "identity"}

    def _send(
        self, request: Request, target: Target, headers: Mapping[str, str], leave: Leave, deadline: Deadline
    ) -> AbstractContextManager[httpcore.Response]:
        deadline.left_s()
        host = target.url.netloc.decode("ascii")
        return self._pool(leave, direct=_is_here(target.host)).stream(
            request.method,
            httpcore.URL(scheme=target.url.raw_scheme, host=target.host, port=target.port, target=target.url.raw_path),
            headers=[("host", host), *headers.items()],
            content=request.body or None,
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), deadline)},
        )

    def _pool(self, leave: Leave, *, direct: bool) -> httpcore.ConnectionPool:
        through_proxy = self._proxy is not None and not direct
        key = (Leave(private=leave.private), through_proxy)
        if key not in self._pools:
            self._pools[key] = self._new_pool(leave, self._proxy if through_proxy else None)
        return self._pools[key]

    def _new_pool(self, leave: Leave, proxy: httpx.URL | None) -> httpcore.ConnectionPool:
        if proxy is None:
            return httpcore.ConnectionPool(
                ssl_context=self._tls,
                keepalive_expiry=5,
                network_backend=PinningBackend(leave, self._resolve),
            )
        return httpcore.HTTPProxy(
            proxy_url=httpcore.URL(scheme=proxy.raw_scheme, host=proxy.raw_host, port=proxy.port, target=b"/"),
            proxy_auth=(proxy.username.encode(), proxy.password.encode()) if proxy.userinfo else None,
            ssl_context=self._tls,
            proxy_ssl_context=self._tls if proxy.scheme == "https" else None,
            keepalive_expiry=5,
            network_backend=PinningBackend(leave, self._resolve, trusted_hosts=frozenset({proxy.host})),
        )


def _follow(
    start: Target, target: Target, location: str, leave: Leave, headers: dict[str, str]
) -> tuple[Target, Leave, dict[str, str]]:
    """Where a redirect leads, judged as strictly as if somebody had typed it."""
    try:
        url = str(target.url.join(location))
    except httpx.InvalidURL as error:
        raise RefusedUrlError(f"{target.host} redirects to something that is no address.") from error
    try:
        same_host = httpx.URL(url).raw_host.lower() == start.url.raw_host.lower()
    except httpx.InvalidURL:
        same_host = False
    # An administrator's leave is for the host that they named, and for good once a redirect has left it.
    leave = leave if same_host else Leave()
    following = judge_url(url, leave)
    if target.url.scheme == "https" and following.url.scheme == "http":
        raise RefusedUrlError(f"{target.host} redirects from https back to http.", hint="Tell whoever runs that host.")
    if leave.private and following.port not in {start.port, 80, 443}:
        raise RefusedUrlError(f"{target.host} redirects to another port, {following.port}, of a private host.")
    upgraded = (following.url.scheme, following.host) == ("https", target.host) and target.port == 80  # noqa: PLR2004
    if following.origin != target.origin and not upgraded:
        headers = {name: value for name, value in headers.items() if name in _PORTABLE_HEADERS | {"accept-encoding"}}
    return following, leave, headers


def _location(method: str, status: int, headers: Headers) -> str | None:
    """The redirect to follow; another method than GET or HEAD is never repeated elsewhere."""
    if status not in _REDIRECTS or method not in {"GET", "HEAD"}:
        return None
    return headers.get("location")


def _headers_of(answer: httpcore.Response) -> Headers:
    return Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers])


def _skip_body(answer: httpcore.Response) -> None:
    """Read a redirect's few bytes so that the connection can be used again; drop it when there are many."""
    seen = 0
    for chunk in answer.iter_stream():
        seen += len(chunk)
        if seen > _MAX_SKIPPED_BYTES:
            return


def _bounded(answer: httpcore.Response, headers: Headers, request: Request, target: Target) -> Iterator[bytes]:
    """The body in chunks, decompressed, never more than the request allows."""
    too_large = TooLargeError(
        f"{target.host} sends more than the {request.max_bytes:,} bytes that are allowed here.",
        hint="Check the address; a document of this kind is smaller.",
    )
    bodiless = request.method == "HEAD" or answer.status in _ANSWERS_WITHOUT_BODY
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > request.max_bytes and not bodiless:
        raise too_large
    encoding = "" if bodiless else headers.get("content-encoding", "").strip().lower()
    seen = 0
    with _explained(target):
        for chunk in _decoded(iter(answer.iter_stream()), encoding, request.max_bytes + 1, target):
            seen += len(chunk)
            if seen > request.max_bytes:
                raise too_large
            yield chunk


def _decoded(chunks: Iterator[bytes], encoding: str, piece_bytes: int, target: Target) -> Iterator[bytes]:
    """Undo gzip or deflate, which some servers send unasked, in pieces of bounded size."""
    if encoding in {"", "identity"}:
        yield from chunks
        return
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise BadResponseError(f"{target.host} answers in the encoding {encoding[:40]!r}, which nobody asked for.")
    piece_bytes = min(piece_bytes, _MAX_SKIPPED_BYTES)
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, by its header
    try:
        for chunk in chunks:
            rest = chunk
            while rest and not decoder.eof:
                yield decoder.decompress(rest, piece_bytes)
                rest = decoder.unconsumed_tail
        while tail := decoder.decompress(decoder.unconsumed_tail, piece_bytes):
            yield tail
    except zlib.error as error:
        raise BadResponseError(f"{target.host} sends a damaged compressed answer.") from error
    if not decoder.eof:
        raise BadResponseError(f"{target.host} ends its compressed answer too early.", hint="Try again later.")


@contextmanager
def _explained(target: Target) -> Iterator[None]:
    """Give each failure of the engine its name."""
    try:
        yield
    except NetworkError:
        raise
    except httpcore.TimeoutException as error:
        raise TooSlowError(f"{target.host} is too slow.", hint="Try again later, or allow more time.") from error
    except httpcore.ProxyError as error:
        raise ProxyError(
            f"The proxy did not let the request to {target.host} through: {error}.", hint="Check SAPWOOD_HTTP_PROXY."
        ) from error
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise BadResponseError(
            f"{target.host} breaks off its answer or does not speak HTTP: {error}.", hint="Try again later."
        ) from error
    except (httpcore.NetworkError, OSError) as error:
        raise UnreachableError(
            f"The connection to {target.host} broke: {str(error) or 'no reason given'}.",
            hint="Try again later.",
        ) from error


def _is_here(host: str) -> bool:
    """A host that no proxy can reach for us: this machine, or an address in a private network."""
    literal = literal_address(host)
    return host == "localhost" if literal is None else literal.is_private


def _proxy_url(proxy: str) -> httpx.URL:
    try:
        url = httpx.URL(proxy)
    except httpx.InvalidURL as error:
        raise ProxyError(
            "SAPWOOD_HTTP_PROXY is not an address.", hint="Write http://proxy.example.edu:3128."
        ) from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ProxyError("SAPWOOD_HTTP_PROXY is not an http address.", hint="Write http://proxy.example.edu:3128.")
    return url


@cache
def _tls_context() -> ssl.SSLContext:
    """Public authorities and those that this machine trusts, such as the institution's own."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context
