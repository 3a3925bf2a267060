"""The subjects that the console offers: named by the installation, and changed by nobody but its operator."""

import hashlib
import os
import pwd
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sapwood.core.errors import NotFoundError, SapwoodError
from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades.conf import ACCOUNT, SUBJECTS
from sapwood.site.upgrades.data import Subject
from sapwood.site.upgrades.subject import SubjectError, read_subject

OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class NotOursError(SubjectError):
    """Others than the operating account may change a subject file, which names what is run."""

    code = "upgrades.not_ours"


@dataclass(frozen=True)
class Offer:
    """One subject file that the settings name: what it says, or why it is not offered."""

    key: str
    path: Path
    subject: Subject | None = None
    refusal: SapwoodError | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return self.subject.name if self.subject else self.path.name


def key_of(path: Path) -> str:
    """The same for the same file, short enough for an address."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def offers() -> list[Offer]:
    """Every subject of the settings, each read now."""
    owners = {0, _account()}
    return [_offer(Path(given), owners) for given in SUBJECTS.get()]


def offer(key: str) -> Offer:
    """The subject with this key; raises NotFoundError."""
    for found in offers():
        if found.key == key:
            return found
    raise NotFoundError(
        Phrase("There is no such deployment here"), hint=Phrase("SAPWOOD_UPGRADE_SUBJECTS names those that are.")
    )


def read_ours(path: Path, owners: Collection[int]) -> Subject:
    """Read a subject file that nobody but these accounts can change or replace. Raises SubjectError."""
    _refuse_foreign(path.resolve(), owners)
    return read_subject(path)


def _offer(given: Path, owners: Collection[int]) -> Offer:
    path = given.resolve()
    try:
        return Offer(key_of(path), path, subject=read_ours(path, owners))
    except SapwoodError as error:
        return Offer(key_of(path), path, refusal=error)


def _account() -> int:
    name = ACCOUNT.get()
    try:
        return pwd.getpwnam(name).pw_uid if name else os.geteuid()
    except KeyError:
        return 0  # nobody but root then


def _refuse_foreign(path: Path, owners: Collection[int]) -> None:
    for place in _way_to(path):
        try:
            found = place.lstat()
        except OSError as error:
            raise SubjectError(
                Phrase("%(path)s cannot be read: %(reason)s", path=place, reason=error.strerror or ""),
                hint=Phrase("Look at SAPWOOD_UPGRADE_SUBJECTS."),
            ) from None
        shared = found.st_mode & OTHERS_WRITE and not (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX)
        if found.st_uid not in owners or shared:
            raise NotOursError(
                Phrase("Others may change %(path)s, which names what is run", path=place),
                hint=Phrase("Give it to the account that runs Sapwood, and take the right to write from all others."),
            )


def _way_to(path: Path) -> Iterator[Path]:
    """The file and every folder above it: whoever may write to one of these may put another file in its place."""
    yield path
    yield from path.parents
