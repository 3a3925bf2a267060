"""Typed settings, read from the environment.

Each setting is declared once with its type, default and help; the reference page is generated from this registry.
A value may stand in a file instead: `NAME_FILE=/path` (for secrets, so that they stay out of process lists).
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from sapwood.core.errors import SettingError

T = TypeVar("T")
REGISTRY: dict[str, "Setting[object]"] = {}


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting: `get()` gives its typed value or the default."""

    name: str
    parse: Callable[[str], T]
    default: T
    help: str
    kind: str
    secret: bool = False

    def get(self, environ: Mapping[str, str] | None = None) -> T:
        """The value now; raises SettingError when it cannot be read."""
        env = os.environ if environ is None else environ
        raw = env.get(self.name)
        if raw is None and (path := env.get(f"{self.name}_FILE")):
            try:
                raw = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SettingError(
                    f"{self.name}_FILE points to {path}, which cannot be read: {error.strerror}",
                    hint="Check the path and its permissions.",
                ) from error
        if raw is None:
            return self.default
        try:
            return self.parse(raw)
        except ValueError as error:
            shown = "the given value" if self.secret else repr(raw)
            raise SettingError(f"{self.name} cannot be {shown}: {error}", hint=self.help) from error


def _declare(item: Setting[T]) -> Setting[T]:
    REGISTRY[item.name] = item  # type: ignore[assignment]  # Setting is invariant; the registry only reads
    return item


def text(name: str, default: str, help_text: str, *, secret: bool = False) -> Setting[str]:
    """A setting whose value is text."""
    return _declare(Setting(name, str, default, help_text, "text", secret))


def boolean(name: str, default: bool, help_text: str) -> Setting[bool]:  # noqa: FBT001 - a default is data
    """A setting that is on or off."""

    def parse(raw: str) -> bool:
        words = {
            "1": True,
            "true": True,
            "yes": True,
            "on": True,
            "0": False,
            "false": False,
            "no": False,
            "off": False,
            "": False,
        }
        if raw.strip().lower() not in words:
            raise ValueError("use true or false")
        return words[raw.strip().lower()]

    return _declare(Setting(name, parse, default, help_text, "true or false"))


def integer(name: str, default: int, help_text: str) -> Setting[int]:
    """A setting whose value is a whole number."""
    return _declare(Setting(name, int, default, help_text, "whole number"))


def words(name: str, default: tuple[str, ...], help_text: str) -> Setting[tuple[str, ...]]:
    """A setting whose value is a comma-separated list."""

    def parse(raw: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in raw.split(",") if part.strip())

    return _declare(Setting(name, parse, default, help_text, "comma-separated list"))


def choice(name: str, options: tuple[str, ...], default: str, help_text: str) -> Setting[str]:
    """A setting that takes one of a few words."""

    def parse(raw: str) -> str:
        if raw not in options:
            raise ValueError(f"use one of {', '.join(options)}")
        return raw

    return _declare(Setting(name, parse, default, help_text, " or ".join(options)))


ROLE = choice("SAPWOOD_ROLE", ("commons", "site"), "site", "Which of the two roles this installation plays.")
VAR = text("SAPWOOD_VAR", "var", "The folder that holds all state.")
DATABASE_URL = text(
    "DATABASE_URL", "", "The control database; empty means SQLite at var/<role>/db.sqlite3.", secret=True
)
SECRET_KEY = text(
    "SAPWOOD_SECRET_KEY", "", "Signs sessions; empty means a key kept at var/<role>/secret.key.", secret=True
)
DEBUG = boolean("SAPWOOD_DEBUG", False, "Developer pages; never on a machine that others reach.")
HOSTS = words("SAPWOOD_HOSTS", ("localhost", "127.0.0.1", "[::1]"), "Host names that this installation answers to.")
BASE_URL = text("SAPWOOD_BASE_URL", "http://127.0.0.1:8001", "The address under which people reach this installation.")
SITE_NAME = text("SAPWOOD_SITE_NAME", "", "The institution's or project's name, as people read it on every page.")
LANGUAGE = text("SAPWOOD_LANGUAGE", "en", "The language of people who have not chosen one.")
TRUST_PROXY = boolean(
    "SAPWOOD_TRUST_PROXY", False, "A TLS-ending proxy in front sets X-Forwarded-Proto, and nobody else can."
)
HTTP_PROXY = text("SAPWOOD_HTTP_PROXY", "", "The trusted egress proxy for every outgoing request.", secret=True)
MAIL_URL = text(
    "SAPWOOD_MAIL_URL",
    "",
    "smtp://user:password@host:port, smtps:// or file:///folder; empty writes to var/<role>/mail.",
    secret=True,
)
MAIL_FROM = text("SAPWOOD_MAIL_FROM", "sapwood@localhost", "The sender's address of all mail.")
