"""Signing keys: encrypted PKCS#8 files or PKCS#11 tokens, each described by a small public file beside it.

`<name>.pub.json` says whose key it is, where the private part lies and what the public part is; it may be shown to
anybody. The private part is `<name>.pem` (0600, encrypted) or stays in the token.
"""

import getpass
import json
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, unquote_to_bytes

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.exceptions import KeyMismatchError, UnsupportedLibraryError
from securesystemslib.signer import CryptoSigner, HSMSigner, Key, Signature, Signer, SSlibKey
from typing_extensions import override

from sapwood.channel.errors import KeyFileError
from sapwood.core.files import write_atomically

OWNER_FIELD = "x-sapwood-owner"
PUBLIC_SUFFIX = ".pub.json"
MIN_PASSPHRASE = 12
PKCS11_MODULE_VARIABLE = "PYKCS11LIB"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

Passphrase = Callable[[str], str]
"""Asked with the name of a key (or token), answers with its passphrase (or PIN)."""


@dataclass(frozen=True)
class KeyFile:
    """What is publicly known of one signing key."""

    name: str
    owner: str
    uri: str
    public: SSlibKey
    folder: Path

    @property
    def key_id(self) -> str:
        """The key's id in all metadata."""
        return str(self.public.keyid)

    @property
    def held_here(self) -> bool:
        """Is the private part within reach of this machine, as far as one can tell without asking for a secret?"""
        return not self.uri.startswith("file:") or (self.folder / self.uri.removeprefix("file:")).is_file()

    def signer(self, passphrase: Passphrase) -> Signer:
        """The key, ready to sign; raises KeyFileError when it cannot be opened."""
        if self.uri.startswith("file:"):
            return _file_signer(self, passphrase)
        return _token_signer(self, passphrase)

    def save(self) -> Path:
        """Write the public description; never replaces another key's."""
        data = {
            "name": self.name,
            "owner": self.owner,
            "uri": self.uri,
            "keyid": self.key_id,
            "key": self.public.to_dict(),
        }
        path = self.folder / f"{self.name}{PUBLIC_SUFFIX}"
        if not write_atomically(path, json.dumps(data, indent=2, sort_keys=True) + "\n", mode=0o644, replace=False):
            raise KeyFileError(
                f"There is already a key named {self.name} in {self.folder}", hint="Choose another name."
            )
        return path


def generate_key(folder: Path, name: str, *, owner: str, passphrase: Passphrase) -> KeyFile:
    """Make a new ed25519 key, encrypted on disk from the first byte."""
    _check_name(name)
    private = Ed25519PrivateKey.generate()
    secret = passphrase(name)
    if len(secret) < MIN_PASSPHRASE:
        raise KeyFileError(
            f"The passphrase of {name} has fewer than {MIN_PASSPHRASE} characters", hint="Choose a longer one."
        )
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(secret.encode()))
    path = folder / f"{name}.pem"
    if (folder / f"{name}{PUBLIC_SUFFIX}").exists() or not write_atomically(path, pem, mode=0o600, replace=False):
        raise KeyFileError(f"There is already a key named {name} in {folder}", hint="Choose another name.")
    key = KeyFile(name, owner, f"file:{path.name}", _owned(SSlibKey.from_crypto(private.public_key()), owner), folder)
    key.save()
    return key


def import_token_key(folder: Path, name: str, *, owner: str, uri: str, passphrase: Passphrase) -> KeyFile:
    """Describe a key that lives in a PKCS#11 token (RFC 7512 URI); its private part never leaves the token."""
    _check_name(name)
    token = _Token.parse(uri)
    token.choose_module()
    try:
        _, public = HSMSigner.import_(token.key_id, token.label, lambda _secret: token.pin(passphrase, name))
    except (ValueError, UnsupportedLibraryError) as error:
        raise KeyFileError(
            f"The token gives no usable key: {error}", hint="Check the URI, the module and the PIN."
        ) from error
    except Exception as error:  # the PKCS#11 binding raises many kinds, with no common root of ours
        raise KeyFileError(
            f"The token refuses: {type(error).__name__}", hint="Check the URI, the module and the PIN."
        ) from error
    key = KeyFile(name, owner, uri, _owned(public, owner), folder)
    key.save()
    return key


