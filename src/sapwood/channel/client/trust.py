"""python-tuf's client workflow, on trusted state that is kept elsewhere.

`Trust` is that state: the newest verified bytes of each role. `Session` spills it into a private temporary folder,
where python-tuf works, and hands back what is trusted afterwards; whoever keeps the state stores it in one transaction.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Delegations, Metadata, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig
from typing_extensions import override

from sapwood.channel.errors import (
    ChannelError,
    RollbackError,
    SignatureError,
    StaleError,
    TamperedError,
    UnreachableError,
    VerificationError,
)
from sapwood.formats.phrase import Phrase

MAX_ROOT_ROTATIONS = 256
LIMITS = UpdaterConfig(
    max_root_rotations=MAX_ROOT_ROTATIONS,
    root_max_length=512_000,
    timestamp_max_length=16_384,
    snapshot_max_length=2_000_000,
    targets_max_length=5_000_000,
)


@dataclass(frozen=True)
class Trust:
    """The newest verified bytes by role name; `root` is always among them."""

    files: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def from_root(cls, raw: bytes) -> "Trust":
        """The state of a client that knows nothing but its first root."""
        return cls({"root": raw})

    @classmethod
    def load(cls, folder: Path) -> "Trust":
        """The state that lies in a folder under unversioned names."""
        return cls({unquote(path.name.removesuffix(".json")): path.read_bytes() for path in folder.glob("*.json")})

    def save(self, folder: Path) -> None:
        """Put each role's file into a folder under its unversioned name."""
        for role, raw in self.files.items():
            (folder / file_name(role)).write_bytes(raw)

    @property
    def root(self) -> bytes:
        """The trusted root metadata."""
        return self.files["root"]


class TrustedUpdater(Updater):
    """python-tuf's updater, at an instant that is given, and never trusting across delegators."""

    def __init__(
        self,
        folder: Path,
        *,
        root: bytes,
        metadata_url: str,
        targets_url: str,
        fetcher: FetcherInterface,
        now: dt.datetime,
    ) -> None:
        super().__init__(
            str(folder / "metadata"),
            metadata_url,
            str(folder / "targets"),
            targets_url,
            fetcher=fetcher,
            config=LIMITS,
            bootstrap=root,
        )
        self._trusted_set.reference_time = now

    @override
    def get_targetinfo(self, target_path: str) -> TargetFile | None:
        """Search from the top; what an earlier search verified through another delegator counts for nothing."""
        if Targets.type not in self._trusted_set:
            self.refresh()
        self._forget_delegations()
        return super().get_targetinfo(target_path)

    def delegated(self, role: str, delegator: str) -> Targets:
        """The metadata of `role`, verified with the keys that `delegator` names now."""
        return self._load_targets(role, delegator)

    @property
    def root(self) -> Root:
        """The root that is trusted now."""
        return self._trusted_set.root

    @property
    def timestamp(self) -> Timestamp:
        """The timestamp that is trusted now."""
        return self._trusted_set.timestamp

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that is trusted now."""
        return self._trusted_set.snapshot

    @property
    def targets(self) -> Targets:
        """The top-level targets that are trusted now."""
        return self._trusted_set.targets

    def download(self, target: TargetFile, into: Path, base_url: str | None = None) -> bytes:
        """A target's bytes, verified; raises what python-tuf raises."""
        path = Path(self.download_target(target, str(into), base_url))
        raw = path.read_bytes()
        path.unlink()
        return raw

    def _forget_delegations(self) -> None:
        verified = self._trusted_set._trusted_delegations  # noqa: SLF001 - no public way; a contract test watches it
        verified.intersection_update({pair for pair in verified if pair[0] == Root.type})


