"""What the commons has to look after: what expires when and who signs it, what waits for whom."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from tuf.api.metadata import Metadata

from sapwood.channel.keys import owner_of
from sapwood.channel.layout import CHANNELS, ONLINE_ROLES, TOP_ROLES, DocumentPath
from sapwood.channel.publisher.folder import Folder, Published
from sapwood.channel.publisher.signing import SignatureState, demands, signature_states
from sapwood.formats.canonical import sha256_hex

# Online roles are signed daily for seven days: with less than this left, the automation has stood still for days.
ONLINE_DUE = dt.timedelta(days=5)
OFFLINE_DUE = dt.timedelta(days=45)


@dataclass(frozen=True)
class RoleState:
    """One published role: until when it holds, and whose signatures prolong it."""

    role: str
    version: int
    expires_at: dt.datetime
    threshold: int
    signers: tuple[str, ...]
    state: str

    @property
    def in_words(self) -> str:
        """The state as a plain phrase."""
        online = self.role in ONLINE_ROLES
        due = "not renewed for days: is the worker running?" if online else "to be signed again before that"
        return {"good": "good", "due": due, "expired": "expired: sites call the channel stale"}[self.state]


@dataclass(frozen=True)
class RepositoryStatus:
    """The repository as its keepers need to see it."""

    folder: str
    root_sha256: str
    roles: tuple[RoleState, ...]
    staged: tuple[SignatureState, ...]
    waiting: tuple[DocumentPath, ...]

    @property
    def bad(self) -> bool:
        """Is something expired, or are the online roles about to?"""
        return any(
            role.state == "expired" or (role.state == "due" and role.role in ONLINE_ROLES) for role in self.roles
        )

    @property
    def due(self) -> tuple[RoleState, ...]:
        """Roles that somebody has to sign again soon, the first to expire in front."""
        return tuple(sorted((role for role in self.roles if role.state != "good"), key=lambda role: role.expires_at))


def repository_status(folder: Folder, *, now: dt.datetime) -> RepositoryStatus:
    """Look at a repository; raises NotARepositoryError when nothing is published yet."""
    published = folder.published()
    return RepositoryStatus(
        folder=str(folder.path),
        root_sha256=sha256_hex((folder.metadata / "1.root.json").read_bytes()),
        roles=tuple(_roles(folder, published, now)),
        staged=tuple(signature_states(folder)),
        waiting=tuple(folder.waiting_documents()),
    )


def _roles(folder: Folder, published: Published, now: dt.datetime) -> list[RoleState]:
    top: dict[str, Metadata[Any]] = {
        "root": published.root,
        "snapshot": published.snapshot,
        "timestamp": published.timestamp,
    }
    found = []
    for name in (*TOP_ROLES, *CHANNELS):
        metadata = top.get(name) or published.role(name)
        if metadata is not None:
            found.append(_role(folder, published, name, metadata, now))
    return found


def _role(folder: Folder, published: Published, name: str, metadata: Metadata[Any], now: dt.datetime) -> RoleState:
    expires_at = metadata.signed.expires
    left = expires_at - now
    due = ONLINE_DUE if name in ONLINE_ROLES else OFFLINE_DUE
    state = "expired" if left <= dt.timedelta() else "due" if left < due else "good"
    asked = demands(folder, name, published=published, with_staged_root=False)
    signers = tuple(sorted({owner_of(key) for demand in asked for key in demand.keys.values()}))
    threshold = max((demand.threshold for demand in asked), default=0)
    return RoleState(name, metadata.signed.version, expires_at, threshold, signers, state)
