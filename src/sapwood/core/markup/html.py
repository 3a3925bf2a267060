"""Markup from strangers, cut down to paragraphs, lists, emphasis, headings, code, quotations, checked links.

Two passes: nh3 parses the way a browser does and keeps the allow-list; then our own writer prints what nh3
left. The writer emits nothing but fixed tags, escaped text and attributes that it has judged itself, so its
output is safe even if the first pass erred.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape, unescape
from html.parser import HTMLParser

import nh3
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from typing_extensions import override

from sapwood.core.markup.links import LinkReport, check_url
from sapwood.core.markup.text import safe_characters
from sapwood.formats.errors import SapwoodError

MAX_MARKUP_CHARS = 1_000_000
MAX_DEPTH = 100
MAX_RAW_DEPTH = 400
HOST_CLASS = "host"
BLOCKS = frozenset({"p", "ul", "ol", "li", "pre", "h3", "h4", "blockquote"})
TAGS = BLOCKS | {"a", "strong", "em", "code", "br"}
RENAMED = {
    "h1": "h3",
    "h2": "h4",
    "h5": "h4",
    "h6": "h4",
    "b": "strong",
    "i": "em",
    "div": "p",
    "tt": "code",
}
_DIRECTIONS = frozenset({"ltr", "rtl", "auto"})
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}", re.ASCII)
_SPAN_HOST = ("class", HOST_CLASS)
# Bounded on both sides, so that a long word costs no more than its length.
_SCHEME_ENDS = re.compile(r"(?<![a-zA-Z0-9+.-])([a-zA-Z][a-zA-Z0-9+.-]{0,30}):")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_ANY_TAG = re.compile(r"<[^<>]*>")
# Elements without content, and those whose end is implied by the next of their kind.
_NEVER_DEEP = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
    | {"p", "li", "dt", "dd", "option", "tr", "td", "th", "tbody", "thead", "tfoot"}
)


class MarkupTooLargeError(SapwoodError):
    """A text is too long to be shown."""

    code = "markup.too_large"
    http_status = 413


def clean_html(html: str, *, base: str = "") -> SafeString:
    """The harmless part of some HTML, with the real host beside each link; cleaning it again changes nothing.

    Relative links are resolved against `base`, or lose their address.
    """
    return write(sanitised(html, base))


def html_to_text(html: str) -> str:
    """The words of some HTML, as safe text with line breaks between blocks."""
    collector = _Words()
    collector.feed(sanitised(html, ""))
    collector.close()
    lines = (" ".join(line.split()) for line in "".join(collector.parts).split("\n"))
    return safe_characters(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip())


def link_reports(html: str, *, base: str = "") -> list[LinkReport]:
    """Every link in some HTML in its order, also those that cleaning removes: for the eyes of a reviewer."""
    found: list[LinkReport] = []

    def note(tag: str, name: str, value: str) -> str | None:
        if (tag, name) == ("a", "href"):
            found.append(check_url(value, base))
        return None

    markup = _bounded(html)
    nh3.clean(
        markup,
        tags={"a"},
        attributes={"a": {"href"}},
        attribute_filter=note,
        url_schemes=_any_scheme(html),
    )
    return found


def sanitised(html: str, base: str) -> str:
    """The allow-listed part of some HTML, as nh3 leaves it."""

    def judge(tag: str, name: str, value: str) -> str | None:
        if name == "href":
            report = check_url(value, base)
            return report.url if report.ok else None
        if name == "dir":
            return value.lower() if value.lower() in _DIRECTIONS else None
        if name == "lang":
            return value if _LANGUAGE.fullmatch(value) else None
        return value if name == "alt" or (tag, name, value) == ("span", *_SPAN_HOST) else None

    clean = nh3.clean(
        _bounded(html),
        tags=set(TAGS) | set(RENAMED) | {"span", "img"},
        clean_content_tags={"script", "style", "template", "noscript", "iframe", "object", "title", "head"},
        attributes={"a": {"href"}, "span": {"class"}, "img": {"alt"}, "*": {"dir", "lang"}},
        attribute_filter=judge,
        url_schemes={"https", "mailto"},
        link_rel=None,
    )
    return clean if _depth(clean) <= MAX_DEPTH else nh3.clean(clean, tags=set())


def is_host_note(tag: str, attrs: list[tuple[str, str | None]]) -> bool:
    """Whether an element is our note of a link's host; only our own writer may say where a link leads."""
    return tag == "span" and _SPAN_HOST in attrs


def description(attrs: list[tuple[str, str | None]]) -> str:
    """The words that stand for a picture: fetching it would tell its server who reads."""
    return dict(attrs).get("alt") or ""


def write(clean: str, text: Callable[[str], str] = lambda part: part) -> SafeString:
    """Print sanitised HTML anew; `text` may replace parts of the text, and what it returns is escaped."""
    writer = _Writer(text)
    writer.feed(clean)
    writer.close()
    return mark_safe(writer.finished())  # noqa: S308 - built from fixed tags and escaped values only


def _bounded(html: str) -> str:
    if len(html) > MAX_MARKUP_CHARS:
        raise MarkupTooLargeError(
            gettext("The text has %(n)s characters; at most %(most)s can be shown.")
            % {"n": f"{len(html):,}", "most": f"{MAX_MARKUP_CHARS:,}"},
            hint=gettext("Shorten it, or link to the whole of it."),
        )
    html = safe_characters(html)
    # HTML's parsing rules take quadratic time on bottomless nesting, so that never reaches the parser.
    if _raw_depth(html) <= MAX_RAW_DEPTH:
        return html
    return escape(" ".join(unescape(_ANY_TAG.sub(" ", html)).split()), quote=False)


