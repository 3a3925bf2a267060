"""The client that doors use, and the one question every reader of documents asks."""

from functools import cache
from http import HTTPStatus

from sapwood import __version__
from sapwood.core import settings
from sapwood.core.http.client import WebClient
from sapwood.core.http.data import HttpClient, Response
from sapwood.core.http.errors import CaptivePortalError

PROJECT_URL = settings.text(
    "SAPWOOD_PROJECT_URL",
    "",
    "A page about this project, named in every outgoing request so that whoever is asked knows who asks.",
)


@cache
def default_client() -> HttpClient:
    """The process's own client, with the operator's proxy when there is one."""
    return WebClient(user_agent=user_agent(), proxy=settings.HTTP_PROXY.get())


def user_agent() -> str:
    """How Sapwood introduces itself: its version and where to read more; nothing about the site."""
    about = PROJECT_URL.get()
    return f"Sapwood/{__version__} (+{about})" if about else f"Sapwood/{__version__}"


def refuse_captive_portal(response: Response, expected: str) -> None:
    """Raise CaptivePortalError when a successful answer is a web page and `expected` is not.

    Hotel and campus networks, and some hosts for missing files, answer 200 with HTML to everything.
    """
    content_type = response.headers.get("content-type", "")
    if response.status == HTTPStatus.OK and looks_like_web_page(content_type, response.body):
        raise CaptivePortalError(
            f"{response.url} answered with a web page instead of {expected}.",
            hint="Check the address, and whether this network asks for a sign-in or filters the web.",
        )


def looks_like_web_page(content_type: str, start: bytes) -> bool:
    """Whether an answer is an HTML page, judged by what it holds before what it says it is."""
    head = start[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return True
    return content_type.partition(";")[0].strip().lower() == "text/html" and not head.startswith((b"{", b"[", b"<?xml"))
