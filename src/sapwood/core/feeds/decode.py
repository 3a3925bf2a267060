"""From bytes to text, whatever the label says."""

import codecs
import re

from sapwood.core.feeds.data import FeedForbiddenError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UTF32_BOMS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_BARE_UTF16 = {b"<\x00": "utf-16-le", b"{\x00": "utf-16-le", b"\x00<": "utf-16-be", b"\x00{": "utf-16-be"}
# Character sets that extend ASCII without escape sequences, and that feeds still use. What is not here could
# hide markup behind harmless bytes (UTF-7, ISO-2022, HZ) or is not worth its risk.
_ALLOWED = frozenset(
    {"utf-8", "ascii", "gb2312", "gbk", "gb18030", "big5", "euc_jp", "euc_kr", "shift_jis"}
    | {"koi8-r", "koi8-u", "tis-620"}
    | {f"iso8859-{part}" for part in range(1, 17) if part != 12}  # noqa: PLR2004 - there is no part 12
    | {f"cp{page}" for page in range(1250, 1259)}
)  # fmt: skip
_WINDOWS = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
}  # what pages labelled so really hold (Encoding Standard)
_XML_LABEL = re.compile(rb"\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']")
_HTTP_LABEL = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"\A\s*<\?xml\s[^>]{0,300}\?>")


def decode(raw: bytes, content_type: str) -> tuple[str, list[str]]:
    """The text of a feed and what was wrong with its label; raises FeedForbiddenError for dangerous encodings.

    A byte order mark wins, then text that is valid UTF-8, then the label: labels lie more often.
    """
    if raw.startswith(_UTF32_BOMS):
        raise FeedForbiddenError("The feed is in UTF-32, which no feed needs.", hint=_HINT)
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            return _strict(raw[len(mark) :], encoding)
    if raw[:2] in _BARE_UTF16:
        return _strict(raw, _BARE_UTF16[raw[:2]])
    label = _label(raw, content_type)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return _by_label(raw, label)
    if label not in {"", "utf-8", "ascii"} and not text.isascii():
        return text, [f"The feed says that it is in {label}, but it is in UTF-8."]
    return text, []


def without_declaration(text: str) -> str:
    """The document without its XML declaration, whose encoding no longer holds."""
    return _XML_DECLARATION.sub("", text, count=1).lstrip("\ufeff \t\r\n")


_HINT = "Ask whoever runs the feed to publish it in UTF-8."


def _label(raw: bytes, content_type: str) -> str:
    """The encoding's name in Python's spelling, or nothing; a forbidden one is an error."""
    inside = _XML_LABEL.match(raw)
    outside = _HTTP_LABEL.search(content_type)
    name = outside[1] if outside else inside[1].decode("ascii") if inside else ""
    for candidate in {name, inside[1].decode("ascii") if inside else ""} - {""}:
        known = _python_name(candidate)
        if known not in _ALLOWED and not known.startswith("utf-16"):
            raise FeedForbiddenError(f"The feed says that it is in {candidate}, which is not accepted.", hint=_HINT)
    known = _python_name(name) if name else ""
    return "" if known.startswith("utf-16") else known  # without its mark and its zero bytes it cannot be that


def _python_name(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        return name.lower()


def _by_label(raw: bytes, label: str) -> tuple[str, list[str]]:
    encoding = _WINDOWS.get(label, label)
    if encoding not in {"", "utf-8"}:
        try:
            return raw.decode(encoding), []
        except UnicodeDecodeError:
            pass
    shown = label or "UTF-8"
    return raw.decode("utf-8", "replace"), [f"Some characters cannot be read: the feed is not in {shown}."]


def _strict(raw: bytes, encoding: str) -> tuple[str, list[str]]:
    try:
        return raw.decode(encoding), []
    except UnicodeDecodeError:
        return raw.decode(encoding, "replace"), [f"Some characters cannot be read: the feed is not in {encoding}."]
