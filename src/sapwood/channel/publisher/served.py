"""What a repository serves now: for whoever staged a document and wants to know whether it came out."""

import datetime as dt
from collections.abc import Container, Iterable
from dataclasses import dataclass

from sapwood.channel.layout import DocumentPath, Index, Segment, index_path, parse_instant
from sapwood.channel.publisher.folder import Folder
from sapwood.formats.canonical import sha256_hex


@dataclass(frozen=True)
class Served:
    """A document that clients can reach."""

    path: DocumentPath
    sha256: str
    published_at: dt.datetime | None


def served_documents(folder: Folder, channels: Iterable[str]) -> list[Served]:
    """Every published document of these channels; none when nothing is published yet."""
    if not folder.has_published():
        return []
    published, wanted = folder.published(), set(channels)
    found: list[Served] = []
    for name in published.roles:
        segment = Segment.parse(name)
        metadata = published.role(name) if segment is not None and segment.channel in wanted else None
        for text, target in metadata.signed.targets.items() if metadata is not None else ():
            path = DocumentPath.parse(text)
            if path is not None:
                at = target.custom.get("at") if isinstance(target.custom, dict) else None
                found.append(Served(path, target.hashes["sha256"], parse_instant(at) if at else None))
    return found


def waiting_paths(folder: Folder, channels: Iterable[str]) -> list[DocumentPath]:
    """Every document of these channels that waits for signatures; not one that a crash kept from what is signed."""
    found = [path for channel in sorted(set(channels)) for path in folder.waiting_documents(channel)]
    listed = {segment: _listed(folder, segment) for segment in {path.segment for path in found}}
    return [path for path in found if str(path) in listed[path.segment]]


def _listed(folder: Folder, segment: Segment) -> Container[str]:
    """What the staged metadata of a segment name, if the index and the role above it were staged after it."""
    metadata, top = folder.staged(segment.role), folder.staged(segment.channel)
    place = index_path(segment.channel, segment.year)
    raw = folder.staged_target(place)
    target = top.signed.targets.get(place) if top else None
    if metadata is None or raw is None or target is None or target.hashes["sha256"] != sha256_hex(raw):
        return ()
    names: Container[str] = metadata.signed.targets
    counts = dict(Index.from_bytes(raw, path=place).segments)
    return names if counts.get(segment) == len(metadata.signed.targets) else ()
