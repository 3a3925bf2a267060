"""An in-memory commons for everything that attacks the client.

It is written on python-tuf's metadata classes alone, not on our publisher, so that the two check each other. What a
test wants to be wrong is put wrong by hand: replace `files`, hand out `answers`, sign with the wrong `signers`.
"""

import copy
import datetime as dt
import json
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from sapwood.channel.layout import CHANNELS, DocumentPath, Index, Segment, hashed_path, instant_text
from sapwood.core.http import Request, Response, TooLargeError
from sapwood.formats.canonical import sha256_hex

URL = "https://commons.example.org/channel"
NOW = dt.datetime(2026, 11, 22, 10, 0, tzinfo=dt.UTC)
COMPACT = JSONSerializer(compact=True)


@cache
def key(name: str) -> CryptoSigner:
    """One key per name for the whole run: making them is the slow part."""
    return CryptoSigner.generate_ed25519()


@dataclass
class SimulatedCommons:
    """A commons whose every byte a test can bend."""

    now: dt.datetime = NOW
    url: str = URL
    thresholds: dict[str, int] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, Callable[[Request], Response]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    received_bytes: int = 0
    missing_status: int = 404
    segment_size: int = 100

    def __post_init__(self) -> None:
        self.signers: dict[str, list[CryptoSigner]] = {
            role: [key(f"{role}-{number}") for number in range(self.thresholds.get(role, 1))]
            for role in ("root", "targets", "snapshot", "timestamp", *CHANNELS)
        }
        self.root = Root(expires=self.now + dt.timedelta(days=365), consistent_snapshot=True)
        self.roles: dict[str, Targets] = {"targets": Targets(1, delegations=Delegations(keys={}, roles={}))}
        self.snapshot = Snapshot(meta={})
        self.timestamp = Timestamp()
        # python-tuf starts to count at 1; the first commit below makes these 1.
        self.root.version = self.snapshot.version = self.timestamp.version = 0
        for channel in CHANNELS:
            self.roles[channel] = Targets(1)
            self.delegate("targets", channel, [f"{channel}/*"], self.signers[channel])
        for role in self.roles:
            self.lifetime(role, dt.timedelta(days=365))
        self.publish_root()
        self.commit(*self.roles)

    # --- what an honest publisher does ---

    def publish(self, *documents: bytes, channel: str = "community") -> list[str]:
        """Add documents and commit everything that follows from them."""
        return self.add(documents, channel=channel, commit=True)

    def add(self, documents: Iterable[bytes], *, channel: str, commit: bool = True) -> list[str]:
        """Add documents to a channel; returns their paths."""
        paths = []
        for raw in documents:
            data = json.loads(raw)
            seq = sum(len(self.roles[name].targets) for name in self.segments(channel))
            path = DocumentPath(channel, self.now.year, seq, str(data["uuid"]), int(data["revision"]))
            self.place(path, raw)
            paths.append(str(path))
        self.reindex(channel)
        if commit:
            self.commit(channel, *self.segments(channel))
        return paths

    def place(self, path: DocumentPath, raw: bytes) -> None:
        """Put one document under a path of the test's choice."""
        segment = path.segment
        if segment.role not in self.roles:
            self.roles[segment.role] = Targets(1)
            self.lifetime(segment.role, dt.timedelta(days=3650))
            self.delegate(path.channel, segment.role, [segment.pattern], self.signers[path.channel])
            self.signers[segment.role] = self.signers[path.channel]
        target = self.serve(str(path), raw)
        target.unrecognized_fields["custom"] = {"at": instant_text(self.now)}
        self.roles[segment.role].targets[str(path)] = target

    def reindex(self, channel: str, *, published_at: dt.datetime | None = None) -> None:
        """Write the channel's index as its segments stand."""
        segments = tuple(
            (Segment.parse(name), len(self.roles[name].targets)) for name in sorted(self.segments(channel))
        )
        index = Index(channel, self.now.year, published_at or self.now, segments)
        self.roles[channel].targets[index.path] = self.serve(index.path, index.to_bytes())

    def segments(self, channel: str) -> list[str]:
        """The channel's segment roles."""
        return [name for name in self.roles if (found := Segment.parse(name)) and found.channel == channel]

    def delegate(self, parent: str, role: str, paths: list[str], signers: list[CryptoSigner]) -> None:
        """Trust `role` to these signers; all of them are needed."""
        targets = self.roles[parent]
        targets.delegations = targets.delegations or Delegations(keys={}, roles={})
        ids = [signer.public_key.keyid for signer in signers]
        targets.delegations.roles[role] = DelegatedRole(role, ids, len(ids), True, paths)
        targets.delegations.keys |= {signer.public_key.keyid: signer.public_key for signer in signers}

    def serve(self, path: str, raw: bytes) -> TargetFile:
        """Serve a target and return what a role would say about it."""
        self.files[f"targets/{hashed_path(path, sha256_hex(raw))}"] = raw
        return TargetFile.from_data(path, raw)

    def lifetime(self, role: str, span: dt.timedelta) -> None:
        """Let a targets role expire after a span from now."""
        self.roles[role].expires = self.now + span

    def publish_root(self, *, signers: list[CryptoSigner] | None = None) -> None:
        """The next root, signed by the old and the new root keys."""
        before = self.signers.get("root-before", self.signers["root"])
        self.root.version += 1
        self.root.roles = {}
        self.root.keys = {}
        for role in ("root", "targets", "snapshot", "timestamp"):
            ids = [signer.public_key.keyid for signer in self.signers[role]]
            self.root.roles[role] = Role(ids, len(ids))
            self.root.keys |= {signer.public_key.keyid: signer.public_key for signer in self.signers[role]}
        self.write(f"{self.root.version}.root.json", self.root, signers or [*before, *self.signers["root"]])
        self.signers["root-before"] = self.signers["root"]

    def rotate(self, role: str, name: str) -> None:
        """Replace the keys of a role; publish what depends on it yourself."""
        self.signers[role] = [key(f"{name}-{number}") for number in range(len(self.signers[role]))]

    def commit(self, *roles: str) -> None:
        """Sign new versions of these roles, then snapshot and timestamp."""
        for role in dict.fromkeys(roles):
            signed = self.roles[role]
            signed.version += 0 if signed.version == 1 and f"{role}.json" not in self.snapshot.meta else 1
            raw = self.write(f"{signed.version}.{role}.json", signed, self.signers[role])
            self.snapshot.meta[f"{role}.json"] = meta_file(signed.version, raw)
        self.renew()

    def renew(self) -> None:
        """A new snapshot and timestamp, for seven days."""
        self.snapshot.version += 1
        self.snapshot.expires = self.now + dt.timedelta(days=7)
        raw = self.write(f"{self.snapshot.version}.snapshot.json", self.snapshot, self.signers["snapshot"])
        self.timestamp.version += 1
        self.timestamp.expires = self.now + dt.timedelta(days=7)
        self.timestamp.snapshot_meta = meta_file(self.snapshot.version, raw)
        self.timestamp.unrecognized_fields["x-sapwood-signed-at"] = instant_text(self.now)
        self.write("timestamp.json", self.timestamp, self.signers["timestamp"])

    def write(self, name: str, signed: Any, signers: Iterable[CryptoSigner]) -> bytes:
        """Sign metadata and serve them."""
        metadata: Metadata[Any] = Metadata(copy.deepcopy(signed))
        for signer in {signer.public_key.keyid: signer for signer in signers}.values():
            metadata.sign(signer, append=True)
        raw = self.files[f"metadata/{name}"] = metadata.to_bytes(COMPACT)
        return raw

    def sleep(self, span: dt.timedelta) -> None:
        """Let time pass."""
        self.now += span

    @property
    def first_root(self) -> bytes:
        """What an administrator would have been given."""
        return self.files["metadata/1.root.json"]

    # --- the network ---

    def fetch(self, request: Request) -> Response:
        """An HttpClient's fetch, from memory."""
        self.asked.append(request.url)
        name = request.url.removeprefix(f"{self.url}/")
        if (answer := self.answers.get(name)) is not None:
            response = answer(request)
        elif name in self.files:
            response = Response(200, {"content-type": "application/json"}, self.files[name], request.url)
        else:
            response = Response(self.missing_status, {"content-type": "text/plain"}, b"", request.url)
        if len(response.body) > request.max_bytes:
            raise TooLargeError(f"{request.url} sends more than {request.max_bytes} bytes.")
        self.received_bytes += len(response.body)
        return response

    @contextmanager
    def stream(self, request: Request) -> Any:
        """Nothing of the channel streams."""
        raise NotImplementedError
        yield

    def page(self, name: str, html: str = "<!doctype html><title>Sign in to Campus-WLAN</title>") -> None:
        """Let a captive portal answer for a file."""
        self.answers[name] = lambda request: Response(200, {"content-type": "text/html"}, html.encode(), request.url)

    def copy(self) -> "SimulatedCommons":
        """The same commons at this moment, for a replay or a mirror."""
        other = copy.copy(self)
        for name in ("files", "answers", "asked", "signers", "roles", "root", "snapshot", "timestamp"):
            value = getattr(self, name)
            setattr(other, name, dict(value) if name in {"files", "answers", "signers"} else copy.deepcopy(value))
        return other


def meta_file(version: int, raw: bytes) -> MetaFile:
    """What snapshot and timestamp say about a file."""
    return MetaFile(version=version, length=len(raw), hashes={"sha256": sha256_hex(raw)})
