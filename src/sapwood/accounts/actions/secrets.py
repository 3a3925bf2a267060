"""Secrets that we hand out: shown once, kept as a hash."""

import hashlib
import secrets

TOKEN_PREFIX = "sapw_"  # noqa: S105 - a mark by which leaked tokens are found, not a secret


def new_secret() -> str:
    """256 random bits, safe in an address."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """What is kept; with 256 random bits a plain hash cannot be searched."""
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()
