"""What identity hands out, and how it refuses."""

from dataclasses import dataclass
from uuid import UUID

from sapwood.core.errors import SapwoodError


class IdentityError(SapwoodError):
    """The file with the site's id is damaged."""

    code = "identity.damaged"
    http_status = 500


class ForgedError(SapwoodError):
    """A signed document is not as this site wrote it."""

    code = "identity.forged"


class ForeignError(SapwoodError):
    """A signed document is of another site."""

    code = "identity.foreign"


@dataclass(frozen=True)
class Identity:
    """Who this site is: both parts may be shown to anybody."""

    site_id: UUID
    key_id: str
