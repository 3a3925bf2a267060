"""Which commits make the same change: git's patch id, taken by libgit2, and what a patch id leaves out."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import pygit2
from pygit2.enums import DiffFlag, DiffOption

MAX_FILES: Final = 10_000  # a commit that touches more is not compared
_ENTRY: Final = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)  # one entry of a tree object
_TREE_MODES: Final = {b"40000", b"040000"}


class Patch(NamedTuple):
    """What a change is known by: its patch id (blanks do not count), and files and modes that have no lines."""

    patch_id: str
    rest: tuple[tuple[bytes, int, str, int, str], ...]


def changes(commit: pygit2.Commit) -> pygit2.Diff:
    """What a commit changes against its first parent, without looking for renames, as `git patch-id` is fed."""
    if commit.parents:
        return commit.parents[0].tree.diff_to_tree(commit.tree, flags=DiffOption.INDENT_HEURISTIC)
    return commit.tree.diff_to_tree(flags=DiffOption.INDENT_HEURISTIC, swap=True)


def patch_of(diff: pygit2.Diff) -> Patch:
    """The patch of a difference. Two binary files differ by their bytes, which a patch id does not look at."""
    patch_id = str(diff.patchid)  # reads the files, so that the flag below is known
    rest = []
    for delta in diff.deltas:
        old, new = delta.old_file, delta.new_file
        binary = bool(delta.flags & DiffFlag.BINARY)
        if binary or old.mode != new.mode:
            ids = (str(old.id), str(new.id)) if binary else ("", "")
            rest.append((new.raw_path, int(old.mode), ids[0], int(new.mode), ids[1]))
    return Patch(patch_id, tuple(rest))


def outline(repo: pygit2.Repository, commit: pygit2.Commit, most: int) -> tuple[bytes, ...] | None:
    """The files that a commit touches, which two equal patches share; None beyond `most` of them.

    Only the trees that differ are read: libgit2's own difference reads all of them, which takes twenty times as long.
    """
    found = list[bytes]()
    old = str(commit.parents[0].tree_id) if commit.parents else ""
    waiting = [(b"", old, str(commit.tree_id))]
    while waiting:
        folder, before, after = waiting.pop()
        for name, is_tree, ids in _differing(_entries(repo, before), _entries(repo, after)):
            if is_tree:
                waiting.append((folder + name + b"/", *ids))
            else:
                found.append(folder + name)
        if len(found) > most:
            return None
    return tuple(sorted(found))


def _entries(repo: pygit2.Repository, tree: str) -> set[tuple[bytes, bytes, bytes]]:
    return set(_ENTRY.findall(repo.odb.read(tree)[1])) if tree else set()


def _differing(
    before: set[tuple[bytes, bytes, bytes]], after: set[tuple[bytes, bytes, bytes]]
) -> Iterator[tuple[bytes, bool, tuple[str, str]]]:
    ids = dict[tuple[bytes, bool], list[str]]()
    for side, entries in enumerate((before - after, after - before)):
        for mode, name, oid in entries:
            ids.setdefault((name, mode in _TREE_MODES), ["", ""])[side] = oid.hex()
    for (name, is_tree), (old, new) in ids.items():
        yield name, is_tree, (old, new)


def equivalents(
    repo: pygit2.Repository,
    wanted: Iterable[pygit2.Oid],
    among: Iterable[pygit2.Commit],
    tick: Callable[[int], None],
) -> dict[pygit2.Oid, pygit2.Oid]:
    """For each wanted commit that another commit equals, that other one. Only what is wanted is kept in memory."""
    outlines = dict[tuple[bytes, ...] | None, list[pygit2.Oid]]()
    for oid in wanted:
        files = outline(repo, repo[oid].peel(pygit2.Commit), MAX_FILES)
        if files:
            outlines.setdefault(files, []).append(oid)
    most = max(map(len, filter(None, outlines)), default=0)
    patches = dict[tuple[bytes, ...], dict[Patch, list[pygit2.Oid]]]()
    found = dict[pygit2.Oid, pygit2.Oid]()
    for done, commit in enumerate(among if outlines else (), 1):
        tick(done)
        files = outline(repo, commit, most) if len(commit.parents) <= 1 else None
        if not files or files not in outlines:
            continue
        if files not in patches:
            patches[files] = dict[Patch, list[pygit2.Oid]]()
            for oid in outlines[files]:
                patch = patch_of(changes(repo[oid].peel(pygit2.Commit)))
                patches[files].setdefault(patch, []).append(oid)
        for oid in patches[files].get(patch_of(changes(commit)), ()):
            found.setdefault(oid, commit.id)
    return found
