"""Writes of the publishing side, in the audit log of the commons.

The folder is the truth and is changed first; each step can be repeated. A copy of the folder on a machine without
our database (an offline signer's) is worked on without an audit row: the signatures themselves say who signed.
"""

import datetime as dt
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from securesystemslib.signer import Signer

from sapwood.channel.errors import KeyFileError, NotAuthorisedError
from sapwood.channel.keys import KeyFile, Passphrase, load_keys, passphrase_from_file
from sapwood.channel.layout import ONLINE_ROLES
from sapwood.channel.publisher.folder import Folder, make_served
from sapwood.channel.publisher.publishing import Publication, publish_staged, renew_online
from sapwood.channel.publisher.setup import (
    DEFAULT_QUORUMS,
    KeyChange,
    Quorum,
    generate_quorums,
    stage_again,
    stage_channel_keys,
    stage_new_repository,
    stage_root,
)
from sapwood.channel.publisher.signing import demands, sign_staged
from sapwood.channel.publisher.staging import Staged, stage_document, stage_documents
from sapwood.core import audit, settings
from sapwood.core.data import Actor
from sapwood.core.files import write_atomically
from sapwood.core.models import AuditRow
from sapwood.core.paths import role_dir
from sapwood.formats.documents import document_bytes
from sapwood.formats.retraction import Retraction

CHANNEL_FOLDER = settings.text(
    "SAPWOOD_CHANNEL_FOLDER", "", "The folder of the commons' channel repository; empty means var/commons/channel."
)
ONLINE_PASSPHRASE = "online.passphrase"  # noqa: S105 - a file's name
OFFLINE_PASSPHRASE = "offline.passphrase"  # noqa: S105 - a file's name


def folder_at(repo: Path | None) -> Folder:
    """The repository to work on: the one named, or the commons' own."""
    return Folder(repo or Path(CHANNEL_FOLDER.get() or role_dir() / "channel"))


def init_with_new_keys(
    repo: Path | None,
    *,
    actor: Actor,
    now: dt.datetime,
    owner: str,
    quorums: Mapping[str, tuple[int, int]] = DEFAULT_QUORUMS,
) -> Publication:
    """A complete repository with keys of its own, signed and published: for a demonstration or a project of one.

    The passphrases lie in two files beside the keys (0600). Does nothing when there is a repository already, and
    finishes what an interrupted run began.
    """
    folder = folder_at(repo)
    if folder.has_published():
        return Publication()
    make_served(folder.path)
    folder.keys.mkdir(exist_ok=True, mode=0o700)
    for name in (ONLINE_PASSPHRASE, OFFLINE_PASSPHRASE):
        write_atomically(folder.keys / name, secrets.token_urlsafe(32) + "\n", mode=0o600, replace=False)
    if folder.staged("root") is None:
        made = generate_quorums(folder.keys, local_passphrase(folder), owner=owner, quorums=quorums)
        stage_new_repository(folder, made, now=now)
    sign_staged(folder, local_signers(folder))
    publication = publish_staged(folder, lambda: online_signers(folder), now=now)
    _record(actor, "channel.init", folder, now, keys=len(load_keys(folder.keys)))
    return publication


def init_with_given_keys(
    repo: Path | None, quorums: Mapping[str, Quorum], *, actor: Actor, now: dt.datetime
) -> list[str]:
    """Stage a new repository for people who hold their keys elsewhere; they sign, then it is published."""
    folder = folder_at(repo)
    stage_new_repository(folder, quorums, now=now)
    folder.keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    for key in {key.key_id: key for quorum in quorums.values() for key in quorum.keys}.values():
        if key.folder != folder.keys and not (folder.keys / f"{key.name}.pub.json").exists():
            KeyFile(key.name, key.owner, key.uri, key.public, folder.keys).save()
    _record(actor, "channel.init", folder, now, keys=sum(len(quorum.keys) for quorum in quorums.values()))
    return folder.staged_roles()


def stage(raw: bytes, *, channel: str, actor: Actor, now: dt.datetime, repo: Path | None = None) -> Staged:
    """Put a document up for signature; the same bytes again change nothing."""
    folder = folder_at(repo)
    staged = stage_document(folder, raw, channel=channel, now=now)
    _record(actor, "channel.stage", folder, now, path=str(staged.path), sha256=staged.sha256)
    return staged


def stage_several(
    raws: Sequence[bytes], *, channel: str, actor: Actor, now: dt.datetime, repo: Path | None = None
) -> list[Staged]:
    """Put several documents of one channel up for signature at once; all of them or none."""
    folder = folder_at(repo)
    staged = stage_documents(folder, raws, channel=channel, now=now)
    _record(actor, "channel.stage", folder, now, paths=[str(item.path) for item in staged])
    return staged


def sign(
    signers: Sequence[Signer],
    *,
    actor: Actor,
    now: dt.datetime,
    repo: Path | None = None,
    roles: Iterable[str] | None = None,
) -> dict[str, list[str]]:
    """Add signatures to what waits for them."""
    folder = folder_at(repo)
    done = sign_staged(folder, signers, roles=roles)
    if done:
        _record(actor, "channel.sign", folder, now, roles={role: list(names) for role, names in done.items()})
    return done


