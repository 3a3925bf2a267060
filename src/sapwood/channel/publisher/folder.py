"""The repository's folder: what is published, what is staged, and one writer at a time.

    repository/metadata/  repository/targets/    what is served, and nothing else
    staging/documents/                           documents that wait for signatures; each is one file
    staging/metadata/  staging/targets/          metadata and indexes prepared for signing
    keys/                                        public descriptions, and such private keys as are kept here

What is published is what `timestamp.json` reaches; whatever else lies there was left by an interrupted run.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError
from tuf.api.serialization.json import JSONSerializer

from sapwood.channel.errors import DamagedRepositoryError, NotARepositoryError, RepositoryBusyError
from sapwood.channel.layout import DocumentPath, hashed_path
from sapwood.core.files import write_atomically
from sapwood.formats.canonical import sha256_hex
from sapwood.formats.phrase import Phrase

COMPACT = JSONSerializer(compact=True)
LOCK_TIMEOUT_S = 10.0
SERVED_MODE = 0o644
SERVED_FOLDER_MODE = 0o755
_POLL_S = 0.05
S = TypeVar("S", bound=Signed)


class Folder:
    """One repository on disk; reads need no lock, writers hold `writing()`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.metadata = self.path / "repository" / "metadata"
        self.targets = self.path / "repository" / "targets"
        self.staged_documents = self.path / "staging" / "documents"
        self.staged_metadata = self.path / "staging" / "metadata"
        self.staged_targets = self.path / "staging" / "targets"
        self.keys = self.path / "keys"

    @contextmanager
    def writing(self, *, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
        """Hold the folder's one write lock; the system frees it when this process dies, however it dies."""
        make_served(self.path)
        with (self.path / "channel.lock").open("ab") as lock:
            _wait_for(lock.fileno(), timeout_s, self.path)
            yield

    # --- what is published ---

    def published(self) -> "Published":
        """The published state; raises NotARepositoryError when there is none yet."""
        return Published(self)

    def has_published(self) -> bool:
        """Is there a complete published state?"""
        return (self.metadata / "timestamp.json").is_file()

    def newest_root(self) -> Metadata[Root] | None:
        """The last root that clients can reach, or None."""
        version = 0
        while (self.metadata / f"{version + 1}.root.json").is_file():
            version += 1
        return cast("Metadata[Root]", read_metadata(self.metadata / f"{version}.root.json", Root)) if version else None

    def target(self, target: TargetFile) -> bytes:
        """A published target's bytes, checked; raises DamagedRepositoryError."""
        path = self.targets / hashed_path(target.path, target.hashes["sha256"])
        try:
            raw = path.read_bytes()
            target.verify_length_and_hashes(raw)
        except (OSError, RepositoryError) as error:
            raise DamagedRepositoryError(
                Phrase("%(path)s is missing or damaged", path=path),
                hint=Phrase("Restore it from a mirror or a backup."),
            ) from error
        return raw

    def write_served(self, path: Path, raw: bytes) -> None:
        """Put a file where the static server finds it, whoever that runs as."""
        for folder in (self.path / "repository", *reversed(path.parents)):
            if folder.is_relative_to(self.path / "repository"):
                make_served(folder)
        write_atomically(path, raw, mode=SERVED_MODE, whatever_umask=True)

    # --- what is staged ---

    def staged(self, role: str) -> Metadata[Any] | None:
        """The staged metadata of a role, or None."""
        path = self.staged_metadata / f"{role}.json"
        return read_metadata(path, None) if path.is_file() else None

    def staged_roles(self) -> list[str]:
        """Every role that has staged metadata."""
        return sorted(path.name.removesuffix(".json") for path in self.staged_metadata.glob("*.json"))

    def stage_metadata(self, role: str, metadata: Metadata[Any]) -> None:
        """Keep metadata for signing."""
        write_atomically(self.staged_metadata / f"{role}.json", metadata.to_bytes(COMPACT), mode=SERVED_MODE)

    def staged_target(self, path: str) -> bytes | None:
        """The bytes of a staged index, or None."""
        file = self.staged_targets / path
        return file.read_bytes() if file.is_file() else None

    def waiting_documents(self, channel: str | None = None) -> dict[DocumentPath, Path]:
        """Documents that wait for signatures, in the order in which they were staged."""
        folders = [self.staged_documents / channel] if channel else sorted(self.staged_documents.glob("*"))
        found: dict[DocumentPath, Path] = {}
        for folder in folders:
            for file in folder.glob("*.json"):
                if document := DocumentPath.parse(f"{folder.name}/{file.name}"):
                    found[document] = file
        return dict(sorted(found.items()))


class Published:
    """What clients can reach now, read through the timestamp; each role is read once."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._roles: dict[str, Metadata[Targets]] = {}
        root = folder.newest_root()
        if root is None or not folder.has_published():
            raise NotARepositoryError(
                Phrase("%(path)s holds no published channel", path=folder.path),
                hint=Phrase("Run: sapwood channel init, then sign and publish."),
            )
        self.root = root
        self.timestamp = cast("Metadata[Timestamp]", read_metadata(folder.metadata / "timestamp.json", Timestamp))
        version = self.timestamp.signed.snapshot_meta.version
        self.snapshot = cast(
            "Metadata[Snapshot]", read_metadata(folder.metadata / f"{version}.snapshot.json", Snapshot)
        )

    @property
    def targets(self) -> Metadata[Targets]:
        """The top role that delegates to the channels."""
        metadata = self.role("targets")
        if metadata is None:
            raise DamagedRepositoryError(
                Phrase("The snapshot knows no targets role"), hint=Phrase("Restore the repository from a backup.")
            )
        return metadata

    @property
    def roles(self) -> list[str]:
        """Every targets role that the snapshot lists."""
        return sorted(name.removesuffix(".json") for name in self.snapshot.signed.meta)

    def role(self, name: str) -> Metadata[Targets] | None:
        """The metadata of a targets role, or None when it is not published."""
        if name not in self._roles:
            meta = self.snapshot.signed.meta.get(f"{name}.json")
            if meta is None:
                return None
            path = self._folder.metadata / f"{meta.version}.{name}.json"
            self._roles[name] = cast("Metadata[Targets]", read_metadata(path, Targets))
        return self._roles[name]

    def role_bytes(self, name: str) -> bytes:
        """The published bytes of a targets role."""
        return (self._folder.metadata / f"{self.snapshot.signed.meta[f'{name}.json'].version}.{name}.json").read_bytes()


def read_metadata(path: Path, kind: type[Signed] | None) -> Metadata[Any]:
    """Parse a metadata file; raises DamagedRepositoryError when it cannot be used."""
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(path.read_bytes())
    except (OSError, DeserializationError) as error:
        raise DamagedRepositoryError(
            Phrase("%(path)s is missing or damaged", path=path), hint=Phrase("Restore it from a mirror or a backup.")
        ) from error
    if kind is not None and not isinstance(metadata.signed, kind):
        raise DamagedRepositoryError(
            Phrase("%(path)s holds another role's metadata", path=path),
            hint=Phrase("Restore it from a mirror or a backup."),
        )
    return metadata


def hashed_target(path: str, raw: bytes) -> str:
    """Where a target with these bytes is served from."""
    return hashed_path(path, sha256_hex(raw))


def make_served(folder: Path) -> None:
    """A folder that the web server's account can enter, whatever our umask; one that is there stays as it is."""
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(SERVED_FOLDER_MODE)


def _wait_for(descriptor: int, timeout_s: float, path: Path) -> None:
    give_up = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EAGAIN, errno.EACCES}:
                raise
            if time.monotonic() >= give_up:
                raise RepositoryBusyError(
                    Phrase("Another command is writing to %(path)s", path=path),
                    hint=Phrase("Wait for it to end, then run this again."),
                ) from None
            time.sleep(_POLL_S)
        else:
            return


def remove(*paths: Path) -> None:
    """Take files away if they are there, and make that durable."""
    for path in paths:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in paths}:
        if folder.is_dir():
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
