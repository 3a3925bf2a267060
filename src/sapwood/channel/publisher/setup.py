"""A new repository, and changes of who may sign."""

import copy
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from securesystemslib.signer import Key
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Role, Root, Targets

from sapwood.channel.errors import KeyFileError, NotARepositoryError, StagingError, UnknownRoleError
from sapwood.channel.keys import PUBLIC_SUFFIX, KeyFile, Passphrase, duplicates, generate_key, load_key
from sapwood.channel.layout import CHANNELS, TOP_ROLES, channel_of
from sapwood.channel.publisher.folder import Folder, Published
from sapwood.channel.publisher.staging import CHANNEL_LIFETIME, assemble

ROOT_LIFETIME = dt.timedelta(days=365)
TARGETS_LIFETIME = dt.timedelta(days=365)


@dataclass(frozen=True)
class Quorum:
    """`threshold` of these keys sign for a role."""

    threshold: int
    keys: tuple[KeyFile, ...] = ()


# How many sign, and how many keys a new demonstration repository makes: losing one key never stops a role.
DEFAULT_QUORUMS: Mapping[str, tuple[int, int]] = {
    "root": (3, 5),
    "targets": (2, 3),
    "snapshot": (1, 1),
    "timestamp": (1, 1),
    "security": (2, 3),
    "releases": (1, 2),
    "candidates": (1, 2),
    "packs": (2, 3),
    "community": (1, 2),
    "surveys": (1, 2),
}
MIN_THRESHOLDS: Mapping[str, int] = {"packs": 2}


@dataclass(frozen=True)
class KeyChange:
    """What is to change in who signs for one role."""

    role: str
    add: tuple[KeyFile, ...] = ()
    remove: frozenset[str] = field(default_factory=frozenset)
    threshold: int | None = None


def stage_new_repository(folder: Folder, quorums: Mapping[str, Quorum], *, now: dt.datetime) -> None:
    """Stage the first version of every role for signing; raises when the folder holds a repository already."""
    with folder.writing():
        if folder.has_published() or folder.staged("root") is not None:
            raise NotARepositoryError(f"{folder.path} already holds a channel", hint="Choose an empty folder.")
        for role in (*TOP_ROLES, *CHANNELS):
            _check_quorum(role, quorums.get(role))
        root = Root(version=1, expires=now + ROOT_LIFETIME, consistent_snapshot=True)
        for role in TOP_ROLES:
            root.roles[role] = Role([key.key_id for key in quorums[role].keys], quorums[role].threshold)
            root.keys |= {key.key_id: key.public for key in quorums[role].keys}
        delegations = Delegations(keys={}, roles={})
        for channel in CHANNELS:
            delegations.keys |= {key.key_id: key.public for key in quorums[channel].keys}
            assert delegations.roles is not None  # noqa: S101 - made two lines above
            ids = [key.key_id for key in quorums[channel].keys]
            delegations.roles[channel] = DelegatedRole(channel, ids, quorums[channel].threshold, True, [f"{channel}/*"])
        folder.stage_metadata("targets", Metadata(Targets(1, expires=now + TARGETS_LIFETIME, delegations=delegations)))
        for channel in CHANNELS:
            folder.stage_metadata(channel, Metadata(Targets(1, expires=now + CHANNEL_LIFETIME)))
        # Last: a folder with a staged root is one that is completely staged.
        folder.stage_metadata("root", Metadata(root))


def generate_quorums(
    folder: Path, passphrase: Passphrase, *, owner: str, quorums: Mapping[str, tuple[int, int]] = DEFAULT_QUORUMS
) -> dict[str, Quorum]:
    """Make keys for every role in one place: for a demonstration, or for a project of one person."""
    found: dict[str, Quorum] = {}
    for role, (threshold, count) in quorums.items():
        keys = (
            _key(folder, f"{role}-{number}", f"{owner} ({role} {number})", passphrase) for number in range(1, count + 1)
        )
        found[role] = Quorum(threshold, tuple(keys))
    return found


def _key(folder: Path, name: str, owner: str, passphrase: Passphrase) -> KeyFile:
    """The key of this name, made unless an interrupted run has made it."""
    path = folder / f"{name}{PUBLIC_SUFFIX}"
    if path.is_file():
        return load_key(path)
    (folder / f"{name}.pem").unlink(missing_ok=True)
    return generate_key(folder, name, owner=owner, passphrase=passphrase)


def stage_root(folder: Folder, changes: Iterable[KeyChange], *, now: dt.datetime) -> int:
    """Stage the next root, with changed keys or only a later expiry; returns its version."""
    with folder.writing():
        published = folder.published()
        root = copy.deepcopy(published.root.signed)
        root.version += 1
        root.expires = now + ROOT_LIFETIME
        targets_change = False
        for change in changes:
            if change.role not in TOP_ROLES:
                raise UnknownRoleError(
                    f"{change.role!r} is not a role of the root",
                    hint=f"Use one of {', '.join(TOP_ROLES)}, or: channel keys.",
                )
            role = root.roles[change.role]
            ids, keys = _changed(change, role.keyids, root.keys)
            root.roles[change.role] = Role(ids, change.threshold or role.threshold)
            root.keys = keys
            _check_role(change.role, root.roles[change.role], root.keys)
            targets_change = targets_change or change.role == "targets"
        used = {key_id for role in root.roles.values() for key_id in role.keyids}
        root.keys = {key_id: key for key_id, key in root.keys.items() if key_id in used}
        folder.stage_metadata("root", Metadata(root))
        if targets_change:
            _restage_targets(folder, published, now)
        return root.version


