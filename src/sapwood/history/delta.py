"""The migrations that one state of a project has beyond another, classified: from git or from folders, nothing run.

What is pending at a site depends on its database too. This is what is pending where the earlier state was migrated.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final, TypeVar

import pygit2

from sapwood.core.errors import SapwoodError
from sapwood.core.markup.text import clean_text
from sapwood.formats.canonical import sha256_hex
from sapwood.formats.migration_report import Operation, Step
from sapwood.history.altered import Read, settle
from sapwood.history.leaves import app_label, label_in
from sapwood.history.migrations import MAX_SOURCE_BYTES, Migration, read_migration
from sapwood.history.repositories import Source, shown_path

Sources = Mapping[str, Mapping[str, bytes]]
"""Label of an app to the names and sources of its migrations."""
Key = tuple[str, str]
Place = TypeVar("Place", bytes, Path)

FOLDER: Final = "migrations"
NUMBERED: Final = re.compile(r"[0-9]{4}_")
MAX_FILES: Final = 20_000
MAX_FOLDERS: Final = 64  # one in another
MAX_WORD: Final = 200
MAX_REASONS: Final = 5
MAX_OPERATIONS: Final = 1000


class TooManyMigrationsError(SapwoodError):
    """A state of a project holds more files of migrations than any project does."""

    code = "history.too_many_migrations"


class NoFolderError(SapwoodError):
    """A folder that was named is none, or cannot be read."""

    code = "history.no_folder"


def sources_of_commit(repo: Path, ref: str) -> Sources:
    """Every migration in the commit that a branch, tag or id names."""
    tree = Source(repo).commit(ref).tree
    found: dict[str, dict[str, bytes]] = {}
    for folder, names in _limited(_in_tree(tree, b"")):
        _take(found, label_in(tree, folder, _chain(names)), names)
    return found


def sources_of_folder(folder: Path) -> Sources:
    """Every migration under a folder: the packages of an environment, or an unpacked source."""
    if not folder.is_dir():
        raise NoFolderError(f"{shown_path(folder)} is not a folder", hint="Name a site-packages folder, or a source.")
    found: dict[str, dict[str, bytes]] = {}
    for place, names in _limited(_in_folder(folder)):
        apps = _content(place.parent / "apps.py")
        _take(found, app_label(place.parent.name, apps, _chain(names)), names)
    return found


def delta(before: Sources, after: Sources) -> tuple[Step, ...]:
    """What `after` would run where `before` was migrated, in an order that Django could take."""
    fresh = {
        (app, name): source
        for app, names in after.items()
        for name, source in names.items()
        if name not in before.get(app, {})
    }
    read = {key: read_migration(source) for key, source in fresh.items()}
    pending = {key: one for key, one in read.items() if key not in _not_run(read, before)}
    new: dict[str, frozenset[str]] = {}
    steps = []
    for app, name in _ordered(pending):
        one = classified(fresh[app, name], app, new.get(app, ()), partial(_source, after[app]))
        new[app] = one.new.union(new.get(app, ()))
        steps.append(
            Step(
                app=_word(app),
                name=_word(name),
                classes=one.classes,
                sha256=sha256_hex(fresh[app, name]),
                why=reasons(one),
                operations=operations(one),
                atomic=one.atomic,
            )
        )
    return tuple(steps)


def classified(source: bytes, app: str, new: Collection[str], read: Read) -> Migration:
    """One migration, its changed fields judged by their earlier forms. See `read_migration` and `settle`."""
    return settle(read_migration(source, new=new), app, read)


def reasons(read: Migration) -> tuple[str, ...]:
    """Why it is classified so, the reasons of its worst class first."""
    worst = sorted(read.operations, key=lambda operation: read.classes[0] not in operation.classes)
    found = dict.fromkeys([read.reason, *(operation.why for operation in worst)])
    return tuple(clean_text(reason, MAX_WORD) for reason in found if reason)[:MAX_REASONS]


def operations(read: Migration) -> tuple[Operation, ...]:
    """Its operations as a report carries them."""
    return tuple(
        Operation(
            kind=_word(one.kind),
            classes=one.classes,
            model=clean_text(one.model, MAX_WORD),
            field=clean_text(one.field, MAX_WORD),
            reversible=one.reversible,
            why=clean_text(one.why, MAX_WORD),
        )
        for one in read.operations[:MAX_OPERATIONS]
    )


def _source(names: Mapping[str, bytes], name: str) -> bytes:
    return names.get(name, b"")


def _word(text: str) -> str:
    return clean_text(text, MAX_WORD) or "?"


def _chain(names: Mapping[str, bytes]) -> dict[str, Migration]:
    return {name: read_migration(source) for name, source in names.items()}


def _take(found: dict[str, dict[str, bytes]], app: str, names: Mapping[str, bytes]) -> None:
    """Keep an app's migrations; where two folders are of one label, the first file of a name counts."""
    kept = found.setdefault(app or "?", {})
    for name, source in names.items():
        kept.setdefault(name, source)


