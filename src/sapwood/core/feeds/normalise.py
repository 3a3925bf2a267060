"""From what a dialect says to entries that are safe to store and to show."""

import datetime as dt
import hashlib
import re
from dataclasses import replace
from html import escape

from sapwood.core.feeds.data import Feed, FeedEntry, GuidSource, RefusedEntry
from sapwood.core.feeds.dates import instant
from sapwood.core.feeds.raw import RawEntry, RawFeed
from sapwood.core.markup import (
    MarkupTooLargeError,
    check_url,
    clean_html,
    clean_text,
    html_to_markdown,
    html_to_text,
    link_reports,
    safe_characters,
)

MAX_TITLE_CHARS, MAX_SUMMARY_CHARS, MAX_NAME_CHARS, MAX_GUID_CHARS, MAX_CATEGORIES = 300, 600, 120, 500, 20
_MAX_PROBLEMS = 20
_TITLE_WITHOUT = 80
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}", re.ASCII)
_MAIL_ADDRESS = re.compile(r"<?\b[\w.+-]+@[\w.-]+\.\w+\b>?")
_ENTITY_OR_TAG = re.compile(r"<[a-zA-Z/!][^<]*>|&(#\d+|#x[0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*);")


def normalised(raw: RawFeed, now: dt.datetime) -> Feed:
    """The feed with clean entries; entries that say the same twice are one."""
    problems = list(raw.problems)
    refused = list(raw.refused)
    entries: list[FeedEntry] = []
    for found in raw.entries:
        try:
            entries.append(_entry(found, raw, now))
        except MarkupTooLargeError as error:
            refused.append(RefusedEntry(found.position, clean_text(found.title, MAX_TITLE_CHARS), error.message))
    entries, repeated = _without_repetitions(entries)
    if repeated:
        problems.append(f"{repeated} entries stood in the feed more than once.")
    return Feed(_one_line(raw.title, MAX_TITLE_CHARS), tuple(entries), tuple(refused), tuple(problems), raw.numbers)


def _entry(raw: RawEntry, feed: RawFeed, now: dt.datetime) -> FeedEntry:
    problems = list(raw.problems)
    markup = raw.body if raw.body_is_html else _paragraphs(raw.body)
    base = feed.base if check_url(feed.base).ok else ""
    body = clean_html(markup, base=base)
    problems += _link_problems(markup, base)
    url = _page(raw.url, base, problems)
    words = html_to_text(raw.summary) if raw.summary_is_html else raw.summary
    summary = clean_text(words or html_to_text(body), MAX_SUMMARY_CHARS)
    title = html_to_text(raw.title) if raw.title_is_html else raw.title
    title = _one_line(title, MAX_TITLE_CHARS)
    if len(safe_characters(raw.title)) > MAX_TITLE_CHARS:
        problems.append("The title was longer than allowed and is cut off.")
    if not title:
        title = clean_text(summary, _TITLE_WITHOUT)
        problems.append("The entry has no title; its first words stand instead.")
    published_at, published_problem = instant(raw.published, now, "publication")
    updated_at, updated_problem = instant(raw.updated, now, "the last change")
    problems += [problem for problem in (published_problem, updated_problem) if problem]
    if not raw.published and not raw.updated:
        problems.append("The entry has no date.")
    guid, source = _identity(raw, title, problems)
    return FeedEntry(
        guid=guid, guid_source=source, url=url, title=title, summary=summary, body_html=str(body),
        body_markdown=html_to_markdown(markup, base=base), language=_language(raw.language or feed.language),
        categories=_names(raw.categories), author=_author(raw.author), published_at=published_at,
        updated_at=updated_at, fingerprint=_digest(title, str(body)),
        problems=tuple(problems[:_MAX_PROBLEMS]),
    )  # fmt: skip


def _identity(raw: RawEntry, title: str, problems: list[str]) -> tuple[str, GuidSource]:
    """The entry's own name, or one made from what changes least."""
    guid = " ".join(safe_characters(raw.guid).split())
    if guid and len(guid) <= MAX_GUID_CHARS:
        return guid, raw.guid_source
    problems.append("The entry has no usable identifier; one was made from its address and title.")
    return f"derived:{_digest(raw.url.strip(), title)}", GuidSource.DERIVED


def _without_repetitions(entries: list[FeedEntry]) -> tuple[list[FeedEntry], int]:
    """The same entry twice is one; another entry under a used identifier gets its own, and says so."""
    seen: dict[str, FeedEntry] = {}
    repeated = 0
    for entry in entries:
        first = seen.get(entry.guid)
        if first is None:
            seen[entry.guid] = entry
        elif first.fingerprint == entry.fingerprint:
            repeated += 1
        else:
            guid = f"derived:{_digest(entry.guid, entry.url, entry.title, entry.fingerprint)}"
            problem = "Another entry of this feed has the same identifier; this one was given its own."
            if guid in seen:
                repeated += 1
            else:
                seen[guid] = replace(
                    entry, guid=guid, guid_source=GuidSource.DERIVED, problems=(*entry.problems, problem)
                )
    return list(seen.values()), repeated


def _page(url: str, base: str, problems: list[str]) -> str:
    if not url.strip():
        return ""
    report = check_url(url, base)
    if report.ok and report.url.startswith("https:"):
        if report.why:
            problems.append(f"Careful with the entry's own address, {report.host_shown}: {report.why}.")
        return report.url
    problems.append(f"The entry's own address was removed: {report.why or 'it is not a web page'}.")
    return ""


def _link_problems(markup: str, base: str) -> list[str]:
    """What a reviewer should know about the links in the text."""
    doubtful = [report for report in link_reports(markup, base=base) if report.why]
    removed = {f"A link was removed: {report.why}." for report in doubtful if not report.ok}
    odd = {f"Careful with a link to {report.host_shown}: {report.why}." for report in doubtful if report.ok}
    return sorted(removed | odd)


def _one_line(text: str, length: int) -> str:
    return clean_text(html_to_text(text) if _ENTITY_OR_TAG.search(text) else text, length)


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part, quote=False)}</p>" for part in re.split(r"\n\s*\n", text) if part.strip())


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    clean = (_one_line(name, MAX_NAME_CHARS) for name in names[: 2 * MAX_CATEGORIES])
    return tuple(dict.fromkeys(name for name in clean if name))[:MAX_CATEGORIES]


def _author(name: str) -> str:
    """A name without the mail address that RSS puts beside it: nobody here needs it."""
    return _one_line(_MAIL_ADDRESS.sub("", name[: 4 * MAX_NAME_CHARS]), MAX_NAME_CHARS).strip(" ()")


def _language(tag: str) -> str:
    tag = tag.strip()
    return tag.replace("_", "-") if _LANGUAGE.fullmatch(tag) else ""


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()
