"""From verified roles to verified documents: what a channel lists, and the bytes of what is new in it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import DelegatedRole, TargetFile, Targets
from tuf.ngclient import FetcherInterface

from sapwood.channel.client.trust import Session, Trust, explained, signer_key_ids
from sapwood.channel.envelope import Envelope, read_envelope
from sapwood.channel.errors import (
    ChannelError,
    ClockError,
    NoSuchChannelError,
    PullBusyError,
    RevisionChangedError,
    UnreachableError,
    VerificationError,
    WrongPlaceError,
)
from sapwood.channel.layout import DocumentPath, Index, channel_of, index_paths, parse_instant
from sapwood.formats.errors import FormatError, TooBigError
from sapwood.formats.phrase import Figure, Phrase

MAX_INDEX_BYTES = 2_000_000
MAX_DOCUMENT_BYTES = 10_000_000
# One pull holds at most this much in memory; what is left over comes with the next one.
MAX_HAUL_BYTES = 64_000_000
SIGNED_AT_FIELD = "x-sapwood-signed-at"


@dataclass(frozen=True)
class Listed:
    """A publication that the verified roles list."""

    path: DocumentPath
    sha256: str
    at: dt.datetime | None
    verified_by: tuple[str, ...]
    target: TargetFile


@dataclass(frozen=True)
class VerifiedDocument:
    """A publication whose bytes match the verified roles and could be read."""

    listed: Listed
    raw: bytes
    envelope: Envelope


@dataclass(frozen=True)
class RefusedDocument:
    """A publication that was refused on its own.

    `unverified` says that its bytes are missing or wrong; otherwise they are what was signed, but cannot be used.
    """

    path: DocumentPath
    sha256: str
    code: str
    message: str
    hint: str
    unverified: bool = False
    raw: bytes | None = None


@dataclass
class ChannelHaul:
    """What one pull found in one channel; with an `error`, the rest is empty and nothing is to be concluded from it."""

    listed: dict[str, Listed] = field(default_factory=dict)
    fresh: list[VerifiedDocument] = field(default_factory=list)
    refused: list[RefusedDocument] = field(default_factory=list)
    indexes: dict[str, bytes] = field(default_factory=dict)
    published_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    error: ChannelError | None = None
    more: bool = False

    @property
    def absent(self) -> bool:
        """Does the source simply not carry this channel, as a bundle of some channels does not?"""
        return isinstance(self.error, UnreachableError)


@dataclass(frozen=True)
class Known:
    """What the site holds of one channel: hashes by path, indexes, and verified bytes that it could not read."""

    documents: Mapping[str, str] = field(default_factory=dict)
    indexes: Mapping[str, bytes] = field(default_factory=dict)
    unread: Mapping[str, bytes] = field(default_factory=dict)


@dataclass
class Haul:
    """What one pull brings home. `trust` is safe to store also when there is an `error`."""

    trust: Trust
    channels: dict[str, ChannelHaul] = field(default_factory=dict)
    time_floor: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    error: ChannelError | None = None


@dataclass(frozen=True)
class Source:
    """Where a pull reads from: one address for everything, and other places for documents that are missing there."""

    metadata_url: str
    targets_url: str
    fetcher: FetcherInterface
    other_targets_urls: Sequence[str] = ()


def collect(
    trust: Trust,
    source: Source,
    wanted: Mapping[str, Known],
    *,
    now: dt.datetime,
    time_floor: dt.datetime | None,
) -> Haul:
    """Verify what the source offers and fetch what is new in the wanted channels; failures are part of the result."""
    check_clock(now, time_floor)
    session = Session(
        trust, metadata_url=source.metadata_url, targets_url=source.targets_url, fetcher=source.fetcher, now=now
    )
    with session:
        haul = Haul(trust=trust, time_floor=time_floor)
        try:
            _collect(session, source, wanted, haul, now)
        except PullBusyError:
            raise
        except ChannelError as error:
            haul.error = error
        haul.trust = session.trusted()
    return haul


def check_clock(now: dt.datetime, time_floor: dt.datetime | None) -> None:
    """A clock that stands before something already published cannot judge what has expired; raises ClockError."""
    if time_floor is not None and now < time_floor:
        raise ClockError(
            Phrase(
                "This machine's clock says %(now)s UTC, but verified data were published at %(published)s UTC",
                now=f"{now:%Y-%m-%d %H:%M:%S}",
                published=f"{time_floor:%Y-%m-%d %H:%M:%S}",
            ),
            hint=Phrase("Correct the clock (timedatectl), then pull again."),
        )


def _collect(session: Session, source: Source, wanted: Mapping[str, Known], haul: Haul, now: dt.datetime) -> None:
    client = session.refresh()
    haul.expires_at = min(client.timestamp.expires, client.snapshot.expires)
    haul.time_floor = _later(haul.time_floor, _signed_at(client.timestamp.unrecognized_fields))
    check_clock(now, haul.time_floor)
    room = MAX_HAUL_BYTES
    for channel, known in wanted.items():
        found = haul.channels[channel] = ChannelHaul()
        try:
            with explained():
                _list(session, channel, known, found)
                haul.time_floor = _later(haul.time_floor, found.published_at)
                check_clock(now, found.published_at)
                room = _fetch(session, source, known, found, room)
        except (ClockError, PullBusyError):
            raise
        except ChannelError as error:
            haul.channels[channel] = ChannelHaul(error=error)


def _list(session: Session, channel: str, known: Known, found: ChannelHaul) -> None:
    client = session.client
    delegation = _delegation(client.targets, channel)
    if delegation is None:
        raise NoSuchChannelError(
            Phrase("The publisher has no channel %(channel)s", channel=repr(channel)),
            hint=Phrase("See which there are: channel status."),
        )
    role = client.delegated(channel, "targets")
    found.expires_at = role.expires
    for path in index_paths(role.targets, channel):
        index, raw = _index(session, role, path, known)
        found.indexes[path] = raw
        found.published_at = _later(found.published_at, index.published_at)
        for segment, count in index.segments:
            _list_segment(session, channel, role, segment.role, count, found)


def _index(session: Session, role: Targets, path: str, known: Known) -> tuple[Index, bytes]:
    target = role.targets[path]
    raw = known.indexes.get(path)
    if raw is None or not _matches(target, raw):
        if target.length > MAX_INDEX_BYTES:
            raise VerificationError(
                Phrase("The index %(path)s has %(length)s bytes", path=path, length=Figure(target.length)),
                hint=Phrase("Tell the publisher."),
            )
        raw = session.client.download(target, session.target_folder / "index")
    return Index.from_bytes(raw, path=path), raw


def _list_segment(session: Session, channel: str, role: Targets, name: str, count: int, found: ChannelHaul) -> None:
    delegation = _delegation(role, name)
    if delegation is None or channel_of(name) != channel:
        raise VerificationError(
            Phrase(
                "The index of %(channel)s names %(name)s, which the channel does not know", channel=channel, name=name
            )
        )
    segment = session.client.delegated(name, channel)
    if len(segment.targets) != count:
        raise VerificationError(
            Phrase(
                "%(name)s lists %(listed)s publications, but its index says %(count)s",
                name=name,
                listed=len(segment.targets),
                count=count,
            )
        )
    signers = tuple(signer_key_ids(session.role_bytes(name), name, role))
    for path, target in segment.targets.items():
        document = DocumentPath.parse(path)
        if document is None or document.segment.role != name or not delegation.is_delegated_path(path):
            raise VerificationError(
                Phrase("%(name)s lists %(path)s, which is not its to list", name=name, path=repr(path[:120]))
            )
        found.listed[path] = Listed(document, target.hashes["sha256"], _at(target), signers, target)


def _fetch(session: Session, source: Source, known: Known, found: ChannelHaul, room: int) -> int:
    revisions = {(path.uuid, path.revision): str(path) for path in map(DocumentPath.parse, known.documents) if path}
    for path, listed in sorted(found.listed.items()):
        if known.documents.get(path) == listed.sha256:
            continue
        if (refusal := _unfit(listed, known, revisions)) is not None:
            found.refused.append(refusal)
            continue
        if listed.target.length > room:
            found.more = True
            break
        room -= listed.target.length
        raw = known.unread.get(path)
        if raw is None or not _matches(listed.target, raw):
            raw = _download(session, source, listed, found)
        if raw is None:
            continue
        verdict = read_document(listed, raw)
        if isinstance(verdict, VerifiedDocument):
            found.fresh.append(verdict)
            revisions[listed.path.uuid, listed.path.revision] = path
        else:
            found.refused.append(verdict)
    return room


def _unfit(listed: Listed, known: Known, revisions: Mapping[tuple[str, int], str]) -> RefusedDocument | None:
    """Why a listed publication is refused before its bytes are asked for, if it is."""
    path = listed.path
    if listed.target.length > MAX_DOCUMENT_BYTES:
        message = Phrase(
            "It has %(size)s bytes; at most %(most)s are taken",
            size=Figure(listed.target.length),
            most=Figure(MAX_DOCUMENT_BYTES),
        )
        return RefusedDocument(path, listed.sha256, TooBigError.code, message, Phrase("Tell the publisher."))
    before = revisions.get((path.uuid, path.revision))
    if str(path) in known.documents or before is not None:
        message = Phrase(
            "Revision %(revision)s of %(uuid)s is already here, and a revision never changes",
            revision=path.revision,
            uuid=path.uuid,
        )
        return RefusedDocument(path, listed.sha256, RevisionChangedError.code, message, Phrase("Tell the publisher."))
    return None


def _download(session: Session, source: Source, listed: Listed, found: ChannelHaul) -> bytes | None:
    """The document's bytes from the first place that has them; a failure everywhere is one refusal."""
    first: ChannelError | None = None
    for base in (source.targets_url, *source.other_targets_urls):
        try:
            with explained():
                return session.client.download(listed.target, session.target_folder / "document", base)
        except PullBusyError:
            raise
        except ChannelError as error:
            first = first or error
    if first is not None:
        refusal = RefusedDocument(listed.path, listed.sha256, first.code, first.message, first.hint, unverified=True)
        found.refused.append(refusal)
    return None


