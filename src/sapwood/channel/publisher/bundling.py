"""What goes into an air-gap bundle, and whether a whole folder holds what it promises."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sapwood.channel.client.bundle import BUNDLE_URL, open_bundle, write_bundle
from sapwood.channel.client.fetch import FOLDER_URL, FolderFetcher
from sapwood.channel.client.trust import Trust
from sapwood.channel.client.walk import Haul, Known, Source, collect
from sapwood.channel.errors import DamagedRepositoryError
from sapwood.channel.layout import CHANNELS, channel_of, hashed_path
from sapwood.channel.publisher.folder import Folder


@dataclass(frozen=True)
class Check:
    """What a check of a folder or bundle found."""

    publications: dict[str, int]
    problems: tuple[str, ...]
    stale: bool
    expires_at: dt.datetime | None


def bundle_files(folder: Folder, channels: Iterable[str] = CHANNELS) -> list[tuple[str, bytes]]:
    """The served files that a site needs for these channels, from the first root on."""
    wanted = set(channels)
    published = folder.published()
    files = [(path, (folder.metadata.parent / path).read_bytes()) for path in _roots(folder)]
    version = published.timestamp.signed.snapshot_meta.version
    top = ("timestamp.json", f"{version}.snapshot.json")
    files += [(f"metadata/{name}", (folder.metadata / name).read_bytes()) for name in top]
    for role in published.roles:
        if role == "targets" or channel_of(role) in wanted:
            metadata = published.role(role)
            if metadata is None:
                continue
            files.append((f"metadata/{metadata.signed.version}.{role}.json", published.role_bytes(role)))
            for path, target in metadata.signed.targets.items():
                files.append((f"targets/{hashed_path(path, target.hashes['sha256'])}", folder.target(target)))
    return files


def make_bundle(folder: Folder, path: Path, channels: Iterable[str] = CHANNELS) -> int:
    """Write a bundle of what is published; returns its size in bytes."""
    return write_bundle(path, bundle_files(folder, channels))


def check_folder(folder: Folder, *, now: dt.datetime, root: bytes | None = None) -> Check:
    """Read the whole folder as a new site would, with the site's own code."""
    first = root or _first_root(folder)
    source = Source(f"{FOLDER_URL}metadata/", f"{FOLDER_URL}targets/", FolderFetcher(folder.metadata.parent))
    return _check(Trust.from_root(first), source, now, partial=False)


def check_bundle(path: Path, *, now: dt.datetime, root: bytes) -> Check:
    """Read a whole bundle as a new site would that trusts `root`."""
    with open_bundle(path) as fetcher:
        source = Source(f"{BUNDLE_URL}metadata/", f"{BUNDLE_URL}targets/", fetcher)
        return _check(Trust.from_root(root), source, now, partial=True)


def _check(trust: Trust, source: Source, now: dt.datetime, *, partial: bool) -> Check:
    haul = collect(trust, source, {channel: Known() for channel in CHANNELS}, now=now, time_floor=None)
    absent = {name for name, found in haul.channels.items() if partial and found.absent}
    return Check(
        publications={name: len(found.listed) for name, found in haul.channels.items() if name not in absent},
        problems=tuple(_problems(haul, absent)),
        stale=haul.error is not None and haul.error.code == "channel.stale",
        expires_at=haul.expires_at,
    )


def _problems(haul: Haul, absent: set[str]) -> Iterable[str]:
    if haul.error is not None:
        yield haul.error.message
    for name, found in haul.channels.items():
        if found.error is not None and name not in absent:
            yield f"{name}: {found.error.message}"
        for refused in found.refused:
            yield f"{refused.path}: {refused.message}"


def _roots(folder: Folder) -> list[str]:
    root = folder.newest_root()
    return [f"metadata/{version}.root.json" for version in range(1, root.signed.version + 1)] if root else []


def _first_root(folder: Folder) -> bytes:
    try:
        return (folder.metadata / "1.root.json").read_bytes()
    except OSError as error:
        raise DamagedRepositoryError(f"{folder.path} has no 1.root.json", hint="Restore it from a backup.") from error
