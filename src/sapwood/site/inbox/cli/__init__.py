"""The commands of the inbox."""

from sapwood.site.inbox.cli.inbox import inbox
from sapwood.site.inbox.cli.people import people

__all__ = ["inbox", "people"]