def read_document(listed: Listed, raw: bytes) -> VerifiedDocument | RefusedDocument:
    """Read verified bytes; what cannot be read, or speaks for another channel, is refused on its own."""
    path = listed.path
    try:
        envelope = read_envelope(raw)
    except FormatError as error:
        return RefusedDocument(path, listed.sha256, error.code, error.message, error.hint, raw=raw)
    if (envelope.channel, envelope.uuid, envelope.revision) != (path.channel, path.uuid, path.revision):
        message = Phrase(
            "It came on %(channel)s as revision %(revision)s of %(uuid)s, "
            "but says that it is revision %(said_revision)s of %(said_uuid)s on %(said_channel)s",
            channel=path.channel,
            revision=path.revision,
            uuid=path.uuid,
            said_revision=envelope.revision,
            said_uuid=envelope.uuid,
            said_channel=envelope.channel,
        )
        return RefusedDocument(
            path, listed.sha256, WrongPlaceError.code, message, Phrase("Tell the publisher."), raw=raw
        )
    return VerifiedDocument(listed, raw, envelope)


def _delegation(delegator: Targets, role: str) -> DelegatedRole | None:
    roles = delegator.delegations.roles if delegator.delegations else None
    return roles.get(role) if roles else None


def _matches(target: TargetFile, raw: bytes) -> bool:
    try:
        target.verify_length_and_hashes(raw)
    except RepositoryError:
        return False
    return True


def _at(target: TargetFile) -> dt.datetime | None:
    custom = target.custom
    return _instant(custom.get("at")) if isinstance(custom, dict) else None


def _signed_at(fields: Mapping[str, object]) -> dt.datetime | None:
    return _instant(fields.get(SIGNED_AT_FIELD))


def _instant(value: object) -> dt.datetime | None:
    try:
        return parse_instant(value) if value is not None else None
    except ValueError:
        return None


def _later(one: dt.datetime | None, other: dt.datetime | None) -> dt.datetime | None:
    return max((item for item in (one, other) if item is not None), default=None)
