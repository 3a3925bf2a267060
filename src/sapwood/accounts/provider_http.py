"""What the sign-in library asks of identity providers, carried by the one HTTP client: its proxy, limits and checks."""

import json
import logging
from collections.abc import Mapping
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit

from django.utils.translation import gettext as _

from sapwood.core.errors import SapwoodError
from sapwood.core.http import NetworkError, Request, default_client

logger = logging.getLogger(__name__)
TIMEOUT_S: Final = 10.0
MAX_BYTES: Final = 1024 * 1024
_GOOD: Final = range(200, 300)


class ProviderError(SapwoodError):
    """The identity provider does not answer, or not as the standard says."""

    code = "accounts.provider"
    http_status = 502


def provider_error(what: str) -> ProviderError:
    """What a visitor reads is general; what went wrong stands in the log, for the administrator."""
    logger.warning("the identity provider: %s", what)
    return ProviderError(
        _("The single sign-on does not answer as it should"),
        hint=_("Try again in a few minutes, or sign in another way. If it lasts, tell an administrator."),
    )


class Answer:
    """An answer with the few attributes that the library reads."""

    def __init__(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.url, self.status_code, self.content = url, status, body
        self.headers = {"content-type": headers.get("content-type", "")}

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", errors="replace")

    def json(self) -> dict[str, Any]:
        """The body, which must be a JSON object; raises ProviderError."""
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise provider_error(f"{self.url} answers something that is no JSON object")
        return found

    def raise_for_status(self) -> None:
        """Raise ProviderError unless the answer is good."""
        if self.status_code not in _GOOD:
            raise provider_error(f"{self.url} answers {self.status_code}")


class ProviderSession:
    """The library's HTTP session. `issuers` are the operator's own addresses: their hosts may be private ones.

    Plain http is spoken only where the operator wrote it.
    """

    def __init__(self, issuers: tuple[str, ...]) -> None:
        self._named = dict(map(_place, issuers))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def get(self, url: str, **kwargs: Any) -> Answer:
        """One GET."""
        return self.request("GET", url, **kwargs)

    def request(  # the library's shape
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Any = None,
    ) -> Answer:
        """One request; raises ProviderError when there is no answer."""
        sent = _Sent({"Accept": "application/json", **(headers or {})})
        if data is not None:
            sent.headers["Content-Type"] = "application/x-www-form-urlencoded"
        if auth is not None:
            auth(sent)
        host, scheme = _place(url)
        if scheme != "https" and self._named.get(host) != scheme:
            raise provider_error(f"{url} is not an https address")
        request = Request(
            method=method,
            url=f"{url}?{urlencode(params)}" if params else url,
            headers=sent.headers,
            body=urlencode(data).encode("ascii") if data is not None else b"",
            max_bytes=MAX_BYTES,
            timeout_s=TIMEOUT_S,
            allow_private=host in self._named,
        )
        try:
            answer = default_client().fetch(request)
        except NetworkError as error:
            raise provider_error(error.message) from error
        return Answer(url, answer.status, answer.headers, answer.body)


class _Sent:
    """What the library's basic authentication writes its header on."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers


def _place(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.hostname or "", parts.scheme
