"""Frozen values that every module passes around."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from django.utils.translation import gettext_noop

JSON: TypeAlias = "str | int | float | bool | Sequence[JSON] | Mapping[str, JSON] | None"


# Names that the log keeps in English and screens translate; every other name is a person's, a token's or a job's own.
COMMAND_LINE: Final = gettext_noop("command line")
A_READER: Final = gettext_noop("a reader")


class ActorKind(StrEnum):
    """Through which kind of door somebody acts."""

    PERSON = "person"
    TOKEN = "token"  # noqa: S105 - a kind of actor, not a secret
    COMMAND = "command"
    SYSTEM = "system"


@dataclass(frozen=True)
class Actor:
    """Who does something: `key` is stable (user uuid, token uuid, job name), `label` is for screens."""

    kind: ActorKind
    key: str
    label: str

    @classmethod
    def system(cls, name: str) -> "Actor":
        """Background work, named by its job."""
        return cls(ActorKind.SYSTEM, name, name)

    @classmethod
    def command(cls) -> "Actor":
        """Whoever holds the operating account's shell."""
        return cls(ActorKind.COMMAND, "cli", COMMAND_LINE)

    def packed(self) -> list[str]:
        """For the payload of a job that acts for somebody."""
        return [self.kind.value, self.key, self.label]

    @classmethod
    def unpacked(cls, value: JSON) -> "Actor":
        """The reverse of `packed`."""
        if not isinstance(value, list):
            raise TypeError("this is no packed actor")
        kind, key, label = map(str, value)
        return cls(ActorKind(kind), key, label)
