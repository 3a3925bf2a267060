"""From staged to served, in an order that leaves a valid repository whenever it is interrupted.

Bodies, then roles, then the snapshot, each under a name that no client asks for yet; then `timestamp.json`, by rename.
A new root comes last: until then everything is signed for the old root and for the new one.
"""

import copy
import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from sapwood.channel.errors import BelowThresholdError, KeyFileError, StagingError
from sapwood.channel.layout import CHANNELS, ONLINE_LIFETIME, DocumentPath, channel_of, instant_text
from sapwood.channel.publisher.folder import COMPACT, Folder, Published, hashed_target, remove
from sapwood.channel.publisher.pruning import prune
from sapwood.channel.publisher.signing import check_staged, demands
from sapwood.channel.publisher.staging import assemble, channel_changes
from sapwood.formats.canonical import sha256_hex

RENEW_AFTER = dt.timedelta(hours=20)
SIGNED_AT_FIELD = "x-sapwood-signed-at"


@dataclass(frozen=True)
class Publication:
    """What one run made visible."""

    documents: tuple[DocumentPath, ...] = ()
    roles: tuple[str, ...] = ()
    root_version: int | None = None
    timestamp_version: int | None = None
    expires_at: dt.datetime | None = None
    removed_files: int = 0

    @property
    def nothing(self) -> bool:
        """Was there nothing to publish?"""
        return self.timestamp_version is None and self.root_version is None


@dataclass
class _Plan:
    """What is to be written, all of it checked before the first byte is."""

    documents: dict[DocumentPath, bytes] = field(default_factory=dict)
    targets: dict[str, bytes] = field(default_factory=dict)
    roles: dict[str, Metadata[Targets]] = field(default_factory=dict)
    root: Metadata[Root] | None = None
    with_root: bool = False


OnlineSigners = Callable[[], Sequence[Signer]]


def publish_staged(
    folder: Folder,
    online: OnlineSigners,
    *,
    now: dt.datetime,
    roles: Iterable[str] | None = None,
) -> Publication:
    """Publish what is staged; raises BelowThresholdError, having written nothing, when a signature is missing."""
    with folder.writing():
        published = folder.published() if folder.has_published() else None
        _forget_published(folder, published)
        plan = _plan(folder, published, roles, now)
        if not plan.roles and plan.root is None:
            return Publication()
        signers = online()
        snapshot, timestamp = _online_metadata(folder, published, plan, signers, now)
        _write(folder, plan, snapshot, timestamp)
        _forget_published(folder, folder.published())
        return Publication(
            documents=tuple(plan.documents),
            roles=tuple(sorted(plan.roles)),
            root_version=plan.root.signed.version if plan.root else None,
            timestamp_version=timestamp.signed.version,
            expires_at=timestamp.signed.expires,
            removed_files=prune(folder, now=now),
        )


def renew_online(folder: Folder, online: OnlineSigners, *, now: dt.datetime, force: bool = False) -> Publication:
    """Sign snapshot and timestamp anew for another seven days, unless they are fresh from today."""
    with folder.writing():
        published = folder.published()
        if not force and published.timestamp.signed.expires - now > ONLINE_LIFETIME - RENEW_AFTER:
            return Publication(expires_at=published.timestamp.signed.expires)
        snapshot, timestamp = _online_metadata(folder, published, _Plan(), online(), now)
        _write(folder, _Plan(), snapshot, timestamp)
        return Publication(
            timestamp_version=timestamp.signed.version,
            expires_at=timestamp.signed.expires,
            removed_files=prune(folder, now=now),
        )


def _plan(folder: Folder, published: Published | None, roles: Iterable[str] | None, now: dt.datetime) -> _Plan:
    plan = _Plan()
    if published is not None:
        for channel in _channels_waiting(folder):
            assemble(folder, published, channel, now=now)
    wanted = _wanted(folder, published, set(roles) if roles is not None else None)
    plan.with_root = "root" in wanted
    for role in wanted:
        _demand_threshold(folder, role, published, plan)
        if role == "root":
            plan.root = folder.staged(role)
        else:
            check_staged(folder, role, published=published)
            _add_role(folder, published, plan, role)
    _check_plan(published, plan, now)
    return plan


def _wanted(folder: Folder, published: Published | None, names: set[str] | None) -> list[str]:
    """The staged roles to publish: those named, and those that would contradict them if they stayed behind."""
    staged = folder.staged_roles()
    if names is None or published is None:
        return staged
    targets = folder.staged("targets")
    if targets is not None:
        changed = {name for name in CHANNELS if channel_changes(targets.signed, published.targets.signed, name)}
        if names & (changed | {"targets", "root"}):
            names = names | changed | {"targets"}
    return [role for role in staged if channel_of(role) in names]


def _add_role(folder: Folder, published: Published | None, plan: _Plan, role: str) -> None:
    metadata = folder.staged(role)
    if metadata is None:
        return
    before = published.role(role) if published else None
    plan.roles[role] = metadata
    for path, target in metadata.signed.targets.items():
        if before is not None and before.signed.targets.get(path) == target:
            continue
        if document := DocumentPath.parse(path):
            plan.documents[document] = (folder.staged_documents / path).read_bytes()
        elif raw := folder.staged_target(path):
            plan.targets[path] = raw