def publish(
    *,
    actor: Actor,
    now: dt.datetime,
    repo: Path | None = None,
    roles: Iterable[str] | None = None,
    online: Callable[[], Sequence[Signer]] | None = None,
) -> Publication:
    """Make visible what is signed; raises BelowThresholdError, having changed nothing, when a signature is missing."""
    folder = folder_at(repo)
    done = publish_staged(folder, online or (lambda: online_signers(folder)), now=now, roles=roles)
    if not done.nothing:
        paths = [str(path) for path in done.documents]
        _record(
            actor,
            "channel.publish",
            folder,
            now,
            documents=paths,
            roles=list(done.roles),
            root=done.root_version,
            removed_files=done.removed_files,
        )
    return done


def renew(
    *,
    actor: Actor,
    now: dt.datetime,
    repo: Path | None = None,
    force: bool = False,
    online: Callable[[], Sequence[Signer]] | None = None,
) -> Publication:
    """Sign snapshot and timestamp anew, unless that was done today."""
    folder = folder_at(repo)
    done = renew_online(folder, online or (lambda: online_signers(folder)), now=now, force=force)
    if not done.nothing:
        details = {"timestamp": done.timestamp_version, "removed_files": done.removed_files}
        _record(actor, "channel.renew", folder, now, **details)
    return done


def retract(  # noqa: PLR0913 - the fields of a retraction
    uuid: UUID,
    *,
    channel: str,
    reason: str,
    actor: Actor,
    now: dt.datetime,
    repo: Path | None = None,
    revision: int | None = None,
    urgent: bool = False,
    replaced_by: UUID | None = None,
) -> Staged:
    """Stage a signed word that a publication no longer stands; the publication itself stays where it is."""
    document = Retraction(
        uuid=uuid4(),
        revision=1,
        channel=channel,
        retracts=uuid,
        retracts_revision=revision,
        reason=reason,
        urgent=urgent,
        replaced_by=replaced_by,
    )
    return stage(document_bytes(document), channel=channel, actor=actor, now=now, repo=repo)


def rotate_root(changes: Iterable[KeyChange], *, actor: Actor, now: dt.datetime, repo: Path | None = None) -> int:
    """Stage the next root; returns its version."""
    folder = folder_at(repo)
    changes = list(changes)
    version = stage_root(folder, changes, now=now)
    _record(actor, "channel.rotate_root", folder, now, version=version, roles=[change.role for change in changes])
    return version


def change_keys(changes: Iterable[KeyChange], *, actor: Actor, now: dt.datetime, repo: Path | None = None) -> list[str]:
    """Stage other keys for channels; returns the roles that are to be signed."""
    folder = folder_at(repo)
    changes = list(changes)
    staged = stage_channel_keys(folder, changes, now=now)
    _record(actor, "channel.change_keys", folder, now, roles=[change.role for change in changes])
    return staged


def prolong(role: str, *, actor: Actor, now: dt.datetime, repo: Path | None = None) -> None:
    """Stage the same content of a role with a later expiry."""
    folder = folder_at(repo)
    stage_again(folder, role, now=now)
    _record(actor, "channel.prolong", folder, now, role=role)


def local_passphrase(folder: Folder) -> Passphrase:
    """The passphrases of keys that lie beside the repository: one file for the online keys, one for the others."""

    def ask(name: str) -> str:
        online = name.rpartition("-")[0] in ONLINE_ROLES
        return passphrase_from_file(folder.keys / (ONLINE_PASSPHRASE if online else OFFLINE_PASSPHRASE))(name)

    return ask


def local_signers(folder: Folder, *, passphrase: Passphrase | None = None) -> list[Signer]:
    """The keys that lie beside the repository, opened; raises KeyFileError when there are none."""
    keys = [key for key in load_keys(folder.keys) if key.held_here]
    if not keys:
        raise KeyFileError(f"There are no private keys in {folder.keys}", hint="Name one: --key NAME.pub.json.")
    return [key.signer(passphrase or local_passphrase(folder)) for key in keys]


def online_signers(folder: Folder, *, passphrase: Passphrase | None = None) -> list[Signer]:
    """The keys that sign snapshot and timestamp, the old and the new ones while they change."""
    published = folder.published() if folder.has_published() else None
    wanted = {
        key_id for role in ONLINE_ROLES for item in demands(folder, role, published=published) for key_id in item.keys
    }
    keys = [key for key in load_keys(folder.keys) if key.key_id in wanted and key.held_here]
    if not keys:
        raise NotAuthorisedError(
            f"No online key lies in {folder.keys}", hint="Publishing needs the snapshot and timestamp keys at hand."
        )
    ask = passphrase or passphrase_from_file(folder.keys / ONLINE_PASSPHRASE)
    return [key.signer(ask) for key in keys]


def _record(actor: Actor, action: str, folder: Folder, now: dt.datetime, **details: Any) -> None:
    if AuditRow._meta.db_table not in connection.introspection.table_names():  # noqa: SLF001 - Django's own name for it
        return
    with transaction.atomic():
        audit.record(actor=actor, action=action, subject=f"channel:{folder.path.name}", at=now, details=details)
