"""Putting documents up for signature.

A staged document is one file: that is the truth. The metadata to be signed are assembled from what is published and
what is staged; assembling again without a change leaves the signatures that are already there.
"""

import copy
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tuf.api.metadata import DelegatedRole, Delegations, Metadata, TargetFile, Targets

from sapwood.channel.envelope import Envelope, read_envelope
from sapwood.channel.errors import DamagedRepositoryError, StagingError, UnknownRoleError
from sapwood.channel.layout import (
    CHANNELS,
    MAX_PER_YEAR,
    DocumentPath,
    Index,
    Segment,
    instant_text,
)
from sapwood.channel.publisher.folder import SERVED_MODE, Folder, Published, remove
from sapwood.core.files import write_atomically
from sapwood.formats.canonical import sha256_hex
from sapwood.formats.phrase import Figure, Phrase

CHANNEL_LIFETIME = dt.timedelta(days=365)
# A segment's authority ends with its channel's, its freshness with the timestamp's; its own date has to outlive both.
SEGMENT_LIFETIME = dt.timedelta(days=3650)


@dataclass(frozen=True)
class Staged:
    """A document that waits for signatures."""

    path: DocumentPath
    sha256: str
    type: str


def stage_document(folder: Folder, raw: bytes, *, channel: str, now: dt.datetime) -> Staged:
    """Validate a document and prepare it for signing; raises FormatError or StagingError."""
    [staged] = stage_documents(folder, [raw], channel=channel, now=now)
    return staged


def stage_documents(folder: Folder, raws: Sequence[bytes], *, channel: str, now: dt.datetime) -> list[Staged]:
    """The same for several documents of one channel; nothing is staged when one of them does not validate."""
    envelopes = [check_document(raw, channel) for raw in raws]
    staged = []
    with folder.writing():
        published = folder.published()
        known = _known(folder, published, channel)
        by_revision = {(path.uuid, path.revision): path for path in known}
        seq = _next_seq(known, now.year)
        for raw, document in zip(raws, envelopes, strict=True):
            path = by_revision.get((document.uuid, document.revision))
            if path is not None:
                staged.append(_same_again(folder, published, path, raw, document))
                continue
            _demand_room(seq)
            path = DocumentPath(channel, now.year, seq, document.uuid, document.revision)
            write_atomically(folder.staged_documents / str(path), raw, mode=SERVED_MODE)
            by_revision[document.uuid, document.revision] = path
            seq += 1
            staged.append(Staged(path, sha256_hex(raw), document.type))
        assemble(folder, published, channel, now=now)
    return staged


def check_document(raw: bytes, channel: str) -> Envelope:
    """Only what validates, and speaks for this channel, is ever signed."""
    if channel not in CHANNELS:
        raise UnknownRoleError(
            Phrase("There is no channel %(channel)s", channel=repr(channel)),
            hint=Phrase("Use one of %(names)s.", names=", ".join(CHANNELS)),
        )
    document = read_envelope(raw)
    if document.channel != channel:
        raise StagingError(
            Phrase(
                "The document says that it belongs to %(named)s, not to %(channel)s",
                named=repr(document.channel),
                channel=repr(channel),
            ),
            hint=Phrase("Stage it on %(channel)s or change its channel.", channel=document.channel),
        )
    return document


def assemble(folder: Folder, published: Published, channel: str, *, now: dt.datetime) -> list[str]:
    """Prepare the metadata of a channel for signing; returns the roles whose staged metadata changed."""
    delegator = delegator_of(folder, published, channel)
    role = _delegation(delegator, channel)
    keys = {
        key_id: key
        for key_id, key in (delegator.delegations.keys if delegator.delegations else {}).items()
        if key_id in role.keyids
    }
    top = copy.deepcopy(_signed(published.role(channel)))
    delegations = top.delegations = top.delegations or Delegations(keys={}, roles={})
    assert delegations.roles is not None  # noqa: S101 - ours never are succinct
    stale = [name for name, segment in delegations.roles.items() if _differs(segment, role)]
    delegations.keys = keys
    segments = {name: _next_version(published.role(name)) for name in stale}
    for path, file in folder.waiting_documents(channel).items():
        if path.segment.role not in segments:
            segments[path.segment.role] = _next_version(published.role(path.segment.role))
        segments[path.segment.role].targets[str(path)] = _target(folder, path, file.read_bytes(), now)
    if not segments:
        _drop_staged(folder, channel, keep=())
        return []
    for name in segments:
        segment = Segment.parse(name)
        assert segment is not None  # noqa: S101 - the name was made by Segment.role
        delegations.roles[name] = DelegatedRole(name, list(role.keyids), role.threshold, True, [segment.pattern])
    return _keep(folder, published, channel, top, segments, now)


def delegator_of(folder: Folder, published: Published | None, channel: str) -> Targets:
    """The top role as it concerns a channel: the staged one where that changes its keys, else the published one."""
    staged = folder.staged("targets")
    if published is None:
        return staged.signed if staged else Targets()
    if staged is None or not channel_changes(staged.signed, published.targets.signed, channel):
        return published.targets.signed
    signed: Targets = staged.signed
    return signed


def channel_changes(staged: Targets, published: Targets, channel: str) -> bool:
    """Do these two versions of the top role trust a channel's publications to different keys or numbers?"""
    return _differs(_delegation(published, channel), _delegation(staged, channel))


def staged_at(folder: Folder, path: DocumentPath) -> str | None:
    """When a waiting document was put up for signature."""
    segment = folder.staged(path.segment.role)
    target = segment.signed.targets.get(str(path)) if segment else None
    return _custom_at(target) if target else None


