"""Old metadata and indexes leave the folder once no client can be on its way to them.

A client reads timestamp, snapshot, roles and targets one after the other, slowly perhaps, or through a cache that hands
out yesterday's timestamp. So whatever a snapshot reaches stays until that snapshot has been replaced for KEPT_FOR, and
the newest KEPT_VERSIONS stay in any case; a snapshot that is older has expired, and no client accepts it any more.
Roots stay for ever, because a site that slept follows them one by one; so do the publications.
"""

import datetime as dt
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from tuf.api.metadata import Snapshot, Targets

from sapwood.channel.errors import DamagedRepositoryError
from sapwood.channel.layout import CHANNELS, ONLINE_LIFETIME, hashed_path, index_paths
from sapwood.channel.publisher.folder import Folder, read_metadata, remove

logger = logging.getLogger(__name__)

KEPT_FOR = 2 * ONLINE_LIFETIME
KEPT_VERSIONS = 10
_METADATA = re.compile(r"(?P<version>[1-9]\d*)\.(?P<role>[a-z]+(-\d{4}-\d{4})?)\.json", re.ASCII)
_INDEX = re.compile(r"[0-9a-f]{64}\.index-\d{4}\.json", re.ASCII)


def prune(folder: Folder, *, now: dt.datetime) -> int:
    """Remove what only long replaced snapshots reached; the number of files. For whoever holds the write lock."""
    current = folder.published().snapshot.signed
    newest = {name.removesuffix(".json"): meta.version for name, meta in current.meta.items()}
    newest["snapshot"] = current.version
    metadata, indexes = set[str](), set[str]()
    for snapshot in _kept_snapshots(folder, current.version, now):
        metadata.add(f"{snapshot.version}.snapshot.json")
        metadata |= {f"{meta.version}.{name}" for name, meta in snapshot.meta.items()}
    for channel in CHANNELS:
        for name in metadata:
            if name.endswith(f".{channel}.json"):
                indexes |= _indexes(folder, name, channel)
    old = [path for path in folder.metadata.glob("*.json") if path.name not in metadata and _is_older(path, newest)]
    old += [path for path in folder.targets.glob("*/*") if _INDEX.fullmatch(path.name) and _served(path) not in indexes]
    try:
        remove(*old)
    except OSError as error:  # what was published is published
        logger.warning("old files of %s cannot be removed: %s", folder.path, error)
        return 0
    return len(old)


def _kept_snapshots(folder: Folder, newest: int, now: dt.datetime) -> Iterator[Snapshot]:
    found = (_METADATA.fullmatch(path.name) for path in folder.metadata.glob("*.snapshot.json"))
    versions = sorted((int(match["version"]) for match in found if match), reverse=True)
    replaced_at = now
    for number, version in enumerate(version for version in versions if version <= newest):
        if number >= KEPT_VERSIONS and replaced_at <= now - KEPT_FOR:
            return
        try:
            snapshot: Snapshot = read_metadata(folder.metadata / f"{version}.snapshot.json", Snapshot).signed
        except DamagedRepositoryError:
            continue  # no client can use it either
        yield snapshot
        replaced_at = snapshot.expires - ONLINE_LIFETIME


def _indexes(folder: Folder, name: str, channel: str) -> set[str]:
    try:
        role: Targets = read_metadata(folder.metadata / name, Targets).signed
    except DamagedRepositoryError:
        return set()
    return {hashed_path(path, role.targets[path].hashes["sha256"]) for path in index_paths(role.targets, channel)}


def _is_older(path: Path, newest: dict[str, int]) -> bool:
    match = _METADATA.fullmatch(path.name)
    return match is not None and match["role"] in newest and int(match["version"]) < newest[match["role"]]


def _served(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
