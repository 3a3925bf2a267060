"""The only shapes in which a value may leave a Tutor root. What does not fit is not a fact."""

import re
from typing import Any
from urllib.parse import urlsplit

VERSION = re.compile(
    r"v?(?P<version>[0-9]{1,5}(?:\.[0-9]{1,5}){0,3}(?:(?:[-.+]?(?:a|b|rc|dev|post)|-r)[-.]?[0-9]{1,5}){0,3})"
)
REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,119}\Z")
IMAGE = re.compile(
    r"(?:[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?/)?[a-z0-9][a-z0-9._/-]{0,150}"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,100})?(?:@sha256:[0-9a-f]{64})?\Z"
)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}\Z")
PATCH_NAME = re.compile(r"[a-z][a-z0-9-]{2,79}\Z")
LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,2}\Z")
NAMED = re.compile(r"(?:open-)?release/(?P<line>[a-z]{3,20})(?:\.(?P<point>[0-9]{1,3}[a-z]?|master))?\Z")
COMMIT = re.compile(r"[0-9a-f]{7,40}\Z")


def literal(value: Any) -> str | None:
    """A text that stands as it is: no template to be rendered, one line."""
    if not isinstance(value, str) or "{{" in value or "{%" in value or "\n" in value:
        return None
    return value.strip() or None


def shaped(value: Any, shape: re.Pattern[str]) -> str | None:
    """The text when it has the shape, else None."""
    text = literal(value)
    return text if text and shape.match(text) else None


def version_in(text: str | None) -> str | None:
    """The version that a text begins with."""
    match = VERSION.match(text or "")
    return match["version"] if match else None


def whole_version(value: Any) -> str | None:
    """The text when all of it is a version."""
    text = literal(value)
    match = VERSION.fullmatch(text) if text else None
    return match["version"] if match else None


def truth(value: Any) -> bool | None:
    """A YAML truth, or None when it is not one."""
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    return words.get((literal(value) or "").lower())


def repository(value: Any) -> str | None:
    """Host and path of a repository's address, without anybody's name, password or token."""
    text = literal(value)
    if text is None:
        return None
    if "://" not in text:
        scp = re.fullmatch(r"(?:[A-Za-z0-9_-]+@)?([A-Za-z0-9.-]+):([A-Za-z0-9._/-]+)", text)
        text = f"ssh://{scp[1]}/{scp[2]}" if scp else text
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return None
    path = parts.path.strip("/").removesuffix(".git")
    if (
        not host
        or not re.fullmatch(r"[a-z0-9.-]{1,100}", host)
        or not re.fullmatch(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+", path)
    ):
        return None
    return f"{host}/{path}"


def image(value: Any) -> str | None:
    """An image's name and tag, when it is nothing else."""
    return shaped(value, IMAGE)


def image_parts(text: str | None) -> tuple[str, str | None]:
    """The last part of an image's name, and the version that its tag begins with."""
    bare = (text or "").partition("@")[0]
    name, _, tag = bare.rpartition(":") if ":" in bare.rpartition("/")[2] else (bare, "", "")
    return name.rpartition("/")[2], version_in(tag)