def load_key(path: Path) -> KeyFile:
    """Read the public description of a key; raises KeyFileError when it is not one."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        public = SSlibKey.from_dict(str(data["keyid"]), dict(data["key"]))
        return KeyFile(str(data["name"]), str(data["owner"]), str(data["uri"]), public, path.parent)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KeyFileError(
            f"{path} does not describe a key: {error}", hint=f"Name a file that ends in {PUBLIC_SUFFIX}."
        ) from error


def load_keys(folder: Path) -> list[KeyFile]:
    """Every key described in a folder, by name."""
    return [load_key(path) for path in sorted(folder.glob(f"*{PUBLIC_SUFFIX}"))]


def passphrase_from_file(path: Path) -> Passphrase:
    """One passphrase for all keys, from a file that nobody else may read."""
    check_private(path)
    try:
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"The passphrase file {path} cannot be read: {error}", hint="Check the path.") from error
    if not secret:
        raise KeyFileError(f"The passphrase file {path} is empty", hint="Write the passphrase into its first line.")
    return lambda _name: secret


def passphrase_from_terminal(name: str) -> str:
    """Ask the person at the terminal."""
    return getpass.getpass(f"Passphrase of {name}: ")


def check_private(path: Path) -> None:
    """Refuse a secret's file that others than its owner could read or change, or that is not ours."""
    try:
        found = path.stat()
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}", hint="Check the path.") from error
    if not stat.S_ISREG(found.st_mode):
        raise KeyFileError(f"{path} is not a regular file", hint="Name a file.")
    if found.st_mode & _OTHERS:
        mode = stat.S_IMODE(found.st_mode)
        raise KeyFileError(f"{path} has mode {mode:04o}, so others may read it", hint=f"Run: chmod 0600 {path}")
    if found.st_uid not in {os.geteuid(), 0}:
        raise KeyFileError(f"{path} belongs to another user", hint="Give the file to the account that runs Sapwood.")


def owner_of(key: Key) -> str:
    """Whose key it is, as the metadata say."""
    return str(key.unrecognized_fields.get(OWNER_FIELD, "")) or f"key {key.keyid[:8]}"


def duplicates(keys: Iterable[Key]) -> bool:
    """Is one key among these twice, under whatever id?"""
    values = [str(sorted(key.keyval.items())) for key in keys if isinstance(key, SSlibKey)]
    return len(values) != len(set(values))


def _owned(key: SSlibKey, owner: str) -> SSlibKey:
    key.unrecognized_fields[OWNER_FIELD] = owner
    return key


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise KeyFileError(f"{name!r} cannot name a key", hint="Use small letters, digits, dots and hyphens.")


def _file_signer(key: KeyFile, passphrase: Passphrase) -> Signer:
    path = key.folder / Path(key.uri.removeprefix("file:")).name
    check_private(path)
    pem = path.read_bytes()
    if b"ENCRYPTED" not in pem:
        raise KeyFileError(
            f"The private key {path} is not encrypted", hint="Make a new one: sapwood channel keys generate."
        )
    try:
        private = load_pem_private_key(pem, passphrase(key.name).encode())
        return CryptoSigner(private, key.public)
    except (ValueError, TypeError, UnsupportedAlgorithm, KeyMismatchError) as error:
        raise KeyFileError(f"The key {key.name} cannot be opened", hint="Check its passphrase.") from error


def _token_signer(key: KeyFile, passphrase: Passphrase) -> Signer:
    token = _Token.parse(key.uri)
    token.choose_module()
    return _TokenSigner(token.key_id, key.public, lambda _secret: token.pin(passphrase, key.name), token.label)


class _TokenSigner(HSMSigner):
    """A token's failures in one line, whatever the binding raises."""

    @override
    def sign(self, payload: bytes) -> Signature:
        try:
            return super().sign(payload)
        except Exception as error:
            raise KeyFileError(
                f"The token does not sign: {str(error) or type(error).__name__}", hint="Check the token and its PIN."
            ) from error


@dataclass(frozen=True)
class _Token:
    """What a PKCS#11 URI (RFC 7512) says: `pkcs11:token=LABEL;id=%02?module-path=…&pin-source=file:…`."""

    label: str | None
    key_id: int
    module: str
    pin_source: str

    @classmethod
    def parse(cls, uri: str) -> "_Token":
        scheme, _, rest = uri.partition(":")
        if scheme != "pkcs11":
            raise KeyFileError(f"{uri[:60]!r} is not a PKCS#11 URI", hint="Write pkcs11:token=LABEL;id=%02.")
        path, _, query = rest.partition("?")
        parts = dict(part.partition("=")[::2] for part in path.split(";") if part)
        options = {name: values[-1] for name, values in parse_qs(query).items()}
        key_id = int.from_bytes(unquote_to_bytes(parts.get("id", "%02")), "big")
        label = unquote(parts["token"]) if "token" in parts else None
        return cls(label, key_id, options.get("module-path", ""), options.get("pin-source", ""))

    def choose_module(self) -> None:
        """Securesystemslib takes the module from the environment; a module in the URI goes first."""
        if self.module:
            os.environ[PKCS11_MODULE_VARIABLE] = self.module
        if not os.environ.get(PKCS11_MODULE_VARIABLE):
            raise KeyFileError(
                "No PKCS#11 module is named",
                hint=f"Add ?module-path=/path/to/module.so to the URI or set {PKCS11_MODULE_VARIABLE}.",
            )

    def pin(self, ask: Passphrase, name: str) -> str:
        """The PIN: from the file in the URI, else as passphrases are asked for."""
        if self.pin_source:
            return passphrase_from_file(Path(self.pin_source.removeprefix("file:")))(name)
        return ask(name)