class Session:
    """One use of the client: a private folder filled from `trust`, emptied when the session ends."""

    def __init__(
        self, trust: Trust, *, metadata_url: str, targets_url: str, fetcher: FetcherInterface, now: dt.datetime
    ) -> None:
        self._trust = trust
        self._metadata_url = metadata_url
        self._targets_url = targets_url
        self._fetcher = fetcher
        self._now = now
        self._stack = ExitStack()
        self._folder = Path()
        self._client: TrustedUpdater | None = None

    def __enter__(self) -> Self:
        self._folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="sapwood-trust-")))
        metadata = self._folder / "metadata"
        metadata.mkdir(mode=0o700)
        (self._folder / "targets").mkdir(mode=0o700)
        Trust({role: raw for role, raw in self._trust.files.items() if role != Root.type}).save(metadata)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def client(self) -> TrustedUpdater:
        """The updater; made on first use, which verifies the trusted root itself."""
        if self._client is None:
            with explained():
                self._client = TrustedUpdater(
                    self._folder,
                    root=self._trust.root,
                    metadata_url=self._metadata_url,
                    targets_url=self._targets_url,
                    fetcher=self._fetcher,
                    now=self._now,
                )
        return self._client

    def refresh(self) -> TrustedUpdater:
        """Bring the top-level roles up to date; raises a ChannelError that says what is wrong."""
        with explained():
            self.client.refresh()
            _demand_distinct_keys(self.client.root, self.client.targets.delegations)
        return self.client

    def trusted(self) -> Trust:
        """What is trusted now, also after a failure: each file in it was verified before it was kept."""
        return Trust({"root": self._trust.root, **Trust.load(self._folder / "metadata").files})

    def role_bytes(self, role: str) -> bytes:
        """The verified bytes of a role that this session has loaded."""
        return (self._folder / "metadata" / file_name(role)).read_bytes()

    @property
    def target_folder(self) -> Path:
        """Where verified targets are put while the session lasts."""
        return self._folder / "targets"


def file_name(name: str) -> str:
    """The unversioned file of a role, with nothing in it that a path could mean."""
    return f"{quote(name, '')}.json"


def signer_key_ids(raw: bytes, role: str, delegator: Root | Targets) -> list[str]:
    """The keys whose signatures over `raw` are good, of those that `delegator` trusts with `role`."""
    metadata: Metadata[Targets] = Metadata.from_bytes(raw)
    result = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    return sorted(result.signed)


@contextmanager
def explained() -> Iterator[None]:
    """Say python-tuf's failures in our words."""
    try:
        yield
    except ChannelError:
        raise
    except (RepositoryError, DownloadError, DeserializationError) as error:
        raise explain(error) from error
    except ValueError as error:
        raise VerificationError(
            Phrase("The signed metadata contradict themselves: %(reason)s", reason=Phrase.of(error)), hint=_TELL
        ) from error


_TELL = Phrase("Nothing was taken. Pull again later; if it stays so, ask the publisher through another way.")


def explain(error: Exception) -> ChannelError:
    """The error of ours that says what python-tuf's error means for an administrator."""
    given = error.args[0] if error.args else ""
    reason = given if isinstance(given, Phrase) else str(error).rstrip(".")
    match error:
        case ExpiredMetadataError():
            return StaleError(
                Phrase("The channel's metadata have expired: %(reason)s", reason=reason),
                hint=Phrase("Check this machine's clock; if it is right, the publisher must renew the channel."),
            )
        case BadVersionNumberError():
            return RollbackError(
                Phrase("Older data than this site has already verified were offered: %(reason)s", reason=reason),
                hint=_TELL,
            )
        case UnsignedMetadataError():
            return SignatureError(Phrase("Signatures are missing or wrong: %(reason)s", reason=reason), hint=_TELL)
        case LengthOrHashMismatchError() | DownloadLengthMismatchError():
            return TamperedError(
                Phrase("A file is not what the signed metadata say: %(reason)s", reason=reason), hint=_TELL
            )
        case DownloadHTTPError() | DownloadError():
            return UnreachableError(
                Phrase("The channel does not answer: %(reason)s", reason=reason),
                hint=Phrase("Check the address and the network."),
            )
        case _:
            return VerificationError(
                Phrase("What was offered cannot be verified: %(reason)s", reason=reason), hint=_TELL
            )


def _demand_distinct_keys(root: Root, delegations: Delegations | None) -> None:
    """A threshold counts people: the same key under two names would count twice."""
    groups = [(name, role.keyids, root.keys) for name, role in root.roles.items()]
    if delegations is not None and delegations.roles is not None:
        groups += [(name, role.keyids, delegations.keys) for name, role in delegations.roles.items()]
    for name, key_ids, keys in groups:
        values = [str(sorted(keys[key_id].keyval.items())) for key_id in key_ids if key_id in keys]
        if len(set(values)) != len(values):
            raise SignatureError(
                Phrase("The role %(name)s lists the same key twice, so that one person could sign for two", name=name),
                hint=_TELL,
            )