def _raw_depth(html: str) -> int:
    """How deep elements may come to lie in each other, before anything is parsed; too high rather than too low."""
    unclosed: Counter[str] = Counter()
    deepest = depth = 0
    for found in _TAG.finditer(html):
        name = found[2].lower()
        if name in _NEVER_DEEP:
            continue
        if not found[1]:
            unclosed[name] += 1
            depth += 1
            deepest = max(deepest, depth)
        elif unclosed[name]:
            unclosed[name] -= 1
            depth -= 1
    return deepest


def _depth(clean: str) -> int:
    """How deep elements lie in each other; nobody writes by hand what is deeper than MAX_DEPTH."""
    deepest = depth = 0
    for found in _TAG.finditer(clean):
        if found[2] not in {"br", "img"}:
            depth += -1 if found[1] else 1
            deepest = max(deepest, depth)
    return deepest


@dataclass
class _Open:
    tag: str
    after: str = ""


@dataclass
class _State:
    parts: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    open: list[_Open] = field(default_factory=list)


class _Writer(HTMLParser):
    """Prints allow-listed elements and escaped text, closes what is open, notes the host of each link."""

    def __init__(self, text: Callable[[str], str]) -> None:
        super().__init__(convert_charrefs=True)
        self._text = text
        self._state = _State()
        self._inside_host = 0

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._inside_host or is_host_note(tag, attrs):
            self._inside_host += tag == "span"
            return
        tag = RENAMED.get(tag, tag)
        if tag == "img":
            self.handle_data(description(attrs))
        if tag not in TAGS:
            return
        self._flush()
        given = dict(attrs)
        shared = "".join(f' {name}="{escape(value)}"' for name in ("dir", "lang") if (value := given.get(name)))
        if tag == "br":
            self._state.parts.append("<br>")
        elif tag == "a":
            self._open_link(given.get("href"), shared)
        else:
            self._open_element(tag, shared)

    @override
    def handle_endtag(self, tag: str) -> None:
        if self._inside_host:
            self._inside_host -= tag == "span"
            return
        tag = RENAMED.get(tag, tag)
        if not any(element.tag == tag for element in self._state.open):
            return
        self._flush()
        while (element := self._state.open.pop()).tag != tag:
            self._close(element)
        self._close(element)

    @override
    def handle_data(self, data: str) -> None:
        if not self._inside_host:
            self._state.pending.append(data)

    def finished(self) -> str:
        """The whole, with everything closed."""
        self._flush()
        while self._state.open:
            self._close(self._state.open.pop())
        return "".join(self._state.parts)

    def _flush(self) -> None:
        if self._state.pending:
            text = escape(self._text(safe_characters("".join(self._state.pending))), quote=False)
            if text.startswith("\n") and self._state.parts and self._state.parts[-1].startswith("<pre"):
                text = "\n" + text  # a browser swallows the first line end of a <pre>
            self._state.parts.append(text)
            self._state.pending.clear()

    def _open_element(self, tag: str, shared: str) -> None:
        if tag in BLOCKS and any(element.tag == "p" for element in self._state.open):
            # A paragraph that was a <div> may hold blocks; a real one may not, so it ends here.
            while self._close(self._state.open.pop()) != "p":
                pass
        self._state.parts.append(f"<{tag}{shared}>")
        self._state.open.append(_Open(tag))

    def _open_link(self, href: str | None, shared: str) -> None:
        report = check_url(href or "")
        if not report.ok:
            self._state.open.append(_Open("a", after=""))
            return
        self._state.parts.append(f'<a href="{escape(report.url)}" rel="noopener nofollow"{shared}>')
        self._state.open.append(_Open("a", after="</a>" + _host_note(report)))

    def _close(self, element: _Open) -> str:
        parts = self._state.parts
        if element.tag == "p" and parts[-1].startswith("<p") and not parts[-1].startswith("<pre"):
            parts.pop()  # nothing came since it was opened
        else:
            parts.append(element.after if element.tag == "a" else f"</{element.tag}>")
        return element.tag


class _Words(HTMLParser):
    """Collects text, with a line end around each block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.handle_data(description(attrs))
        if tag == "br" or RENAMED.get(tag, tag) in BLOCKS:
            self.parts.append("\n")

    @override
    def handle_endtag(self, tag: str) -> None:
        if RENAMED.get(tag, tag) in BLOCKS:
            self.parts.append("" if tag == "li" else "\n\n")

    @override
    def handle_data(self, data: str) -> None:
        self.parts.append(data.replace("\n", " "))


def _host_note(report: LinkReport) -> str:
    shown = report.host_shown
    if report.why:
        shown = gettext("%(host)s – careful: %(why)s") % {"host": shown, "why": report.why}
    return f'<span class="{HOST_CLASS}" dir="ltr"> {escape(shown, quote=False)}</span>'


def _any_scheme(html: str) -> set[str]:
    """Every word before a colon, so that nh3 shows also those links that it would drop by itself."""
    squeezed = re.sub(r"[\x00-\x20]", "", unescape(html))
    return {word.lower() for word in _SCHEME_ENDS.findall(squeezed)} | {"https"}