def _keep(
    folder: Folder, published: Published, channel: str, top: Targets, segments: dict[str, Targets], now: dt.datetime
) -> list[str]:
    changed = []
    for name, segment in segments.items():
        segment.expires = now + SEGMENT_LIFETIME
        if _stage_if_changed(folder, name, segment):
            changed.append(name)
    for year in sorted({parsed.year for name in segments if (parsed := Segment.parse(name))}):
        index = _index(published, channel, year, top, segments, now)
        before = folder.staged_target(index.path)
        if before is not None and Index.from_bytes(before, path=index.path).segments == index.segments and not changed:
            raw = before
        else:
            raw = index.to_bytes()
            write_atomically(folder.staged_targets / index.path, raw, mode=SERVED_MODE)
        top.targets[index.path] = TargetFile.from_data(index.path, raw)
    top.version += 1
    top.expires = now + CHANNEL_LIFETIME
    if _stage_if_changed(folder, channel, top):
        changed.append(channel)
    _drop_staged(folder, channel, keep={channel, *segments})
    return changed


def _index(
    published: Published, channel: str, year: int, top: Targets, segments: dict[str, Targets], now: dt.datetime
) -> Index:
    assert top.delegations is not None  # noqa: S101
    rows = []
    for name in sorted(top.delegations.roles or {}):
        segment = Segment.parse(name)
        if segment is not None and segment.year == year:
            signed = segments.get(name) or _signed(published.role(name))
            rows.append((segment, len(signed.targets)))
    return Index(channel, year, now, tuple(rows))


def _target(folder: Folder, path: DocumentPath, raw: bytes, now: dt.datetime) -> TargetFile:
    target = TargetFile.from_data(str(path), raw)
    at = staged_at(folder, path) or instant_text(now)
    target.unrecognized_fields["custom"] = {"at": at}
    return target


def _custom_at(target: TargetFile) -> str | None:
    at = target.custom.get("at") if isinstance(target.custom, dict) else None
    return str(at) if at else None


def _stage_if_changed(folder: Folder, name: str, signed: Targets) -> bool:
    """Keep what is staged, with its signatures, when it says the same but for its expiry."""
    before = folder.staged(name)
    if before is not None and _content(before.signed) == _content(signed):
        return False
    folder.stage_metadata(name, Metadata(signed))
    return True


def _content(signed: Any) -> dict[str, Any]:
    return {key: value for key, value in signed.to_dict().items() if key != "expires"}


def _drop_staged(folder: Folder, channel: str, *, keep: Iterable[str]) -> None:
    for name in set(folder.staged_roles()) - set(keep):
        segment = Segment.parse(name)
        if name == channel or (segment is not None and segment.channel == channel):
            remove(folder.staged_metadata / f"{name}.json")


def _known(folder: Folder, published: Published, channel: str) -> list[DocumentPath]:
    """Every publication of a channel, published or staged."""
    found = list(folder.waiting_documents(channel))
    for name in published.roles:
        segment = Segment.parse(name)
        if segment is not None and segment.channel == channel:
            targets = _signed(published.role(name)).targets
            found.extend(path for path in map(DocumentPath.parse, targets) if path)
    return found


def _next_seq(known: Iterable[DocumentPath], year: int) -> int:
    return max((path.seq for path in known if path.year == year), default=-1) + 1


def _demand_room(seq: int) -> None:
    if seq >= MAX_PER_YEAR:
        raise StagingError(
            Phrase("This channel holds %(most)s publications of one year", most=Figure(MAX_PER_YEAR)),
            hint=Phrase("Use another channel."),
        )


def _same_again(folder: Folder, published: Published, path: DocumentPath, raw: bytes, document: Envelope) -> Staged:
    staged = folder.staged_documents / str(path)
    if staged.is_file():
        before = staged.read_bytes()
    else:
        before = folder.target(_signed(published.role(path.segment.role)).targets[str(path)])
    if before != raw:
        raise StagingError(
            Phrase(
                "Revision %(revision)s of %(uuid)s is already there with other content",
                revision=path.revision,
                uuid=path.uuid,
            ),
            hint=Phrase("Give the changed document a new revision number."),
        )
    return Staged(path, sha256_hex(raw), document.type)


def _next_version(metadata: Metadata[Targets] | None) -> Targets:
    if metadata is None:
        return Targets(version=1)
    signed = copy.deepcopy(metadata.signed)
    signed.version += 1
    return signed


def _signed(metadata: Metadata[Targets] | None) -> Targets:
    if metadata is None:
        raise DamagedRepositoryError(
            Phrase("The snapshot lacks a role that another role names"), hint=Phrase("Restore a backup.")
        )
    return metadata.signed


def _delegation(delegator: Targets, channel: str) -> DelegatedRole:
    roles = delegator.delegations.roles if delegator.delegations else None
    if not delegator.delegations or not roles or channel not in roles:
        raise UnknownRoleError(
            Phrase("This repository has no channel %(channel)s", channel=repr(channel)),
            hint=Phrase("See: sapwood channel keys list."),
        )
    return roles[channel]


def _differs(segment: DelegatedRole, role: DelegatedRole) -> bool:
    return (sorted(segment.keyids), segment.threshold) != (sorted(role.keyids), role.threshold)


__all__ = [
    "Staged",
    "assemble",
    "channel_changes",
    "check_document",
    "delegator_of",
    "stage_document",
    "stage_documents",
    "staged_at",
]
