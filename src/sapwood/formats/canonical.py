"""The one canonical form of our own documents: RFC 8785."""

import hashlib
from typing import Any

import rfc8785


def canonical_bytes(value: Any) -> bytes:
    """The canonical JSON (RFC 8785) of a value, as UTF-8."""
    return rfc8785.dumps(value)


def sha256_hex(raw: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(raw).hexdigest()
