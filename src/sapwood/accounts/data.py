"""Roles, scopes and permissions as plain values."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol, TypeAlias

from django.utils.translation import gettext_lazy as _
from typing_extensions import override

Words: TypeAlias = Any  # a str, or what gettext_lazy returns (django-stubs gives it no usable name)
Scope: TypeAlias = tuple[str, str]


class Role(StrEnum):
    """What somebody is here for; permissions follow from roles and from nothing else."""

    SITE_ADMINISTRATOR = "site_administrator"
    REVIEWER = "reviewer"
    TRANSLATOR = "translator"
    INSTRUCTOR = "instructor"
    AUDITOR = "auditor"
    RELEASE_MANAGER = "release_manager"
    COMMUNICATOR = "communicator"
    SECOND_SIGNER = "second_signer"

    @classmethod
    @override
    def _missing_(cls, value: object) -> "Role | None":
        """Read `site-administrator` and `Site administrator` as people type them."""
        plain = str(value).strip().lower().replace("-", "_").replace(" ", "_")
        return next((role for role in cls if role.value == plain), None)

    @property
    def label(self) -> Words:
        """The role's name on a screen."""
        return ROLE_LABELS[self]


ROLE_LABELS: Final[dict[Role, Words]] = {
    Role.SITE_ADMINISTRATOR: _("Site administrator"),
    Role.REVIEWER: _("Reviewer"),
    Role.TRANSLATOR: _("Translator"),
    Role.INSTRUCTOR: _("Instructor"),
    Role.AUDITOR: _("Auditor"),
    Role.RELEASE_MANAGER: _("Release manager"),
    Role.COMMUNICATOR: _("Communicator"),
    Role.SECOND_SIGNER: _("Second signer"),
}

# Which roles exist on which side, the one that administers people first.
ROLES_OF: Final[dict[str, tuple[Role, ...]]] = {
    "site": (Role.SITE_ADMINISTRATOR, Role.REVIEWER, Role.TRANSLATOR, Role.INSTRUCTOR, Role.AUDITOR),
    "commons": (Role.RELEASE_MANAGER, Role.COMMUNICATOR, Role.SECOND_SIGNER, Role.AUDITOR),
}
ADMINISTERING: Final = frozenset({Role.SITE_ADMINISTRATOR, Role.RELEASE_MANAGER})


class ScopeKind(StrEnum):
    """What a grant may be narrowed to."""

    CHANNEL = "channel"
    LOCALE = "locale"

    @property
    def label(self) -> Words:
        """The kind's name on a screen."""
        return {ScopeKind.CHANNEL: _("Channel"), ScopeKind.LOCALE: _("Language")}[self]


class Scoped(Protocol):
    """An object that belongs to a channel, a locale, or both."""

    def permission_scopes(self) -> set[Scope]:
        """The (kind, key) pairs under which a narrowed grant reaches this object."""
        ...


@dataclass(frozen=True)
class Permission:
    """Something that roles allow; `scoped` roles also when their grant is narrowed."""

    code: str
    label: Words
    roles: frozenset[Role]
    scoped: frozenset[Role]
    by_token: bool


class Anywhere:
    """Stands in for the object when the question is "on anything at all?", as at the door of a list."""


ANYWHERE: Final = Anywhere()
