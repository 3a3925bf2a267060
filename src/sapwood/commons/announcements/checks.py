"""What makes an announcement fit to publish, beyond its format; the same for files, forms, REST and imports."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sapwood.commons.announcements.data import Problem
from sapwood.commons.announcements.documents import document_bytes, path_in, read_announcement
from sapwood.commons.announcements.models import Channel
from sapwood.core.markup import check_url, clean_text
from sapwood.formats.announcement import Announcement, Kind
from sapwood.formats.canonical import JSON
from sapwood.formats.conditions import NotUnderstood, parts_of
from sapwood.formats.errors import FormatError
from sapwood.formats.phrase import Phrase

SECURITY_KINDS: Final = frozenset({Kind.ADVISORY, Kind.SECURITY_PRE_ANNOUNCEMENT})
MAX_TITLE_CHARS: Final = 200
_LINK: Final = re.compile(
    r"\]\(\s*<?([^)\s>]+)|<([a-zA-Z][a-zA-Z0-9+.-]*:[^>\s]+)>|^\s{0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)"
)
_PLACEHOLDER: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_HTML: Final = re.compile(r"</?[a-zA-Z][^>]*>|<!--")
_CODE: Final = re.compile(r"`[^`]*`")


@dataclass(frozen=True)
class Report:
    """What is wrong, and what is only doubtful."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def check_document(document: Mapping[str, JSON], *, organisation: str = "") -> Report:
    """Everything that keeps a document from being published, with its place in the document."""
    if unreadable := check_format(document):
        return Report(problems=unreadable)
    announcement = read_announcement(document_bytes(document, revision=1))
    problems = [
        *_channel_problems(announcement, organisation),
        *_text_problems(announcement),
        *_link_problems(announcement),
    ]
    return Report(tuple(problems), tuple(_warnings(announcement)))


def check_format(document: Mapping[str, JSON]) -> tuple[Problem, ...]:
    """What keeps a document from being read at all; a draft must pass at least this."""
    try:
        read_announcement(document_bytes(document, revision=1))
    except FormatError as error:
        return (Problem(Phrase.verbatim(error.message), Phrase.verbatim(error.hint), path=path_in(error)),)
    return ()


def _channel_problems(item: Announcement, organisation: str) -> Iterator[Problem]:
    if item.channel not in Channel.values:
        names = ", ".join(Channel.values)
        yield Problem(
            Phrase("There is no channel %(channel)s for announcements.", channel=repr(item.channel)),
            Phrase("Use one of %(names)s.", names=names),
            path="channel",
        )
    if item.kind in SECURITY_KINDS and item.channel != Channel.SECURITY:
        hint = Phrase("Write channel: security; a second person then has to approve it.")
        yield Problem(
            Phrase("A %(kind)s goes to the security channel only.", kind=item.kind.value), hint, path="channel"
        )
    if item.kind is Kind.CASE_STUDY and not organisation:
        hint = Phrase("Add organisation: with name: and email: of whom it describes.")
        yield Problem(Phrase("A case study must name the organisation that it describes."), hint, path="kind")


def _text_problems(item: Announcement) -> Iterator[Problem]:
    if not any(text.origin.value == "author" for text in item.texts.values()):
        yield Problem(Phrase("No text is the author's own."), Phrase("Leave origin out of the original."), path="texts")
    for locale, text in item.texts.items():
        for name in ("title", "summary", "question", "seeks"):
            value = getattr(text, name)
            if value and clean_text(value, len(value)) != value:
                hint = Phrase("Remove controls, direction overrides, invisible characters and doubled spaces.")
                yield Problem(
                    Phrase("The %(name)s holds characters that mislead readers.", name=name),
                    hint,
                    path=f"texts.{locale}.{name}",
                )
        if len(text.title) > MAX_TITLE_CHARS:
            hint = Phrase("Keep it to %(n)s.", n=MAX_TITLE_CHARS)
            yield Problem(
                Phrase("The title has %(n)s characters.", n=len(text.title)), hint, path=f"texts.{locale}.title"
            )
        yield from _body_problems(locale, text.body)


