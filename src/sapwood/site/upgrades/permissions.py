"""What people may do with upgrades."""

from django.utils.translation import gettext_lazy as _

from sapwood.accounts.api import Role, register_permission

VIEW = register_permission(
    "upgrades.view", _("See plans, rehearsals and upgrades"), roles={Role.SITE_ADMINISTRATOR, Role.AUDITOR}
).code
REHEARSE = register_permission(
    "upgrades.rehearse", _("Have upgrades planned and rehearsed on a copy"), roles={Role.SITE_ADMINISTRATOR}
).code
APPLY = register_permission(
    "upgrades.apply", _("Upgrade the site, and take it back"), roles={Role.SITE_ADMINISTRATOR}, by_token=False
).code
AUTOMATE = register_permission(
    "upgrades.automate",
    _("Say what may happen by itself, and when nothing may"),
    roles={Role.SITE_ADMINISTRATOR},
    by_token=False,
).code
