"""Where bytes come from: over HTTP through the one client, or out of a folder. Nothing here is trusted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Protocol

from tuf.api.exceptions import DownloadHTTPError, DownloadLengthMismatchError
from tuf.ngclient import FetcherInterface
from typing_extensions import override

from sapwood.channel.errors import UnreachableError, WebPageInsteadError
from sapwood.core.http import (
    HttpClient,
    NetworkError,
    Request,
    TooLargeError,
    TooManyRedirectsError,
    looks_like_web_page,
)
from sapwood.formats.phrase import Phrase

REQUEST_TIMEOUT_S = 60.0
_OK = 200
_BUSY = {429, 503}
_REDIRECTS = range(300, 400)


@dataclass
class Traffic:
    """What one pull has asked for and received."""

    requests: int = 0
    received_bytes: int = 0
    retry_after_s: int = 0


class Beat(Protocol):
    """Called before each request, so that long work can say that it is alive, or be stopped by raising."""

    def __call__(self) -> None: ...


def _no_beat() -> None:
    return


class HttpFetcher(FetcherInterface):
    """python-tuf's way to the network, through the one HTTP client with caps on size and time."""

    def __init__(
        self,
        http: HttpClient,
        *,
        allow_private: bool = False,
        timeout_s: float = REQUEST_TIMEOUT_S,
        traffic: Traffic | None = None,
        beat: Beat = _no_beat,
    ) -> None:
        self._http = http
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self.traffic = traffic or Traffic()
        self._beat = beat

    @override
    def _fetch(self, url: str) -> Iterator[bytes]:
        raise NotImplementedError("every download of this fetcher has a limit")

    @override
    @contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        """The file at `url`, at most `max_length` bytes; raises UnreachableError, WebPageInsteadError or tuf's own."""
        self._beat()
        body = self._get(url, max_length)
        with TemporaryFile() as file:
            file.write(body)
            file.seek(0)
            yield file

    def _get(self, url: str, max_length: int) -> bytes:
        request = Request(
            "GET",
            url,
            max_bytes=max_length,
            timeout_s=self._timeout_s,
            allow_private=self._allow_private,
            allow_http=True,
            follow_redirects=0,
        )
        self.traffic.requests += 1
        try:
            response = self._http.fetch(request)
        except TooManyRedirectsError as error:
            raise _redirected(url) from error
        except TooLargeError as error:
            raise DownloadLengthMismatchError(error.message.rstrip(".")) from error
        except NetworkError as error:
            raise UnreachableError(error.message.rstrip("."), hint=error.hint) from error
        self.traffic.received_bytes += len(response.body)
        if response.status in _REDIRECTS:
            raise _redirected(url)
        if response.status in _BUSY:
            wait = response.headers.get("retry-after", "")
            self.traffic.retry_after_s = max(self.traffic.retry_after_s, int(wait) if wait.isdecimal() else 0)
        if response.status != _OK:
            raise DownloadHTTPError(
                Phrase("%(url)s answers %(status)s", url=url, status=response.status), response.status
            )
        if url.endswith(".json") and looks_like_web_page(response.headers.get("content-type", ""), response.body):
            raise WebPageInsteadError(
                Phrase(
                    "%(url)s answers 200 with a web page instead of signed data: "
                    "a captive portal, or a server that shows an error page without saying 404",
                    url=url,
                ),
                hint=Phrase("Open the address in a browser; sign in to the network, or have the server answer 404."),
            )
        return response.body


def _redirected(url: str) -> WebPageInsteadError:
    return WebPageInsteadError(
        Phrase(
            "%(url)s sends the request elsewhere instead of answering: a captive portal, or a wrong address", url=url
        ),
        hint=Phrase("Sign in to the network, or correct the address of the channel."),
    )


class FolderFetcher(FetcherInterface):
    """Reads a repository that lies in a folder; addresses are relative paths."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @override
    def _fetch(self, url: str) -> Iterator[bytes]:
        path = self._folder / url.removeprefix(FOLDER_URL)
        try:
            with path.open("rb") as file:
                content = file.read()
        except OSError as error:
            raise DownloadHTTPError(f"{path.name} is missing", 404) from error
        yield content

    @override
    def fetch(self, url: str) -> Iterator[bytes]:
        return self._fetch(url)


FOLDER_URL = "folder:///"
