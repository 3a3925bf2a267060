"""A git repository, opened so that nothing can be written into it, and its names made harmless to show.

libgit2 reads objects; no hook, filter, merge driver or other program of the repository is run. Trial merges make
objects: they go into memory, because the object database that a trial works on knows the repository's own folders as
alternates only, and libgit2 never writes into alternates.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import ObjectType, RepositoryOpenFlag
from typing_extensions import override

from sapwood.core.errors import SapwoodError
from sapwood.core.markup.text import clean_text, safe_characters

MAX_SUBJECT = 200
CACHE_BYTES: Final = 64_000_000
FIRST: Final = 100  # above the priorities of libgit2's own backends, so that it is asked and written before them
TREE_MODE: Final = 0o040000

# Clones made with --filter open like others: what they lack is then said for the object that is needed.
pygit2.settings.set_extensions(["partialclone"])
pygit2.settings.cache_max_size(CACHE_BYTES)


class NotARepositoryError(SapwoodError):
    """The folder that was named is no git repository, or one of a kind that cannot be read."""

    code = "history.not_a_repository"


class ForeignRepositoryError(SapwoodError):
    """The repository belongs to another user of this machine, and git's configuration does not call it safe."""

    code = "history.foreign_repository"


class NoSuchRefError(SapwoodError):
    """The repository has no branch, tag or commit of this name."""

    code = "history.no_such_ref"
    exit_code = 2


class Unreadable(Exception):  # noqa: N818 - never shown: it becomes the reason of a status that is unknown
    """Something that an answer needs is not in the repository."""


class Memory(pygit2.OdbBackend):
    """Keeps every object that a trial makes in memory.

    libgit2 "freshens" an object that exists already by touching its file, backend by backend until one says that it has
    it. This one stands first and answers for the repository, so that not even a file's time changes.
    """

    def __init__(self, source: pygit2.Repository) -> None:
        super().__init__()
        self._source = source
        self._objects: dict[pygit2.Oid, tuple[int, bytes]] = {}
        self.size_bytes = 0

    def read_cb(self, oid: pygit2.Oid) -> tuple[int, bytes]:
        return self._objects[oid]

    def read_prefix_cb(self, prefix: str) -> tuple[int, bytes, pygit2.Oid]:
        oid = pygit2.Oid(hex=prefix)  # whole ids come by this way too; a shorter one is never asked for in a trial
        return *self._objects[oid], oid

    def read_header_cb(self, oid: pygit2.Oid) -> tuple[int, int]:
        kind, data = self._objects[oid]
        return kind, len(data)

    def exists_cb(self, oid: pygit2.Oid) -> bool:
        return oid in self._objects or oid in self._source.odb

    def exists_prefix_cb(self, prefix: str) -> pygit2.Oid:
        raise KeyError(prefix)

    def write_cb(self, oid: pygit2.Oid, data: bytes, kind: int) -> None:
        self._objects[oid] = (kind, bytes(data))
        self.size_bytes += len(data)

    def refresh_cb(self) -> None:
        """There is nothing to look at again."""

    @override
    def __iter__(self) -> Iterator[pygit2.Oid]:
        return iter(list(self._objects))

    def keep_only(self, tree: pygit2.Oid) -> None:
        """Forget every object but what this tree is made of."""
        wanted, kept = [tree], dict[pygit2.Oid, tuple[int, bytes]]()
        while wanted:
            oid = wanted.pop()
            if oid in kept or oid not in self._objects:
                continue
            kept[oid] = kind, data = self._objects[oid]
            if kind == ObjectType.TREE:
                wanted += _entries(data)
        self._objects = kept
        self.size_bytes = sum(len(data) for _, data in kept.values())


def _entries(tree: bytes) -> Iterator[pygit2.Oid]:
    """The ids in a tree object: mode, space, name, NUL, twenty bytes; and again."""
    at = 0
    while at < len(tree):
        end = tree.index(b"\0", at) + 21
        yield pygit2.Oid(raw=tree[end - 20 : end])
        at = end


class Source:
    """One repository: `repo` reads it as it is, `trial` merges over it, in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repo = _open(path)
        self.trial = _open(path)
        self.memory = Memory(self.repo)
        objects = pygit2.Odb()
        objects.add_backend(self.memory, FIRST)
        objects.add_disk_alternate(str(_common_folder(self.repo) / "objects"))  # and the alternates of that
        self.trial.set_odb(objects)

    def commit(self, ref: str) -> pygit2.Commit:
        """The commit that a branch, tag or id names."""
        try:
            return self.repo.revparse_single(ref).peel(pygit2.Commit)
        except (KeyError, ValueError, pygit2.GitError) as error:
            if ref == "HEAD" and self.repo.head_is_unborn:
                raise NoSuchRefError(
                    f"{shown_path(self.path)} has no commits", hint="Fetch its branches first."
                ) from error
            raise NoSuchRefError(
                f"{shown_path(self.path)} has no commit named {clean_text(ref, MAX_SUBJECT)}",
                hint="See 'git branch --all' and 'git tag'; fetch the remote that has it.",
            ) from error


def _open(path: Path) -> pygit2.Repository:
    try:
        return pygit2.Repository(str(path), RepositoryOpenFlag.NO_SEARCH)
    except (pygit2.GitError, ValueError) as error:
        why = clean_text(str(error), MAX_SUBJECT)
        if "not owned" in why:
            raise ForeignRepositoryError(
                f"{shown_path(path)} belongs to another user",
                hint="If you trust it: git config --global --add safe.directory, followed by its path.",
            ) from error
        if not path.exists() or "not found" in why.lower():
            raise NotARepositoryError(
                f"{shown_path(path)} is not a git repository", hint="Name the folder of a clone."
            ) from error
        raise NotARepositoryError(
            f"{shown_path(path)} cannot be read: {why}", hint="See 'git fsck' in that folder."
        ) from error


def _common_folder(repo: pygit2.Repository) -> Path:
    """Where the objects are: a worktree's own folder points to the one that it shares (see gitrepository-layout)."""
    folder = Path(repo.path)
    shared = folder / "commondir"
    return folder / os.fsdecode(shared.read_bytes().strip()) if shared.is_file() else folder


def shown_name(name: bytes) -> str:
    """A file's name as text: as it is where that is harmless, else quoted as git quotes it (core.quotePath)."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = ""
    if text and text.isprintable() and safe_characters(text) == text and not set(text) & {'"', "\\"}:
        return text
    plain = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
    return '"' + "".join(plain.get(b) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in name) + '"'  # noqa: PLR2004 - printable ASCII


def shown_path(path: Path | str) -> str:
    """A path or a name that somebody typed, shown as a file's name is."""
    return shown_name(os.fsencode(path))


def shown_subject(commit: pygit2.Commit) -> str:
    """The first line of a commit's message, whatever it holds, as one line of harmless text."""
    first = commit.raw_message.strip().split(b"\n", 1)[0]
    return clean_text(first.decode("utf-8", "replace"), MAX_SUBJECT)
