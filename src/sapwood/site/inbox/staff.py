"""The permissions of the inbox, and who holds them at the moment of an action or a delivery."""

import datetime as dt

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sapwood.accounts.api import (
    ANYWHERE,
    Scoped,
    User,
    person_by_uuid,
    register_permission,
    require,
    user_has,
)
from sapwood.accounts.data import Role
from sapwood.accounts.guards import user_behind
from sapwood.core.data import Actor, ActorKind
from sapwood.core.errors import ForbiddenError

_ADMIN = Role.SITE_ADMINISTRATOR
_REVIEWER = Role.REVIEWER

VIEW = register_permission(
    "inbox.view",
    _("Read the inbox"),
    roles={_ADMIN, _REVIEWER, Role.AUDITOR},
    roles_scoped={_REVIEWER, Role.TRANSLATOR},
).code
DECIDE = register_permission(
    "inbox.decide",
    _("Edit, snooze, reject and archive items, answer feedback requests"),
    roles={_ADMIN, _REVIEWER},
    roles_scoped={_REVIEWER},
).code
TRANSLATE = register_permission(
    "inbox.translate",
    _("Translate items"),
    roles={_ADMIN, _REVIEWER, Role.TRANSLATOR},
    roles_scoped={_REVIEWER, Role.TRANSLATOR},
).code
APPROVE = register_permission("inbox.approve", _("Approve items for delivery, withdraw approvals"), roles={_ADMIN}).code
TRUST = register_permission(
    "inbox.trust",
    _("Open channels to instructors and learners, set outlets, rules and the brand"),
    roles={_ADMIN},
    by_token=False,
).code
PEOPLE = register_permission(
    "inbox.people", _("See, import, export and erase the people whom deliveries reach"), roles={_ADMIN}, by_token=False
).code
DELIVERIES = register_permission("inbox.deliveries", _("See deliveries"), roles={_ADMIN, _REVIEWER, Role.AUDITOR}).code
REPEAT = register_permission("inbox.repeat", _("Repeat an uncertain or failed delivery"), roles={_ADMIN}).code
READ_AS_ADMINISTRATOR = register_permission(
    "inbox.read_as_administrator",
    _("Read announcements for administrators"),
    roles={_ADMIN, _REVIEWER, Role.TRANSLATOR, Role.AUDITOR},
).code
READ_AS_INSTRUCTOR = register_permission(
    "inbox.read_as_instructor", _("Read announcements for instructors"), roles={Role.INSTRUCTOR}
).code


def human_behind(actor: Actor) -> str:
    """One key per human being: a person and the same person's tokens are one; the command line is one."""
    if actor.kind is ActorKind.TOKEN:
        owner = user_behind(actor)
        return f"person:{owner.uuid}" if isinstance(owner, User) else f"token:{actor.key}"
    return f"{actor.kind.value}:{actor.key}"


def require_approver(actor: Actor, obj: Scoped) -> None:
    """Let pass only a human being who may approve: no job, no rule, nothing that runs by itself."""
    if actor.kind is ActorKind.SYSTEM:
        raise ForbiddenError(gettext("Background work approves nothing"), hint=gettext("A person has to approve it."))
    require(actor, APPROVE, obj)


def still_may_approve(kind: str, person: str, *, now: dt.datetime) -> bool:
    """Whether whoever signed an approval could still sign it now."""
    if kind == ActorKind.COMMAND:
        return True
    if kind not in {ActorKind.PERSON, ActorKind.TOKEN}:
        return False
    user = person_by_uuid(person.removeprefix("person:"))
    return user is not None and user_has(user, APPROVE, now=now)


__all__ = [
    "ANYWHERE",
    "APPROVE",
    "DECIDE",
    "DELIVERIES",
    "PEOPLE",
    "READ_AS_ADMINISTRATOR",
    "READ_AS_INSTRUCTOR",
    "REPEAT",
    "TRANSLATE",
    "TRUST",
    "VIEW",
    "Scoped",
    "human_behind",
    "require",
    "require_approver",
    "still_may_approve",
]
