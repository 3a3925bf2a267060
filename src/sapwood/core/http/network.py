"""Connections that go only to checked addresses and end at a deadline.

httpcore asks its network backend for each connection, after pooling and before TLS. Looking the name up,
judging the addresses and connecting to one of exactly these in a single step leaves no gap for a name server
that changes its answer in between, and TLS still sees the real host name.
"""

import queue
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

import httpcore
from typing_extensions import override

from sapwood.core.http.addresses import Leave, Resolver, checked_addresses
from sapwood.core.http.errors import CertificateError, TooSlowError, UnreachableError

T = TypeVar("T")
Monotonic = Callable[[], float]


class Deadline(float):
    """The instant at which a request must be over.

    It is a float because httpcore hands its timeouts through to the network stream as they are: so each read
    and write of a pooled connection learns the deadline of the request that it works for.
    """

    _monotonic: Monotonic
    _ends_at: float

    @classmethod
    def after(cls, allowed_s: float, monotonic: Monotonic) -> Self:
        """The deadline that lies `allowed_s` from now."""
        deadline = cls(allowed_s)
        deadline._monotonic = monotonic
        deadline._ends_at = monotonic() + allowed_s
        return deadline

    def left_s(self) -> float:
        """The seconds that are left; raises TooSlowError when there are none."""
        left = self._ends_at - self._monotonic()
        if left <= 0:
            raise TooSlowError(
                f"The exchange took longer than {float(self):g} s.",
                hint="Try again later, or allow more time.",
            )
        return left


def _left_s(timeout: float | None) -> float | None:
    return timeout.left_s() if isinstance(timeout, Deadline) else timeout


class DeadlineStream(httpcore.NetworkStream):
    """A connection whose every read and write ends at the deadline of the request at hand."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left_s(timeout))

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In slices, because a socket's timeout starts anew with every part that a slow reader takes.
        for start in range(0, len(buffer), 65536):
            self._inner.write(buffer[start : start + 65536], _left_s(timeout))

    @override
    def close(self) -> None:
        self._inner.close()

    @override
    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            return DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, _left_s(timeout)))
        except httpcore.ConnectError as error:
            reason = _tls_reason(error)
            raise CertificateError(
                f"{server_hostname} could not prove its identity: {reason}.",
                hint="Check this machine's clock, its list of certificate authorities, and the host.",
            ) from error

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class PinningBackend(httpcore.NetworkBackend):
    """Connects to a host only through an address that has just been judged."""

    def __init__(self, leave: Leave, resolve: Resolver, *, trusted_hosts: frozenset[str] = frozenset()) -> None:
        self._leave = leave
        self._resolve = resolve
        self._trusted_hosts = trusted_hosts  # the operator's own proxy, wherever it stands
        self._inner = httpcore.SyncBackend()

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        if host in self._trusted_hosts:
            addresses = list(within(timeout, lambda: self._resolve(host, port)))
        else:
            addresses = within(timeout, lambda: checked_addresses(host, port, self._leave, self._resolve))
        failures: list[str] = []
        for index, address in enumerate(addresses):
            left = _left_s(timeout)
            share = None if left is None else left / (len(addresses) - index)
            try:
                return DeadlineStream(self._inner.connect_tcp(address, port, share, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failures.append(f"{address}: {str(error) or 'no answer'}")
        _left_s(timeout)
        raise UnreachableError(
            f"{host} does not accept a connection on port {port} ({'; '.join(failures)}).",
            hint="Check that the host is up and that this network lets the connection out.",
        )

    @override
    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def within(timeout: float | None, work: Callable[[], T]) -> T:
    """Do work that knows no timeout, such as a name look-up, and stop waiting for it at the deadline."""
    left = _left_s(timeout)
    answer: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answer.put((work(), None))
        except BaseException as error:  # noqa: BLE001 - carried over to the waiting thread
            answer.put((None, error))

    # A daemon, so that a hanging name server cannot keep a finished process alive.
    threading.Thread(target=run, name="sapwood-resolve", daemon=True).start()
    try:
        value, error = answer.get(timeout=left)
    except queue.Empty:
        raise TooSlowError("The name server did not answer in time.", hint="Check the name server.") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # without an error there is a value


def _tls_reason(error: BaseException) -> str:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return seen.verify_message
        seen = seen.__cause__ or seen.__context__
    return str(error) or "the connection was cut during the handshake"