def _body_problems(locale: str, body: str) -> Iterator[Problem]:
    path = f"texts.{locale}.body"
    for number, line in _prose(body):
        if re.search(r"!\[", line):
            hint = Phrase("Link to the picture instead: remote pictures tell their server who reads.")
            yield Problem(Phrase("Pictures are not shown."), hint, line=number, path=path)
        if _HTML.search(line):
            yield Problem(Phrase("HTML is shown as text."), Phrase("Write Markdown."), line=number, path=path)
        for match in _LINK.finditer(line):
            address = next(group for group in match.groups() if group)
            report = check_url(address)
            if not report.ok:
                hint = Phrase("Write the whole https address.")
                yield Problem(
                    Phrase("The link %(address)s is not safe: %(why)s.", address=repr(address[:80]), why=report.why),
                    hint,
                    line=number,
                    path=path,
                )


def _link_problems(item: Announcement) -> Iterator[Problem]:
    for index, link in enumerate(item.links):
        report = check_url(link.url)
        if not report.ok:
            yield Problem(
                Phrase("The link is not safe: %(why)s.", why=report.why),
                Phrase("Write the whole https address."),
                path=f"links[{index}].url",
            )


def _warnings(item: Announcement) -> Iterator[Problem]:
    kinds = {link.kind for link in item.links}
    if item.kind is Kind.FEEDBACK_REQUEST and not kinds & {"survey", "forum"}:
        hint = Phrase("Add a link of the kind survey or forum.")
        yield Problem(Phrase("A feedback request without a way to answer is a one-way notice."), hint, path="links")
    if item.feedback and item.feedback.closes_at and (item.expires_at is None or item.expires_at > _day_after(item)):
        hint = Phrase("Set expires_at, so that nobody is sent to a closed survey.")
        yield Problem(Phrase("It stays after its question has closed."), hint, path="expires_at")
    for index, link in enumerate(item.links):
        if link.kind == "survey" and "?" in link.url:
            hint = Phrase("Make sure that none of them names a person or a site.")
            yield Problem(Phrase("The survey's address carries parameters."), hint, path=f"links[{index}].url")
    if item.condition is not None:
        for part in parts_of(item.condition):
            if isinstance(part, NotUnderstood):
                hint = Phrase("Sites will show it with a note that they cannot tell whether it concerns them.")
                yield Problem(Phrase("In the condition, %(why)s.", why=part.why), hint, path="condition")
    for locale, text in item.texts.items():
        for name in ("title", "summary", "body"):
            for placeholder in _unknown_placeholders(getattr(text, name)):
                hint = Phrase("Only {{site_name}} is filled in.")
                yield Problem(
                    Phrase("{{%(placeholder)s}} stays as it is.", placeholder=placeholder),
                    hint,
                    path=f"texts.{locale}.{name}",
                )


def _day_after(item: Announcement) -> dt.datetime:
    """A day's grace for whoever reads it late."""
    closes_at = item.feedback.closes_at if item.feedback else None
    return (closes_at or dt.datetime.max.replace(tzinfo=dt.UTC) - dt.timedelta(days=1)) + dt.timedelta(days=1)


def _unknown_placeholders(text: str) -> Iterable[str]:
    return [match[1][:40] for match in _PLACEHOLDER.finditer(text) if match[0] != "{{site_name}}"]


def _prose(body: str) -> Iterator[tuple[int, str]]:
    """The lines that are not code, numbered from 1; code spans are blanked."""
    fence = ""
    for number, line in enumerate(body.split("\n"), start=1):
        mark = re.match(r"\s{0,3}(`{3,}|~{3,})", line)
        if mark:
            fence = "" if fence and mark[1].startswith(fence) else fence or mark[1]
            continue
        if not fence:
            yield number, _CODE.sub("", line)
