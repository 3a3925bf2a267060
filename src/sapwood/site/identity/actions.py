"""The site's key and id, made on first need; envelopes signed with that key, and verified."""

import hashlib
import uuid

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError as BadSignatureError
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from sapwood.core.files import kept
from sapwood.core.keys import own_key
from sapwood.core.paths import role_dir
from sapwood.formats.canonical import canonical_bytes, strict_json
from sapwood.formats.errors import FormatError
from sapwood.formats.phrase import Phrase
from sapwood.site.identity.data import ForeignError, ForgedError, Identity, IdentityError

FOLDER, KEY_NAME, ID_NAME = "identity", "site.key", "site.id"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


def who() -> Identity:
    """The site's id and the fingerprint of its key."""
    return Identity(site_id(), str(_signer().public_key.keyid))


def site_id() -> uuid.UUID:
    """A random UUID, the same for the life of this installation. Raises IdentityError."""
    path = role_dir() / FOLDER / ID_NAME
    try:
        return uuid.UUID(kept(path, lambda: f"{uuid.uuid4()}\n").decode("ascii").strip())
    except ValueError:
        raise IdentityError(
            Phrase("The site's id in %(file)s is damaged", file=path.name), hint=Phrase("Restore it from a backup.")
        ) from None


def random_number() -> float:
    """From 0 to below 1, the same for the life of this installation: which share of a roll-out it belongs to."""
    digest = hashlib.sha256(b"sapwood roll-out " + site_id().bytes).digest()
    return (int.from_bytes(digest[:8]) >> 11) / 2**53


def sign(payload: bytes) -> bytes:
    """A DSSE envelope around an in-toto statement, signed with the site's key."""
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(_signer())
    return canonical_bytes(envelope.to_dict())


def verify(raw: bytes) -> bytes:
    """The payload of an envelope that this site signed. Raises FormatError, ForgedError, ForeignError.

    What differs from the signed bytes in any way is refused, also where a lenient reader would see the same.
    """
    key = _signer().public_key
    envelope = _envelope(raw)
    if set(envelope.signatures) != {key.keyid}:
        raise ForeignError(
            Phrase("This was not signed by this site"),
            hint=Phrase("Use one that this site made itself."),
        )
    try:
        envelope.verify([key], 1)
    except VerificationError:
        raise _forged() from None
    if envelope.payload_type != PAYLOAD_TYPE or canonical_bytes(envelope.to_dict()) != raw:
        raise _forged()
    return bytes(envelope.payload)


def _signer() -> CryptoSigner:
    private = own_key(role_dir() / FOLDER / KEY_NAME)
    return CryptoSigner(private, SSlibKey.from_crypto(private.public_key()))


def _envelope(raw: bytes) -> Envelope:
    data = strict_json(raw)
    try:
        return Envelope.from_dict(data)
    except (KeyError, TypeError, ValueError, AttributeError, BadSignatureError):
        raise FormatError(
            Phrase("This is not a signed document"), hint=Phrase("Use one that this site made itself.")
        ) from None


def _forged() -> ForgedError:
    return ForgedError(
        Phrase("This document was changed after it was signed"), hint=Phrase("Make a new one; do not use this one.")
    )
