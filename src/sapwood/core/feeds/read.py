"""Bytes from a stranger to entries: RSS, Atom, JSON Feed or WordPress posts."""

import datetime as dt
from dataclasses import replace

from sapwood.core.feeds.data import MAX_FEED_BYTES, Feed, FeedError, FeedTooLargeError
from sapwood.core.feeds.decode import decode, without_declaration
from sapwood.core.feeds.json import read_json
from sapwood.core.feeds.normalise import normalised
from sapwood.core.feeds.xml import read_xml
from sapwood.core.http import CaptivePortalError, looks_like_web_page


def read_feed(raw: bytes, content_type: str, now: dt.datetime) -> Feed:
    """The feed in `raw`, whatever its dialect; raises FeedError when none can be read.

    What is wrong with single entries costs only these: they come with problems, or are listed as refused.
    """
    if len(raw) > MAX_FEED_BYTES:
        raise FeedTooLargeError(
            f"The feed has {len(raw):,} bytes; at most {MAX_FEED_BYTES:,} are read.",
            hint="Ask whoever runs the feed to list fewer entries.",
        )
    text, problems = decode(raw, content_type)
    text = without_declaration(text)
    if text.startswith(("{", "[")):
        found = read_json(text)
    elif looks_like_web_page(content_type if not text.startswith("<") else "", text[:1024].encode("utf-8", "replace")):
        raise CaptivePortalError(
            "A web page came instead of a feed.",
            hint="Give the address of the feed itself; or this network asks for a sign-in.",
        )
    elif text.startswith("<"):
        found = read_xml(text)
    else:
        raise FeedError("The document is neither XML nor JSON." if text else "The document is empty.", hint=_HINT)
    return normalised(replace(found, problems=problems + found.problems), now)


_HINT = "Give the address of an RSS, Atom or JSON feed."
