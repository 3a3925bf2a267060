"""From HTML to the Markdown of announcements, so that an imported text can be edited like any other."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser

from typing_extensions import override

from sapwood.core.markup.html import BLOCKS, RENAMED, TAGS, description, is_host_note, sanitised
from sapwood.core.markup.links import check_url
from sapwood.core.markup.text import safe_characters

_SPACES = re.compile(r"[ \t\n\r\f]+")
_SPECIAL = re.compile(r"([\\`*_\[\]<>~|!#])")
_LINE_START = re.compile(r"^([+=-]|\d{1,9}(?=[.)]))", re.MULTILINE)
_CODE_TICKS = re.compile(r"`+")
_TOKEN = re.compile(r"\\.|&amp;|.", re.DOTALL)
_VERBATIM = frozenset({"pre", "code"})
_HEADINGS = frozenset({"h3", "h4"})
_BREAK = "\x00"  # cannot stand in clean text; becomes a hard line break


def html_to_markdown(html: str, *, base: str = "") -> str:
    """Markdown whose words, blocks and links are those of `clean_html`; emphasis is kept where Markdown can.

    Double braces of a stranger are moved apart, so that they are no placeholder of ours.
    """
    writer = _MarkdownWriter()
    writer.feed(sanitised(html, base))
    writer.close()
    return writer.finished()


@dataclass
class _Frame:
    """One open element, and what it holds so far."""

    tag: str
    href: str = ""
    inline: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    items: int = 0
    has_markup: bool = False
    raw: bool = False  # inside code or preformatted text, where nothing has a meaning

    def end_paragraph(self) -> None:
        text = "".join(self.inline)
        self.inline.clear()
        if not self.raw:
            lines = _BREAK.join(line.strip() for line in text.split(_BREAK)).strip(_BREAK).split(_BREAK)
            text = "\\\n".join(_LINE_START.sub(_escaped_start, line) for line in lines)
        if text.strip():
            self.blocks.append(text)


class _MarkdownWriter(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._frames = [_Frame("")]
        self._verbatim = 0
        self._inside_host = 0

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._inside_host or is_host_note(tag, attrs):
            self._inside_host += tag == "span"
            return
        tag = RENAMED.get(tag, tag)
        if tag == "img":
            self.handle_data(description(attrs))
        elif tag == "br":
            self._frames[-1].inline.append("\n" if self._verbatim else _BREAK)
        elif tag in TAGS:
            if tag in BLOCKS and not self._verbatim:
                self._frames[-1].end_paragraph()
            self._verbatim += tag in _VERBATIM
            self._frames.append(_Frame(tag, dict(attrs).get("href") or "", raw=self._verbatim > 0))

    @override
    def handle_endtag(self, tag: str) -> None:
        if self._inside_host:
            self._inside_host -= tag == "span"
            return
        tag = RENAMED.get(tag, tag)
        if any(frame.tag == tag for frame in self._frames):
            while self._frames[-1].tag != tag:
                self._end(self._frames.pop())
            self._end(self._frames.pop())

    @override
    def handle_data(self, data: str) -> None:
        if self._inside_host:
            return
        text = safe_characters(data)
        if not self._verbatim:
            text = _escaped(_SPACES.sub(" ", text))
        self._frames[-1].inline.append(text)

    def finished(self) -> str:
        """The whole, with everything ended."""
        while len(self._frames) > 1:
            self._end(self._frames.pop())
        self._frames[0].end_paragraph()
        return "\n\n".join(self._frames[0].blocks).replace("{{", "{ {")

    def _end(self, frame: _Frame) -> None:
        parent = self._frames[-1]
        self._verbatim -= frame.tag in _VERBATIM
        if self._verbatim:
            parent.inline += [*(f"{block}\n" for block in frame.blocks), *frame.inline]
        elif frame.tag in BLOCKS:
            frame.end_paragraph()
            within_heading = any(outer.tag in _HEADINGS for outer in self._frames)
            parent.blocks += (_plain if within_heading else _BLOCK_WRITERS[frame.tag])(frame, parent)
        elif frame.blocks:  # emphasis or a link around whole paragraphs: the paragraphs matter more
            frame.end_paragraph()
            parent.end_paragraph()
            parent.blocks += frame.blocks
        else:
            before = parent.inline[-1][-1:] if parent.inline else ""
            parent.inline.append(_INLINE_WRITERS[frame.tag]("".join(frame.inline), frame, before))
            parent.has_markup = True


def _emphasised(mark: str) -> Callable[[str, _Frame, str], str]:
    """Emphasis, where CommonMark will see it: its marks must touch letters, and no other marks."""

    def write(text: str, frame: _Frame, before: str) -> str:
        tokens = _TOKEN.findall(text)
        start, end = 0, len(tokens)
        while start < end and _touches_nothing(tokens[start]):
            start += 1
        while end > start and _touches_nothing(tokens[end - 1]):
            end -= 1
        trimmed = any(not token.isspace() for token in tokens[:start] + tokens[end:])
        if start == end or (frame.has_markup and trimmed) or (start == 0 and before == "*"):
            return text
        return f"{''.join(tokens[:start])}{mark}{''.join(tokens[start:end])}{mark}{''.join(tokens[end:])}"

    return write


def _touches_nothing(token: str) -> bool:
    return len(token) > 1 or token == _BREAK or unicodedata.category(token)[0] in "PSZ"


def _code(text: str, _frame: _Frame, before: str) -> str:
    text = _SPACES.sub(" ", text).strip()
    if not text:
        return ""
    fence = "`" * (1 + max((len(ticks) for ticks in _CODE_TICKS.findall(text)), default=0))
    padding = " " if "`" in text else ""
    apart = " " if before == "`" else ""
    return f"{apart}{fence}{padding}{text}{padding}{fence}"


def _link(text: str, frame: _Frame, _before: str) -> str:
    report = check_url(frame.href)
    if not report.ok:
        return text
    return f"[{text.replace(_BREAK, ' ').strip()}](<{report.url}>)"


def _items(frame: _Frame, parent: _Frame) -> list[str]:
    parent.items += 1
    mark = f"{parent.items}. " if parent.tag == "ol" else "- "
    text = "\n\n".join(frame.blocks)
    return [mark + re.sub(r"\n(?=[^\n])", "\n" + " " * len(mark), text)] if text else []


def _fenced(frame: _Frame, _parent: _Frame) -> list[str]:
    text = "\n".join(frame.blocks).rstrip("\n")
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in _CODE_TICKS.findall(text)), default=0))
    return [f"{fence}\n{text}\n{fence}"] if text.strip() else []


def _quoted(frame: _Frame, _parent: _Frame) -> list[str]:
    text = "\n\n".join(frame.blocks)
    return ["\n".join(f"> {line}".rstrip() for line in text.split("\n"))] if text else []


def _plain(frame: _Frame, _parent: _Frame) -> list[str]:
    """A heading is one line: what HTML lets stand inside it becomes words."""
    return [_escaped(block) for block in frame.blocks] if frame.tag == "pre" else frame.blocks


def _heading(mark: str) -> Callable[[_Frame, _Frame], list[str]]:
    def write(frame: _Frame, _parent: _Frame) -> list[str]:
        text = " ".join(" ".join(frame.blocks).replace("\\\n", " ").split())
        return [f"{mark} {text}"] if text else []

    return write


def _list(frame: _Frame, _parent: _Frame) -> list[str]:
    return ["\n".join(frame.blocks)] if frame.blocks else []


_BLOCK_WRITERS: dict[str, Callable[[_Frame, _Frame], list[str]]] = {
    "p": lambda frame, _parent: frame.blocks,
    "h3": _heading("###"),
    "h4": _heading("####"),
    "ul": _list,
    "ol": _list,
    "li": _items,
    "pre": _fenced,
    "blockquote": _quoted,
}
_INLINE_WRITERS: dict[str, Callable[[str, _Frame, str], str]] = {
    "strong": _emphasised("**"),
    "em": _emphasised("*"),
    "code": _code,
    "a": _link,
}


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text.replace("&", "&amp;"))


def _escaped_start(found: re.Match[str]) -> str:
    return found[0] + "\\" if found[0].isdigit() else "\\" + found[0]
