"""The permissions of this installation: each module registers its own, the reference page lists them all."""

from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from sapwood.accounts.data import ADMINISTERING, Permission, Role, Words
from sapwood.core.errors import SapwoodError

PERMISSIONS: dict[str, Permission] = {}


class UnknownPermissionError(SapwoodError):
    """A permission has a name that no module registered."""

    code = "accounts.unknown_permission"
    http_status = 500


def register_permission(
    code: str,
    label: Words,
    *,
    roles: Iterable[Role | str],
    roles_scoped: Iterable[Role | str] = (),
    by_token: bool = True,
) -> Permission:
    """Declare the permission `code` ("inbox.decide").

    `roles` hold it on everything. `roles_scoped` also hold it when their grant is narrowed to a channel or locale,
    on objects whose `permission_scopes()` say so; a module that names some promises to pass the object to `require`.
    `by_token=False` keeps it out of reach of API tokens.
    """
    scoped = frozenset(Role(role) for role in roles_scoped)
    item = Permission(code, label, frozenset(Role(role) for role in roles) | scoped, scoped, by_token)
    known = PERMISSIONS.setdefault(code, item)
    if (known.roles, known.scoped, known.by_token) != (item.roles, item.scoped, item.by_token):
        raise ValueError(f"permission {code!r} is registered twice, differently")
    return known


def permission(code: str) -> Permission:
    """The permission named `code`; raises UnknownPermissionError."""
    try:
        return PERMISSIONS[code]
    except KeyError:
        raise UnknownPermissionError(
            f"There is no permission named {code}", hint="This is a defect: report it."
        ) from None


VIEW_PEOPLE = register_permission(
    "accounts.view", _("See who has an account and which roles"), roles={*ADMINISTERING, Role.AUDITOR}
).code
MANAGE_PEOPLE = register_permission(
    "accounts.manage", _("Invite people, grant and revoke roles, erase accounts"), roles=ADMINISTERING, by_token=False
).code
VIEW_AUDIT = register_permission("audit.view", _("Read the audit log"), roles={*ADMINISTERING, Role.AUDITOR}).code
