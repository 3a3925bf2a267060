"""A WordPress site at the edge of the world: answers questions for posts as the real one does (seen with 6.1)."""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sapwood.core.http import Request, Response

SITE = "https://wp.example.org"


def at(text: str) -> dt.datetime:
    """`2026-11-02T10:00:00` in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@dataclass
class Post:
    """A post; changed when it was published, unless it says otherwise."""

    number: int
    title: str = ""
    body: str = ""
    date: str = "2026-11-01T10:00:00"
    modified: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As the REST API gives it."""
        return {
            "id": self.number,
            "date_gmt": self.date,
            "modified_gmt": self.modified or self.date,
            "status": "publish",
            "guid": {"rendered": f"{SITE}/?p={self.number}"},
            "link": f"{SITE}/post-{self.number}/",
            "title": {"rendered": self.title or f"Post {self.number}"},
            "content": {"rendered": self.body or f"<p>Words of {self.number}.</p>"},
            "excerpt": {"rendered": ""},
            **self.more,
        }


@dataclass
class FakeWordPress:
    """Posts, how the host treats questions for them, and what was asked."""

    posts: list[Post] = field(default_factory=list)
    clock: str = "2026-11-22T12:00:00"
    headers: Mapping[str, str] = field(default_factory=dict)
    counts: bool = True  # whether it says how many posts there are
    filters: bool = True  # before WordPress 5.7 it knows no `modified_after`
    pretty: bool = True
    before: Callable[[int], Response | None] = lambda _asked: None
    asked: list[dict[str, str]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def fetch(self, request: Request) -> Response:
        """The page of posts that is asked for."""
        parts = urlsplit(request.url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.requests.append(request)
        if parts.path == "/wp-json/wp/v2/posts" and not self.pretty:
            return Response(404, {}, b"<html>Not found</html>", request.url)
        assert parts.path == "/wp-json/wp/v2/posts" or query["rest_route"] == "/wp/v2/posts"
        self.asked.append({name: query[name] for name in ("offset", "modified_after", "after") if name in query})
        if (instead := self.before(len(self.asked))) is not None:
            return instead
        assert (query["orderby"], query["order"]) == ("id", "asc")
        found = sorted((post for post in self.posts if self._fits(post, query)), key=lambda post: post.number)
        first = int(query.get("offset", "0"))
        page = [post.as_dict() for post in found[first : first + int(query["per_page"])]]
        headers = {"content-type": "application/json", "date": format_datetime(at(self.clock), usegmt=True)}
        headers |= {"X-WP-Total": str(len(found))} if self.counts else {}
        return Response(200, {**headers, **self.headers}, json.dumps(page).encode(), request.url)

    def stream(self, request: Request) -> Any:
        """Nobody streams posts."""
        raise NotImplementedError

    def _fits(self, post: Post, query: Mapping[str, str]) -> bool:
        if "after" in query and at(post.date) <= at(query["after"].rstrip("Z")):
            return False
        if self.filters and "modified_after" in query:
            return at(post.modified or post.date) > at(query["modified_after"].rstrip("Z"))
        return True
