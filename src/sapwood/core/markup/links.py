"""Where a link in somebody else's text really leads, and whether people may be sent there."""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import parse_qsl, urljoin

import httpx
from django.utils.translation import gettext as _

MAX_LINK_CHARS = 2048
HTTPS_PORT = 443
MAX_PORT = 65535
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.ASCII | re.IGNORECASE)
_MAILBOX = re.compile(r"[a-z0-9.!#$&'*+/=?^_`{|}~-]{1,64}@([a-z0-9-]+\.)+[a-z0-9-]{2,}", re.ASCII | re.IGNORECASE)
_NUMERIC_HOST = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?", re.ASCII)
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)+\.?", re.ASCII)
# Scripts that are written together within one word (Unicode Technical Standard 39, "highly restrictive").
_WRITTEN_TOGETHER = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA"},
    {"LATIN", "CJK", "BOPOMOFO"},
    {"LATIN", "CJK", "HANGUL"},
)
# Letters of other scripts that look like Latin ones; a label made only of these imitates a Latin name.
_LATIN_LOOKALIKES = frozenset("асԁеһіјӏорԛѕԝхуѵԍьԛɡαινορυχωаеоѐёїӑӓӗӧӱ")


@dataclass(frozen=True)
class LinkReport:
    """What became of one link.

    `url` is the address in the form that is used; `host_shown` is what stands beside the link. With `ok`
    false nobody is sent there, and `why` says the reason; with `ok` true a `why` is a warning.
    """

    url: str
    host_shown: str
    ok: bool
    why: str = ""


def check_url(url: str, base: str = "") -> LinkReport:
    """Judge a link: https to a named host, or mailto to a plain mailbox; anything else is not followed.

    A relative link is resolved against `base` when there is one.
    """
    stripped = url.strip(" \t\r\n\f")
    if len(stripped) > MAX_LINK_CHARS:
        return _refused(stripped, _("longer than %d characters") % MAX_LINK_CHARS)
    if any(_never_in_urls(character) for character in stripped):
        return _refused(stripped, _("hidden or forbidden characters"))
    scheme = _SCHEME.match(stripped)
    if scheme is None:
        return _relative(stripped, base)
    if scheme[1].lower() == "mailto":
        return _check_mailto(stripped)
    if scheme[1].lower() != "https":
        return _refused(stripped, _("the scheme %s; only https and mailto are opened") % scheme[1].lower()[:20])
    return _check_https(stripped)


def host_with_spelling(host: str) -> tuple[str, str]:
    """A host as people should see it, and a warning when its letters may imitate another name."""
    labels = [_unicode_label(label) for label in host.rstrip(".").split(".")]
    readable = ".".join(labels)
    if readable == host.rstrip("."):
        return readable, ""
    if any(_imitates(label) for label in labels):
        return host, _("letters that imitate another name")
    return f"{readable} ({host})", ""


def _check_https(url: str) -> LinkReport:
    if not url[6:].startswith("//") or url[8:9] in {"", "/", "?", "#"}:
        return _refused(url, _("no host"))
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host.decode("ascii").lower()
    except (httpx.InvalidURL, UnicodeError, ValueError):
        return _refused(url, _("a host that cannot be read"))
    if "@" in re.split(r"[/?#]", url[8:], maxsplit=1)[0]:
        return _refused(url, _("a name or password in front of the host"))
    if fault := _host_fault(host, parsed.port):
        return _refused(url, fault)
    shown, warning = host_with_spelling(host)
    if parsed.port not in {None, HTTPS_PORT}:
        shown, warning = f"{shown}:{parsed.port}", warning or _("an unusual port")
    return LinkReport(str(parsed.copy_with(host=host)), shown, ok=True, why=warning)


def _host_fault(host: str, port: int | None) -> str:
    if _is_numeric(host):
        return _("a host written in numbers")
    if not _NAME.fullmatch(host):
        return _("no full host name")
    if port is not None and not 0 < port <= MAX_PORT:
        return _("a port that does not exist")
    return ""


def _check_mailto(url: str) -> LinkReport:
    mailbox, _mark, query = url[len("mailto:") :].partition("?")
    if not _MAILBOX.fullmatch(mailbox):
        return _refused(url, _("no plain mail address"))
    if any(name.lower() != "subject" for name, _value in parse_qsl(query, keep_blank_values=True)) or "%0" in query:
        return _refused(url, _("a mail that is written beforehand"))
    return LinkReport(url, mailbox.rpartition("@")[2].lower(), ok=True)


def _relative(url: str, base: str) -> LinkReport:
    if not base or url.startswith("//"):
        return _refused(url, _("no scheme"))
    try:
        absolute = urljoin(base, url)
    except ValueError:
        return _refused(url, _("an address that cannot be read"))
    return check_url(absolute) if _SCHEME.match(absolute) else _refused(url, _("no scheme"))


def _refused(url: str, why: str) -> LinkReport:
    shown = "".join("\N{REPLACEMENT CHARACTER}" if _never_in_urls(letter) else letter for letter in url[:200])
    return LinkReport(shown, "", ok=False, why=why)


def _never_in_urls(character: str) -> bool:
    return (
        character in ' "<>\\^`'
        or unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"}
    )  # fmt: skip


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return ":" in host or _NUMERIC_HOST.fullmatch(host) is not None
    return True


def _unicode_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return label


def _imitates(label: str) -> bool:
    letters = [letter for letter in label if unicodedata.category(letter)[0] == "L"]
    if any(unicodedata.category(letter)[0] in "CZ" for letter in label):
        return True
    scripts = {unicodedata.name(letter, "UNKNOWN").split(" ")[0].split("-")[0] for letter in letters}
    if len(scripts) > 1:
        return not any(scripts <= together for together in _WRITTEN_TOGETHER)
    return bool(letters) and not label.isascii() and all(letter in _LATIN_LOOKALIKES for letter in letters)
