"""The one HTTP client: everything that Sapwood asks of other machines goes through here."""

from sapwood.core.http.addresses import names_private_address, system_resolver
from sapwood.core.http.client import WebClient
from sapwood.core.http.data import HttpClient, Request, Response, StreamedResponse
from sapwood.core.http.default import default_client, looks_like_web_page, refuse_captive_portal, user_agent
from sapwood.core.http.errors import (
    BadResponseError,
    CaptivePortalError,
    CertificateError,
    NetworkError,
    ProxyError,
    RefusedAddressError,
    RefusedUrlError,
    TooLargeError,
    TooManyRedirectsError,
    TooSlowError,
    UnreachableError,
)

__all__ = [
    "BadResponseError",
    "CaptivePortalError",
    "CertificateError",
    "HttpClient",
    "NetworkError",
    "ProxyError",
    "RefusedAddressError",
    "RefusedUrlError",
    "Request",
    "Response",
    "StreamedResponse",
    "TooLargeError",
    "TooManyRedirectsError",
    "TooSlowError",
    "UnreachableError",
    "WebClient",
    "default_client",
    "looks_like_web_page",
    "names_private_address",
    "refuse_captive_portal",
    "system_resolver",
    "user_agent",
]
