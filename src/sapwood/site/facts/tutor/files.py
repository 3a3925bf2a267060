"""Reads files below one folder and nothing else: no way out by links, no devices, no giants, no explosive YAML."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sapwood.formats.phrase import Phrase

MAX_FILE_BYTES = 2 * 1024 * 1024
MAX_YAML_DEPTH = 40
MAX_YAML_ALIASES = 20
MAX_YAML_EVENTS = 100_000
MAX_FOLDER_ITEMS = 500


@dataclass
class Root:
    """A folder that is read with suspicion. `refused` says, by path, why something in it was not read."""

    folder: Path
    refused: dict[str, Phrase] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.folder.resolve()

    def text(self, name: str) -> str | None:
        """The text of a file, or None; the reason is in `refused` when it is there but was not read."""
        raw = self._bytes(name)
        if raw is None:
            return None
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self.refused[name] = Phrase("it is not UTF-8 text")
            return None

    def mapping(self, name: str) -> dict[str, Any] | None:
        """The mapping in a YAML file, every scalar as text, or None with the reason in `refused`.

        Reasons never quote the file: it is full of secrets.
        """
        text = self.text(name)
        if text is None:
            return None
        try:
            value = read_yaml(text)
        except YamlRefusedError as error:
            self.refused[name] = error.reason
            return None
        if not isinstance(value, dict):
            self.refused[name] = Phrase("it does not hold a mapping")
            return None
        return value

    def names(self, suffixes: tuple[str, ...]) -> list[str]:
        """The names of regular files in the folder that end with one of the suffixes."""
        try:
            with os.scandir(self.folder) as items:
                found = [item.name for item, _ in zip(items, range(MAX_FOLDER_ITEMS), strict=False)]
        except OSError:
            return []
        return sorted(name for name in found if name.endswith(suffixes))

    def changed_at(self, name: str) -> float | None:
        """When a file was last written, in seconds since 1970."""
        try:
            return (self.folder / name).lstat().st_mtime
        except OSError:
            return None

    def _bytes(self, name: str) -> bytes | None:
        try:
            return self._open_and_read(name)
        except FileNotFoundError:
            return None
        except FileRefusedError as error:
            self.refused[name] = error.reason
        except (OSError, RuntimeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            self.refused[name] = (
                Phrase("it cannot be read: %(reason)s", reason=reason) if reason else Phrase("it cannot be read")
            )
        return None

    def _open_and_read(self, name: str) -> bytes:
        real = (self.folder / name).resolve(strict=True)
        if not real.is_relative_to(self.folder):
            raise FileRefusedError(Phrase("it is a link that leads out of the folder"))
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileRefusedError(Phrase("it is not a regular file"))
            raw = file.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise FileRefusedError(Phrase("it is larger than %(n)s MB", n=MAX_FILE_BYTES // (1024 * 1024)))
        return raw


class FileRefusedError(Exception):
    """A file that is not read; the reason quotes nothing of it."""

    def __init__(self, reason: Phrase) -> None:
        super().__init__(reason)
        self.reason = reason


class YamlRefusedError(Exception):
    """A YAML text that is not read; the reason quotes nothing of it."""

    def __init__(self, reason: Phrase) -> None:
        super().__init__(reason)
        self.reason = reason


def read_yaml(text: str) -> Any:
    """The value of a YAML text with every scalar as text: no tags, no merges, few aliases, no deep nesting."""
    try:
        _measure(text)
        return yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506 - the base loader constructs nothing
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if mark is None:
            raise YamlRefusedError(Phrase("it is not YAML")) from None
        raise YamlRefusedError(Phrase("it is not YAML at line %(line)s", line=mark.line + 1)) from None
    except (yaml.YAMLError, ValueError, RecursionError, TypeError):
        raise YamlRefusedError(Phrase("it is not YAML")) from None


def _measure(text: str) -> None:
    depth = aliases = 0
    for events, event in enumerate(yaml.parse(text, Loader=yaml.CBaseLoader)):
        aliases += isinstance(event, yaml.AliasEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_YAML_DEPTH or aliases > MAX_YAML_ALIASES or events > MAX_YAML_EVENTS:
            raise YamlRefusedError(Phrase("it is nested too deeply or refers to itself too often"))
