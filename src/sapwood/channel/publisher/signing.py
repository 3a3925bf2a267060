"""Signatures over staged metadata: who may sign, who has signed, who is still awaited."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from securesystemslib.signer import Key, Signer
from tuf.api.metadata import Metadata, Root, Targets

from sapwood.channel.errors import DamagedRepositoryError, NotAuthorisedError, StagingError
from sapwood.channel.keys import owner_of
from sapwood.channel.layout import TOP_ROLES, DocumentPath, Index, channel_of, index_paths
from sapwood.channel.publisher.folder import Folder, Published
from sapwood.channel.publisher.staging import check_document, delegator_of


@dataclass(frozen=True)
class Demand:
    """One delegator's demand on a staged role: `threshold` signatures of `keys`.

    `trusted_as` is the role that the delegator knows: a segment is signed with its channel's keys.
    """

    delegator: Root | Targets
    trusted_as: str
    keys: dict[str, Key]
    threshold: int

    def good(self, metadata: Metadata[Any]) -> set[str]:
        """The keys of this demand whose signatures are good."""
        return set(
            self.delegator.get_verification_result(self.trusted_as, metadata.signed_bytes, metadata.signatures).signed
        )


@dataclass(frozen=True)
class SignatureState:
    """How far a staged role is: `missing` counts what its strictest demand still lacks."""

    role: str
    version: int
    expires_at: dt.datetime
    threshold: int
    signed_by: tuple[str, ...]
    awaited_from: tuple[str, ...]
    missing: int


def demands(folder: Folder, role: str, *, published: Published | None, with_staged_root: bool = True) -> list[Demand]:
    """Everybody's demand on the metadata of `role`: while a new root is staged, the old root's and the new one's."""
    if role in TOP_ROLES:
        staged_root = folder.staged("root") if with_staged_root or published is None else None
        roots = [item.signed for item in (published.root if published else None, staged_root) if item is not None]
        return [_demand(root, role, root.keys, root.roles[role]) for root in roots]
    channel = channel_of(role)
    delegator = delegator_of(folder, published, channel)
    found = delegator.delegations.roles.get(channel) if delegator.delegations and delegator.delegations.roles else None
    if delegator.delegations is None or found is None:
        return []
    return [_demand(delegator, channel, delegator.delegations.keys, found)]


def sign_staged(
    folder: Folder, signers: Sequence[Signer], *, roles: Iterable[str] | None = None
) -> dict[str, list[str]]:
    """Add the signers' signatures to what is staged and waits for them; returns who signed which role."""
    published = folder.published() if folder.has_published() else None
    done: dict[str, list[str]] = {}
    with folder.writing():
        for role in _chosen(folder, roles):
            metadata = folder.staged(role)
            if metadata is None:
                continue
            asked = demands(folder, role, published=published)
            wanted = {key_id for demand in asked for key_id in demand.keys}
            signed = {key_id for demand in asked for key_id in demand.good(metadata)}
            mine = {str(signer.public_key.keyid): signer for signer in signers}
            fresh = [signer for key_id, signer in mine.items() if key_id in wanted - signed]
            if fresh:
                check_staged(folder, role, published=published)
            for signer in fresh:
                metadata.sign(signer, append=True)
                done.setdefault(role, []).append(owner_of(signer.public_key))
            if role in done:
                folder.stage_metadata(role, metadata)
    if not done and not _already_signed(folder, signers, published):
        raise NotAuthorisedError(
            "None of these keys may sign what is staged", hint="See who is awaited: sapwood channel status."
        )
    return done


def merge_signatures(folder: Folder, other: Path) -> dict[str, int]:
    """Take over the signatures that another copy of the staging area holds over the very same content."""
    with folder.writing():
        copy_of = Folder(other)
        taken: dict[str, int] = {}
        for role in folder.staged_roles():
            mine, theirs = folder.staged(role), copy_of.staged(role)
            if mine is None or theirs is None or mine.signed_bytes != theirs.signed_bytes:
                continue
            fresh = {key_id: sig for key_id, sig in theirs.signatures.items() if key_id not in mine.signatures}
            if fresh:
                mine.signatures.update(fresh)
                folder.stage_metadata(role, mine)
                taken[role] = len(fresh)
        return taken


