"""What people may do with announcements; a communicator's or second signer's role may be narrowed to one channel."""

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from sapwood.accounts.api import Role, Scope, ScopeKind, register_permission

WRITERS = {Role.RELEASE_MANAGER, Role.COMMUNICATOR}
NARROWED = {Role.COMMUNICATOR}


@dataclass(frozen=True)
class OnChannel:
    """Something that belongs to one channel, as far as permissions go."""

    channel: str

    def permission_scopes(self) -> set[Scope]:
        """The scopes under which a narrowed role reaches it."""
        return {(ScopeKind.CHANNEL.value, self.channel)}


VIEW = register_permission(
    "announcements.view",
    _("Read drafts and the history of announcements"),
    roles={*WRITERS, Role.SECOND_SIGNER, Role.AUDITOR},
    roles_scoped={*NARROWED, Role.SECOND_SIGNER},
).code
WRITE = register_permission(
    "announcements.write", _("Write and submit announcements"), roles=WRITERS, roles_scoped=NARROWED
).code
APPROVE = register_permission(
    "announcements.approve",
    _("Approve announcements"),
    roles={*WRITERS, Role.SECOND_SIGNER},
    roles_scoped={*NARROWED, Role.SECOND_SIGNER},
    by_token=False,
).code
STAGE = register_permission(
    "announcements.stage", _("Put approved announcements before the signers"), roles=WRITERS, roles_scoped=NARROWED
).code
RETRACT = register_permission(
    "announcements.retract", _("Take published announcements back"), roles=WRITERS, roles_scoped=NARROWED
).code
IMPORT = register_permission("announcements.import", _("Add and read sources of announcements"), roles=WRITERS).code
TRANSLATE = register_permission(
    "announcements.translate", _("Translate announcements"), roles=WRITERS, roles_scoped=NARROWED
).code