def _check_plan(published: Published | None, plan: _Plan, now: dt.datetime) -> None:
    for role, metadata in plan.roles.items():
        before = published.role(role) if published else None
        expected = before.signed.version + 1 if before else 1
        if metadata.signed.version != expected:
            raise StagingError(
                f"{role} was staged as version {metadata.signed.version}, but {expected} comes next",
                hint="Stage again: something else was published meanwhile.",
            )
        if metadata.signed.is_expired(now):
            raise StagingError(
                f"The staged {role} has expired before it was published", hint="Stage and sign it again."
            )
    if plan.root is not None:
        expected = published.root.signed.version + 1 if published else 1
        if plan.root.signed.version != expected or plan.root.signed.is_expired(now):
            raise StagingError(
                f"The staged root is version {plan.root.signed.version} (expires {plan.root.signed.expires:%Y-%m-%d}), "
                f"but a valid version {expected} comes next",
                hint="Run: sapwood channel rotate-root.",
            )


def _demand_threshold(folder: Folder, role: str, published: Published | None, plan: _Plan) -> None:
    metadata = folder.staged(role)
    for demand in demands(folder, role, published=published, with_staged_root=plan.with_root):
        good = demand.good(metadata) if metadata is not None else set()
        if len(good) < demand.threshold:
            raise BelowThresholdError(
                f"{role} has {len(good)} of the {demand.threshold} signatures that it needs",
                hint="See who is awaited: sapwood channel status. Then: sapwood channel sign.",
            )


def _online_metadata(
    folder: Folder, published: Published | None, plan: _Plan, signers: Sequence[Signer], now: dt.datetime
) -> tuple[Metadata[Snapshot], Metadata[Timestamp]]:
    meta = copy.deepcopy(published.snapshot.signed.meta) if published else {}
    for role, metadata in plan.roles.items():
        raw = metadata.to_bytes(COMPACT)
        meta[f"{role}.json"] = _meta_file(metadata.signed.version, raw)
    version = (published.snapshot.signed.version if published else 0) + 1
    snapshot = Metadata(Snapshot(version=version, expires=now + ONLINE_LIFETIME, meta=meta))
    _sign_online(folder, published, plan, "snapshot", snapshot, signers)
    version = (published.timestamp.signed.version if published else 0) + 1
    timestamp = Metadata(
        Timestamp(
            version=version,
            expires=now + ONLINE_LIFETIME,
            snapshot_meta=_meta_file(snapshot.signed.version, snapshot.to_bytes(COMPACT)),
            unrecognized_fields={SIGNED_AT_FIELD: instant_text(now)},
        )
    )
    _sign_online(folder, published, plan, "timestamp", timestamp, signers)
    return snapshot, timestamp


def _sign_online(
    folder: Folder,
    published: Published | None,
    plan: _Plan,
    role: str,
    metadata: Metadata[Any],
    signers: Sequence[Signer],
) -> None:
    asked = demands(folder, role, published=published, with_staged_root=plan.with_root)
    wanted = {key_id for demand in asked for key_id in demand.keys}
    for signer in signers:
        if signer.public_key.keyid in wanted:
            metadata.sign(signer, append=True)
    for demand in asked:
        if len(demand.good(metadata)) < demand.threshold:
            raise KeyFileError(
                f"The online keys at hand do not suffice for {role}: {demand.threshold} needed",
                hint="While online keys change, the old and the new one are both needed.",
            )


def _write(folder: Folder, plan: _Plan, snapshot: Metadata[Snapshot], timestamp: Metadata[Timestamp]) -> None:
    for document, raw in plan.documents.items():
        _serve(folder, hashed_target(str(document), raw), raw)
    for path, raw in plan.targets.items():
        _serve(folder, hashed_target(path, raw), raw)
    for role, metadata in plan.roles.items():
        _put(folder, f"{metadata.signed.version}.{role}.json", metadata)
    _put(folder, f"{snapshot.signed.version}.snapshot.json", snapshot)
    if plan.root is not None and plan.root.signed.version == 1:
        _put(folder, "1.root.json", plan.root)
    _put(folder, "timestamp.json", timestamp)
    if plan.root is not None and plan.root.signed.version > 1:
        _put(folder, f"{plan.root.signed.version}.root.json", plan.root)


def _serve(folder: Folder, path: str, raw: bytes) -> None:
    folder.write_served(folder.targets / path, raw)


def _put(folder: Folder, name: str, metadata: Metadata[Any]) -> None:
    folder.write_served(folder.metadata / name, metadata.to_bytes(COMPACT))


def _forget_published(folder: Folder, published: Published | None) -> None:
    """Clear from staging what clients can reach already; what an interrupted run did not clear is cleared here."""
    if published is None:
        return
    done = []
    for path, file in folder.waiting_documents().items():
        metadata = published.role(path.segment.role)
        target = metadata.signed.targets.get(str(path)) if metadata else None
        if target is not None and target.hashes["sha256"] == sha256_hex(file.read_bytes()):
            done.append(file)
    remove(*done)
    for role in folder.staged_roles():
        staged = folder.staged(role)
        current = published.root if role == "root" else published.role(role)
        if staged is not None and current is not None and staged.signed.version <= current.signed.version:
            remove(folder.staged_metadata / f"{role}.json")


def _channels_waiting(folder: Folder) -> list[str]:
    waiting = {path.channel for path in folder.waiting_documents()}
    return [channel for channel in CHANNELS if channel in waiting]


def _meta_file(version: int, raw: bytes) -> MetaFile:
    return MetaFile(version=version, length=len(raw), hashes={"sha256": sha256_hex(raw)})