def signature_states(folder: Folder) -> list[SignatureState]:
    """How far each staged role is."""
    published = folder.published() if folder.has_published() else None
    return [state for role in folder.staged_roles() if (state := _state(folder, role, published)) is not None]


def check_staged(folder: Folder, role: str, *, published: Published | None) -> None:
    """What is about to be signed must be whole: every new target is here, is what its hash says, and validates."""
    metadata = folder.staged(role)
    if metadata is None or not isinstance(metadata.signed, Targets):
        return
    before = published.role(role) if published else None
    known = before.signed.targets if before else {}
    for path, target in metadata.signed.targets.items():
        if path in known and known[path] == target:
            continue
        if role != channel_of(role):
            _check_publication(folder, role, path, target)
        else:
            _check_index(folder, role, path, target)


def _check_publication(folder: Folder, role: str, path: str, target: Any) -> None:
    document = DocumentPath.parse(path)
    file = folder.staged_documents / path
    if document is None or document.segment.role != role or not file.is_file():
        raise StagingError(f"{role} lists {path[:120]}, which is not staged", hint="Stage the document again.")
    raw = file.read_bytes()
    _verify_target(target, raw, path)
    read = check_document(raw, document.channel)
    if (read.uuid, read.revision) != (document.uuid, document.revision):
        raise StagingError(f"{path} holds another document than its name says", hint="Stage the document again.")


def _check_index(folder: Folder, channel: str, path: str, target: Any) -> None:
    raw = folder.staged_target(path)
    if raw is None or not index_paths([path], channel):
        raise StagingError(f"{channel} lists {path[:120]}, which is not staged", hint="Stage the document again.")
    _verify_target(target, raw, path)
    Index.from_bytes(raw, path=path)


def _verify_target(target: Any, raw: bytes, path: str) -> None:
    try:
        target.verify_length_and_hashes(raw)
    except Exception as error:
        raise DamagedRepositoryError(f"{path} changed since it was staged", hint="Stage the document again.") from error


def _state(folder: Folder, role: str, published: Published | None) -> SignatureState | None:
    metadata = folder.staged(role)
    if metadata is None:
        return None
    signed: dict[str, Key] = {}
    awaited: dict[str, Key] = {}
    missing = threshold = 0
    for demand in demands(folder, role, published=published):
        good = demand.good(metadata)
        signed |= {key_id: demand.keys[key_id] for key_id in good}
        if len(good) < demand.threshold:
            awaited |= {key_id: key for key_id, key in demand.keys.items() if key_id not in good}
        missing = max(missing, demand.threshold - len(good))
        threshold = max(threshold, demand.threshold)
    return SignatureState(
        role=role,
        version=metadata.signed.version,
        expires_at=metadata.signed.expires,
        threshold=threshold,
        signed_by=tuple(sorted(owner_of(key) for key in signed.values())),
        awaited_from=tuple(sorted(owner_of(key) for key in awaited.values())),
        missing=missing,
    )


def _demand(delegator: Root | Targets, role: str, keys: dict[str, Key], found: Any) -> Demand:
    return Demand(delegator, role, {key_id: keys[key_id] for key_id in found.keyids}, found.threshold)


def _chosen(folder: Folder, roles: Iterable[str] | None) -> Iterator[str]:
    wanted = set(roles) if roles is not None else None
    for role in folder.staged_roles():
        if wanted is None or role in wanted or channel_of(role) in wanted:
            yield role


def _already_signed(folder: Folder, signers: Sequence[Signer], published: Published | None) -> bool:
    ids = {str(signer.public_key.keyid) for signer in signers}
    for role in folder.staged_roles():
        metadata = folder.staged(role)
        if metadata is not None and any(
            ids & demand.good(metadata) for demand in demands(folder, role, published=published)
        ):
            return True
    return False
