"""Options that several commands of the channel share, and how their values are read."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from sapwood.channel.actions.publishing import OFFLINE_PASSPHRASE, ONLINE_PASSPHRASE, local_passphrase
from sapwood.channel.keys import KeyFile, Passphrase, load_key, passphrase_from_file, passphrase_from_terminal
from sapwood.channel.publisher.folder import Folder
from sapwood.channel.publisher.setup import KeyChange
from sapwood.core.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def repo_option(command: F) -> F:
    """Adds `--repo`."""
    return click.option(
        "--repo",
        type=click.Path(file_okay=False, path_type=Path),
        help="The repository's folder (var/commons/channel).",
    )(command)


def passphrase_option(command: F) -> F:
    """Adds `--passphrase-file`."""
    return click.option(
        "--passphrase-file", type=FILE, help="Holds the passphrase or PIN; mode 0600. Otherwise you are asked."
    )(command)


def passphrase(folder: Folder, file: Path | None) -> Passphrase:
    """From the file named, else from the files beside the repository's keys, else from the terminal."""
    if file is not None:
        return passphrase_from_file(file)
    if (folder.keys / OFFLINE_PASSPHRASE).is_file() and (folder.keys / ONLINE_PASSPHRASE).is_file():
        return local_passphrase(folder)
    return passphrase_from_terminal


def pairs(values: Iterable[str], option: str) -> list[tuple[str, str]]:
    """The parts of `ROLE=VALUE` options."""
    found = [tuple(value.partition("=")[::2]) for value in values]
    if any(not left or not right for left, right in found):
        raise UsageError(f"{option} takes ROLE=VALUE", hint=f"For example: {option} root=…")
    return [(left, right) for left, right in found]


def numbers(values: Iterable[str], option: str) -> dict[str, int]:
    """The thresholds in `ROLE=N` options."""
    try:
        return {role: int(value) for role, value in pairs(values, option)}
    except ValueError as error:
        raise UsageError(f"{option} takes ROLE=NUMBER", hint=f"For example: {option} root=2") from error


def key_files(values: Iterable[str], option: str) -> dict[str, list[KeyFile]]:
    """The keys in `ROLE=FILE` options, by role."""
    found: dict[str, list[KeyFile]] = {}
    for role, path in pairs(values, option):
        found.setdefault(role, []).append(load_key(Path(path)))
    return found


def key_changes(add: Iterable[str], remove: Iterable[str], threshold: Iterable[str]) -> list[KeyChange]:
    """What `--add`, `--remove` and `--threshold` ask for, as one change per role."""
    added = key_files(add, "--add")
    removed: dict[str, set[str]] = {}
    for role, key_id in pairs(remove, "--remove"):
        removed.setdefault(role, set()).add(key_id)
    thresholds = numbers(threshold, "--threshold")
    return [
        KeyChange(role, tuple(added.get(role, ())), frozenset(removed.get(role, ())), thresholds.get(role))
        for role in sorted({*added, *removed, *thresholds})
    ]
