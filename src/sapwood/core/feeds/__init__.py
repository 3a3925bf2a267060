"""Feeds from strangers: RSS, Atom, JSON Feed and WordPress posts as clean entries, politely fetched."""

from sapwood.core.feeds.data import (
    Feed,
    FeedEntry,
    FeedError,
    FeedForbiddenError,
    FeedTooLargeError,
    GuidSource,
    RefusedEntry,
)
from sapwood.core.feeds.identity import KnownEntry, Sighting, recognise
from sapwood.core.feeds.poll import FeedAnswerError, FeedGoneError, FeedState, Outcome, Polled, poll
from sapwood.core.feeds.read import read_feed
from sapwood.core.feeds.wordpress import Walk

__all__ = [
    "Feed",
    "FeedAnswerError",
    "FeedEntry",
    "FeedError",
    "FeedForbiddenError",
    "FeedGoneError",
    "FeedState",
    "FeedTooLargeError",
    "GuidSource",
    "KnownEntry",
    "Outcome",
    "Polled",
    "RefusedEntry",
    "Sighting",
    "Walk",
    "poll",
    "read_feed",
    "recognise",
]
