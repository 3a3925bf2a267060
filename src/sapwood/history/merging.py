"""Trial merges in memory, and what conflicts in them."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pygit2
from pygit2.enums import FileMode, MergeFavor

from sapwood.history.repositories import Source, shown_name

MAX_MEMORY_BYTES = 64_000_000
LOOKED_AT_BYTES: Final = 8000  # git's own rule (buffer_is_binary)
LFS: Final = b"version https://git-lfs.github.com/spec/"


class Kind(StrEnum):
    """Why two sides cannot be joined by themselves."""

    CONTENT = "content"
    MODIFY_DELETE = "modify/delete"
    ADD_ADD = "add/add"
    RENAME = "rename"
    BINARY = "binary"
    SUBMODULE = "submodule"
    SYMLINK = "symlink"
    FILE_DIRECTORY = "file/directory"


@dataclass(frozen=True, order=True)
class Conflict:
    """One file that conflicts; `origin` is its earlier name where it was renamed."""

    path: str
    kind: Kind
    origin: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a trial merge gave. In `tree`, each conflict is settled for the fork's side."""

    tree: pygit2.Oid
    conflicts: tuple[Conflict, ...]


Entry = pygit2.IndexEntry | None


def merge_commits(source: Source, ours: pygit2.Oid, theirs: pygit2.Oid) -> Outcome:
    """Merge two commits as `git merge` would in a recursive merge; `theirs` is the fork's side."""
    index = source.trial.merge_commits(ours, theirs)
    if not index.conflicts:
        return Outcome(index.write_tree(source.trial), ())
    base = source.trial.merge_base(ours, theirs)
    trees = [_tree(source, oid) for oid in (base or ours, ours, theirs)]
    conflicts = _conflicts(source, index, *trees)
    settled = source.trial.merge_commits(ours, theirs, favor=MergeFavor.THEIRS)
    return Outcome(_settle(source, settled, otherwise=trees[2]), conflicts)


def pick(source: Source, commit: pygit2.Commit, onto: pygit2.Oid) -> Outcome:
    """Put one commit's change onto a tree, as `git cherry-pick` would."""
    parent = commit.parents[0].tree_id if commit.parents else empty_tree(source)
    index = source.trial.merge_trees(_as_tree(source, parent), _as_tree(source, onto), _as_tree(source, commit.tree_id))
    if not index.conflicts:
        outcome = Outcome(index.write_tree(source.trial), ())
    else:
        conflicts = _conflicts(source, index, parent, onto, commit.tree_id)
        settled = source.trial.merge_trees(
            _as_tree(source, parent),
            _as_tree(source, onto),
            _as_tree(source, commit.tree_id),
            favor=MergeFavor.THEIRS,
        )
        outcome = Outcome(_settle(source, settled, otherwise=onto), conflicts)
    if source.memory.size_bytes > MAX_MEMORY_BYTES:
        source.memory.keep_only(outcome.tree)
    return outcome


def empty_tree(source: Source) -> pygit2.Oid:
    """The tree without a file, which the parent of a first commit has."""
    return source.trial.TreeBuilder().write()


def _tree(source: Source, commit: pygit2.Oid) -> pygit2.Oid:
    found = source.trial[commit].peel(pygit2.Commit)
    return found.tree_id


def _as_tree(source: Source, tree: pygit2.Oid) -> pygit2.Tree:
    return source.trial[tree].peel(pygit2.Tree)


def _settle(source: Source, index: pygit2.Index, *, otherwise: pygit2.Oid) -> pygit2.Oid:
    """The tree with the fork's side of each conflict that is left, or `otherwise` where that makes no tree."""
    try:
        for entries in list(index.conflicts or ()):
            for path in {entry.path for entry in entries if entry}:
                del index.conflicts[path]
            if entries[2]:
                index.add(entries[2])
        return index.write_tree(source.trial)
    except (pygit2.GitError, KeyError, ValueError):
        return otherwise


def _conflicts(
    source: Source, index: pygit2.Index, base: pygit2.Oid, ours: pygit2.Oid, theirs: pygit2.Oid
) -> tuple[Conflict, ...]:
    groups = [(_path(entries), entries) for entries in index.conflicts]
    # libgit2 notes a renamed file under each of its names: what stands alone is joined by looking for renames again.
    origins = dict[bytes, bytes]()
    if any(entries[0] is None for _, entries in groups):
        for side in (ours, theirs):
            origins |= _renames(source, base, side, {path for path, _ in groups})
    renamed = {origin: path for path, origin in origins.items()}
    found = set[Conflict]()
    for path, entries in groups:
        if path in renamed:
            continue
        if path in origins:
            found.add(Conflict(shown_name(path), Kind.RENAME, shown_name(origins[path])))
        else:
            found.add(Conflict(shown_name(path), _kind(source, entries)))
    return tuple(sorted(found))


def _path(entries: Iterable[Entry]) -> bytes:
    return next(os.fsencode(entry.path) for entry in entries if entry)


def _renames(source: Source, base: pygit2.Oid, side: pygit2.Oid, paths: set[bytes]) -> dict[bytes, bytes]:
    diff = _as_tree(source, base).diff_to_tree(_as_tree(source, side))
    diff.find_similar()
    pairs = ((delta.new_file.raw_path, delta.old_file.raw_path) for delta in diff.deltas)
    return {new: old for new, old in pairs if new != old and new in paths}


def _kind(source: Source, entries: tuple[Entry, Entry, Entry]) -> Kind:
    ancestor, *sides = entries
    there = [entry for entry in sides if entry]
    modes = {int(entry.mode) for entry in there}
    if FileMode.COMMIT in modes:
        return Kind.SUBMODULE
    if len(there) == 1:
        return Kind.MODIFY_DELETE if ancestor else Kind.FILE_DIRECTORY
    if not there:
        return Kind.RENAME
    if FileMode.LINK in modes:
        return Kind.SYMLINK
    if ancestor is None:
        return Kind.ADD_ADD
    return Kind.BINARY if any(_is_binary(source, entry) for entry in there) else Kind.CONTENT


def _is_binary(source: Source, entry: pygit2.IndexEntry) -> bool:
    """Whether a file cannot be joined by hand line by line: bytes, or a pointer to bytes that LFS keeps."""
    start = source.trial[entry.id].peel(pygit2.Blob).data[:LOOKED_AT_BYTES]
    return b"\0" in start or start.startswith(LFS)
