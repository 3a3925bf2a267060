"""Signing keys that an installation makes for itself; the keys of people are the channel's (`channel/keys.py`)."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sapwood.core.errors import SapwoodError
from sapwood.core.files import kept
from sapwood.formats.phrase import Phrase


class OwnKeyError(SapwoodError):
    """A key that this installation made for itself is damaged."""

    code = "core.own_key"
    http_status = 500


def own_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key in a private file (RFC 8032, 32 bytes), made on first need. Raises OwnKeyError."""
    try:
        return Ed25519PrivateKey.from_private_bytes(kept(path, _fresh))
    except ValueError:
        raise OwnKeyError(
            Phrase("The key in %(file)s is damaged", file=path.name), hint=Phrase("Restore it from a backup.")
        ) from None


def _fresh() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