def stage_channel_keys(folder: Folder, changes: Iterable[KeyChange], *, now: dt.datetime) -> list[str]:
    """Stage other keys or another threshold for channels; every segment of theirs is to be signed anew."""
    with folder.writing():
        published = folder.published()
        targets = _restage_targets(folder, published, now)
        delegations = targets.signed.delegations
        assert delegations is not None and delegations.roles is not None  # noqa: S101, PT018 - ours always delegate
        channels = []
        for change in changes:
            if change.role not in delegations.roles:
                raise UnknownRoleError(
                    f"There is no channel {change.role!r}", hint=f"Use one of {', '.join(CHANNELS)}."
                )
            role = delegations.roles[change.role]
            role.keyids, keys = _changed(change, role.keyids, delegations.keys)
            role.threshold = change.threshold or role.threshold
            _check_role(change.role, role, keys)
            used = {key_id for item in delegations.roles.values() for key_id in item.keyids}
            delegations.keys = {key_id: key for key_id, key in keys.items() if key_id in used}
            channels.append(change.role)
        folder.stage_metadata("targets", Metadata(targets.signed))
        for channel in channels:
            _stage_channel(folder, published, channel, now)
        return folder.staged_roles()


def stage_again(folder: Folder, role: str, *, now: dt.datetime) -> None:
    """Stage the same content of a channel, or of `targets`, with a new date, before the old one expires."""
    with folder.writing():
        published = folder.published()
        if role == "targets":
            _restage_targets(folder, published, now)
        elif role in CHANNELS:
            _stage_channel(folder, published, role, now)
        else:
            raise UnknownRoleError(
                f"{role!r} is not renewed this way", hint="For the root: sapwood channel rotate-root."
            )


def _stage_channel(folder: Folder, published: Published, channel: str, now: dt.datetime) -> None:
    assemble(folder, published, channel, now=now)
    if folder.staged(channel) is None:
        current = published.role(channel)
        if current is None:
            raise UnknownRoleError(
                f"This repository has no channel {channel!r}", hint="See: sapwood channel keys list."
            )
        signed = copy.deepcopy(current.signed)
        signed.version += 1
        signed.expires = now + CHANNEL_LIFETIME
        folder.stage_metadata(channel, Metadata(signed))


def _restage_targets(folder: Folder, published: Published, now: dt.datetime) -> Metadata[Targets]:
    staged = folder.staged("targets")
    signed = copy.deepcopy(staged.signed if staged else published.targets.signed)
    signed.version = published.targets.signed.version + 1
    signed.expires = now + TARGETS_LIFETIME
    metadata: Metadata[Targets] = Metadata(signed)
    folder.stage_metadata("targets", metadata)
    return metadata


def _changed(change: KeyChange, ids: Sequence[str], keys: Mapping[str, Key]) -> tuple[list[str], dict[str, Key]]:
    unknown = {prefix for prefix in change.remove if not any(key_id.startswith(prefix) for key_id in ids)}
    if unknown:
        raise KeyFileError(
            f"{change.role} has no key {', '.join(sorted(unknown))}", hint="See: sapwood channel keys list."
        )
    kept = [key_id for key_id in ids if not any(key_id.startswith(prefix) for prefix in change.remove)]
    added = [key.key_id for key in change.add if key.key_id not in kept]
    return kept + added, {**keys, **{key.key_id: key.public for key in change.add}}


def _check_quorum(role: str, quorum: Quorum | None) -> None:
    if quorum is None:
        raise KeyFileError(f"No keys are named for {role}", hint=f"Add: --key {role}=NAME.pub.json")
    _check_role(
        role,
        Role([key.key_id for key in quorum.keys], quorum.threshold),
        {key.key_id: key.public for key in quorum.keys},
    )


def _check_role(name: str, role: Role, keys: Mapping[str, Key]) -> None:
    if duplicates(keys[key_id] for key_id in role.keyids):
        raise KeyFileError(f"{name} would list the same key twice", hint="Each signer needs a key of their own.")
    if len(role.keyids) < role.threshold:
        raise StagingError(
            f"{name} would need {role.threshold} signatures, but has {len(role.keyids)} keys",
            hint="Add keys or lower the threshold.",
        )
    least = MIN_THRESHOLDS.get(channel_of(name), 1)
    if role.threshold < least:
        raise StagingError(f"{name} needs at least {least} signatures", hint="Packs are code: two people sign them.")