def _limited(folders: Iterator[tuple[Place, dict[str, bytes]]]) -> Iterator[tuple[Place, dict[str, bytes]]]:
    count = 0
    for place, names in folders:
        count += len(names)
        if count > MAX_FILES:
            raise TooManyMigrationsError(
                f"There are more than {MAX_FILES:,} migrations", hint="Name the folder of one project or environment."
            )
        kept = {name: source for name, source in names.items() if _is_migration(name, source)}
        if kept:
            yield place, kept


def _is_migration(name: str, source: bytes) -> bool:
    """Other tools keep their own files in folders of this name."""
    return bool(NUMBERED.match(name)) or b"class Migration" in source


def _in_tree(tree: pygit2.Tree, at: bytes, depth: int = 0) -> Iterator[tuple[bytes, dict[str, bytes]]]:
    names = {}
    for entry in tree:
        raw = entry.raw_name or b""
        if isinstance(entry, pygit2.Tree) and depth < MAX_FOLDERS:
            yield from _in_tree(entry, at + b"/" + raw if at else raw, depth + 1)
        elif isinstance(entry, pygit2.Blob) and at.rpartition(b"/")[2] == FOLDER.encode():
            name = raw.decode("utf-8", "backslashreplace")
            if _is_module(name):
                names[name.removesuffix(".py")] = entry.data if entry.size <= MAX_SOURCE_BYTES else b""
    if names:
        yield at, names


def _in_folder(folder: Path) -> Iterator[tuple[Path, dict[str, bytes]]]:
    for place, folders, files in os.walk(folder):
        folders.sort()
        if Path(place).name != FOLDER:
            continue
        names = {name.removesuffix(".py"): _content(Path(place, name)) for name in sorted(files) if _is_module(name)}
        if names:
            yield Path(place), names


def _is_module(name: str) -> bool:
    """As Django's loader picks them."""
    return name.endswith(".py") and name[0] not in "_~"


def _content(path: Path) -> bytes:
    """At most as much as is ever parsed; empty where there is nothing to read, or nothing that ends."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(MAX_SOURCE_BYTES + 1)
    except (OSError, ValueError):
        return b""


def _not_run(read: Mapping[Key, Migration], before: Sources) -> set[Key]:
    """Squashes whose parts ran already, or partly, and the parts of squashes none of whose parts ran."""
    left = set[Key]()
    for key, one in read.items():
        ran = [name in before.get(app, {}) for app, name in one.replaces]
        if any(ran):
            left.add(key)
        elif ran:
            left.update(part for part in one.replaces if part != key)
    return left


def _ordered(pending: Mapping[Key, Migration]) -> Iterator[Key]:
    graph = {key: [needed for needed in one.dependencies if needed in pending] for key, one in pending.items()}
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError:  # Django refuses these; whoever reads the report still sees what is there
        yield from sorted(pending)
        return
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        yield from ready
        sorter.done(*ready)
