"""What a repository serves now: for whoever staged a document and wants to know whether it came out."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from sapwood.channel.layout import DocumentPath, Segment, parse_instant
from sapwood.channel.publisher.folder import Folder


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
    """Every document of these channels that waits for signatures."""
    return [path for channel in sorted(set(channels)) for path in folder.waiting_documents(channel)]
