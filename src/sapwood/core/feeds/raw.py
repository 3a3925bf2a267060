"""What the readers of the single dialects hand to the one normaliser."""

from dataclasses import dataclass, field

from sapwood.core.feeds.data import GuidSource, RefusedEntry


@dataclass(frozen=True)
class RawEntry:
    """An entry as its dialect says it: hostile text in every field."""

    position: int
    guid: str = ""
    guid_source: GuidSource = GuidSource.GIVEN
    url: str = ""
    title: str = ""
    title_is_html: bool = False
    summary: str = ""
    summary_is_html: bool = True
    body: str = ""
    body_is_html: bool = True
    language: str = ""
    categories: tuple[str, ...] = ()
    author: str = ""
    published: str = ""
    updated: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class RawFeed:
    """A feed as its dialect says it."""

    title: str
    base: str
    language: str
    entries: list[RawEntry]
    refused: list[RefusedEntry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    numbers: tuple[int, ...] = ()
