"""Who may look at the channel and who may change it, on pages and by token."""

from django.utils.translation import gettext_lazy as _

from sapwood.accounts.api import Role, register_permission

VIEW_CHANNEL = register_permission("channel.view", _("See how the channel is"), roles=Role).code
MANAGE_CHANNEL = register_permission(
    "channel.manage",
    _("Pull at once, and confirm that publications were rightly withdrawn"),
    roles={Role.SITE_ADMINISTRATOR, Role.RELEASE_MANAGER},
).code
