"""What a pack of checks may import: the client and the shadow for types, and the words for "it cannot be known"."""

from sapwood_checks.client import Answer, OutsideError, Site
from sapwood_checks.data import Shadow, Unknown, unknown

__all__ = ["Answer", "OutsideError", "Shadow", "Site", "Unknown", "unknown"]
