"""The front door of identity: who this site is, and what it signs."""

from sapwood.site.identity.actions import random_number, sign, site_id, verify, who
from sapwood.site.identity.data import ForeignError, ForgedError, Identity, IdentityError

__all__ = [
    "ForeignError",
    "ForgedError",
    "Identity",
    "IdentityError",
    "random_number",
    "sign",
    "site_id",
    "verify",
    "who",
]
