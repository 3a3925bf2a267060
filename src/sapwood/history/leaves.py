"""The chains of migrations in a tree: their last links, and what a fork's own do to them.

Django refuses to migrate an app with two last migrations ("Conflicting migrations detected; multiple leaf nodes"),
and a migration whose predecessor is gone. Both are seen here from the files alone.
"""

import ast
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pygit2

from sapwood.history.migrations import MAX_SOURCE_BYTES, Migration, read_migration
from sapwood.history.repositories import shown_name

NUMBERED = re.compile(rb"(?:.*/)?migrations/[0-9]{4}_[^/]*\.py")


@dataclass(frozen=True)
class ForkedApp:
    """One app whose migrations, fork and target put together, do not end in one."""

    folder: str
    app: str
    fork_leaves: tuple[str, ...]
    target_leaves: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def is_forked(self) -> bool:
        """Whether Django would refuse; otherwise a file could not be read, and it is not known."""
        return bool(self.fork_leaves or self.missing)


def is_migration(path: bytes) -> bool:
    """Whether a file is named as a migration is: `…/migrations/NNNN_….py`."""
    return NUMBERED.fullmatch(path) is not None


def forked_app(folder: bytes, added: frozenset[str], target: pygit2.Tree, merged: pygit2.Tree) -> ForkedApp | None:
    """What `added`, the fork's own migrations in a folder, do to the target's chain; None when all is well."""
    chain = _read(merged, folder)
    there = _read(target, folder)
    label = label_in(merged, folder, chain)
    own = (added & set(chain)) - set(there)
    unread = tuple(sorted(name for name, one in chain.items() if not one.dependencies_read))
    missing = _missing(chain, label) - _missing(there, label)
    leaves = _leaves(chain, label)
    is_split = len(leaves) > max(1, len(_leaves(there, label)))
    # What could not be read may join the ends, so that these are then not known.
    fork_leaves = tuple(sorted(leaves & own)) if is_split and not unread else ()
    if not (missing or fork_leaves or unread):
        return None
    return ForkedApp(
        shown_name(folder), label, fork_leaves, tuple(sorted(leaves - own)), tuple(sorted(missing)), unread
    )


def _read(tree: pygit2.Tree, folder: bytes) -> dict[str, Migration]:
    """Every migration module of a folder by name, as Django's loader picks them."""
    found = {}
    for entry in _folder(tree, folder) or ():
        name = (entry.raw_name or b"").decode("utf-8", "backslashreplace")
        if isinstance(entry, pygit2.Blob) and name.endswith(".py") and name[0] not in "_~":
            data = entry.data if entry.size <= MAX_SOURCE_BYTES else b""
            found[name.removesuffix(".py")] = read_migration(data)
    return found


def _folder(tree: pygit2.Tree, folder: bytes) -> pygit2.Tree | None:
    here = tree
    for part in folder.split(b"/"):
        step = next((entry for entry in here if entry.raw_name == part), None)
        if not isinstance(step, pygit2.Tree):
            return None
        here = step
    return here


def label_in(tree: pygit2.Tree, folder: bytes, chain: Mapping[str, Migration]) -> str:
    """The label of the app whose migrations lie in a folder of a tree."""
    package = folder.rpartition(b"/")[0]
    usual = package.rpartition(b"/")[2].decode("utf-8", "backslashreplace")
    home = _folder(tree, package) if package else tree
    apps = next((entry for entry in home or () if entry.raw_name == b"apps.py"), None)
    source = apps.data if isinstance(apps, pygit2.Blob) and apps.size <= MAX_SOURCE_BYTES else b""
    return app_label(usual, source, chain)


def app_label(usual: str, apps: bytes, chain: Mapping[str, Migration]) -> str:
    """The app's label: as its `apps.py` says, else the name that its migrations call it by, else its folder's name."""
    declared = _declared(apps)
    if declared:
        return declared
    used = Counter(
        app for name, one in chain.items() for app, needed in one.dependencies if needed in chain and needed != name
    )
    return used.most_common(1)[0][0] if used and usual not in used else usual


def _declared(apps: bytes) -> str:
    try:
        body = ast.parse(apps).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    named = [_class_texts(node) for node in body if isinstance(node, ast.ClassDef)]
    found = {one.get("label") or one["name"].rpartition(".")[2] for one in named if "name" in one}
    return found.pop() if len(found) == 1 else ""


def _class_texts(node: ast.ClassDef) -> dict[str, str]:
    return {
        target.id: statement.value.value
        for statement in node.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name) and isinstance(statement.value.value, str)
    }


def _within(one: Migration, label: str) -> list[str]:
    """The names in its own app that a migration needs; `__first__` and its like name no file."""
    return [name for app, name in one.dependencies if app == label and not name.startswith("__")]


def _missing(chain: Mapping[str, Migration], label: str) -> set[str]:
    return {
        f"{name}: {needed}"
        for name, one in chain.items()
        for needed in _within(one, label)
        if needed not in chain and not _replaced(chain, label, needed)
    }


def _replaced(chain: Mapping[str, Migration], label: str, name: str) -> bool:
    return any((label, name) in one.replaces for one in chain.values())


def _leaves(chain: Mapping[str, Migration], label: str) -> set[str]:
    """The migrations that no other one of the app needs, as on a new database: a squash stands for what it replaces."""
    squashed = {name: by for by, one in chain.items() for app, name in one.replaces if app == label and name != by}
    needed = {
        _standing(squashed, name) for by, one in chain.items() if by not in squashed for name in _within(one, label)
    }
    return {name for name in chain if name not in squashed and name not in needed}


def _standing(squashed: Mapping[str, str], name: str) -> str:
    seen = {name}
    while (by := squashed.get(name)) and by not in seen:
        name = by
        seen.add(name)
    return name
