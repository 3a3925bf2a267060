"""What every publication shares: its envelope, its texts in many languages, and its links."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from sapwood.formats.canonical import shorten
from sapwood.formats.errors import SchemaError
from sapwood.formats.phrase import Phrase
from sapwood.formats.records import Record

SITE_NAME: Final = "{{site_name}}"
DEFAULT_LOCALE: Final = "en"
_UNSAFE_IN_URL: Final = frozenset('\\"<>^`{|}')


class Severity(StrEnum):
    """How much a publication matters to whoever is concerned."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """For sorting: none is 0, critical is 4."""
        return tuple(Severity).index(self)


class Audience(StrEnum):
    """For whom the author meant a publication; whom it reaches is the site's decision."""

    ADMINISTRATORS = "administrators"
    INSTRUCTORS = "instructors"
    LEARNERS = "learners"


class Origin(StrEnum):
    """Who put a text into its language."""

    AUTHOR = "author"
    COMMUNITY = "community"
    MACHINE = "machine"


class LinkKind(StrEnum):
    """Where a link leads. A kind that is not listed here is kept and shown as a plain link."""

    SURVEY = "survey"
    FORUM = "forum"
    DOCUMENTATION = "documentation"
    REGISTRATION = "registration"


@dataclass(frozen=True, kw_only=True)
class LocaleText(Record):
    """One language of a publication: one line of title, plain text of summary, Markdown of body.

    `question` and `seeks` translate those of a feedback request.
    """

    title: str
    summary: str = ""
    body: str = ""
    origin: Origin = Origin.AUTHOR
    translator: str = ""
    question: str = ""
    seeks: str = ""


@dataclass(frozen=True, kw_only=True)
class Link(Record):
    """A link to somewhere else, by https only; with `locale`, only for readers of that language."""

    kind: str
    url: str
    title: str = ""
    locale: str = ""


@dataclass(frozen=True, kw_only=True)
class Publication(Record):
    """The envelope: which document (`uuid`), which text of it (`revision`, from 1), on which channel."""

    uuid: UUID
    revision: int
    channel: str

    @property
    def type(self) -> str:
        """The document's type, as in its JSON."""
        return str(self.constants["type"])


def fill_placeholders(text: str, *, site_name: str) -> str:
    """Put the institution's name where `{{site_name}}` stands. Any other braces are text and stay.

    The name is put in once and not searched again; escaping for HTML or Markdown is the renderer's duty.
    """
    return text.replace(SITE_NAME, site_name)


def pick_locale(texts: Iterable[str], wanted: str | Iterable[str], default: str = DEFAULT_LOCALE) -> str | None:
    """Which of these languages to show: the first that matches what is wanted, then the default, then the
    first by name. None if there are none.
    """
    names = sorted(texts)
    first = [wanted] if isinstance(wanted, str) else [*wanted]
    return match_locale(names, [*first, default]) or next(iter(names), None)


def match_locale(texts: Iterable[str], wanted: str | Iterable[str]) -> str | None:
    """The language that matches the first possible wish, each cut from its end: es-419, then es; else None.
    (RFC 4647, section 3.4, look-up.)
    """
    available = {normal_locale(name): name for name in sorted(texts)}
    for locale in [wanted] if isinstance(wanted, str) else wanted:
        for shorter in _shorter_and_shorter(locale):
            if shorter in available:
                return available[shorter]
    return None


def normal_locale(locale: str) -> str:
    """A language tag for comparison: lower case, hyphens (es_419 and ES-419 are es-419)."""
    return locale.strip().replace("_", "-").lower()


def _shorter_and_shorter(locale: str) -> Iterable[str]:
    parts = normal_locale(locale).split("-")
    while parts:
        yield "-".join(parts)
        parts.pop()


def check_https(url: str, place: str) -> None:
    """Raise SchemaError unless this is a plain https address whose host a reader can trust their eyes on."""
    if problem := _problem_of(url):
        raise SchemaError(
            Phrase("The link %(place)s %(problem)s: %(url)s.", place=place, problem=problem, url=shorten(url)),
            hint=Phrase("Give an https address in ASCII; a name in another script in its xn-- form."),
            path=place,
        )


def check_links(links: Iterable[Link], place: str) -> None:
    """Raise SchemaError for the first link that is not a plain https address."""
    for index, link in enumerate(links):
        check_https(link.url, f"{place}[{index}]")


def _problem_of(url: str) -> Phrase | None:
    if not url.isascii() or not url.isprintable() or " " in url or _UNSAFE_IN_URL & set(url):
        return Phrase("holds a character that an address must not hold")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return Phrase("is not an address")
    if parts.scheme != "https" or not url.startswith("https://"):
        return Phrase("is not an https address")
    if "@" in parts.netloc:
        return Phrase("hides its host behind an @")
    return None if host and any(c.isalnum() for c in host) else Phrase("has no host")
