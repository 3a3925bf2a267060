"""What people may do with what is known about a site."""

from django.utils.translation import gettext_lazy as _

from sapwood.accounts.api import Role, register_permission

VIEW = register_permission(
    "facts.view",
    _("See the site's release, its exposure and the way to the next release"),
    roles={Role.SITE_ADMINISTRATOR, Role.REVIEWER, Role.AUDITOR},
).code
REFRESH = register_permission("facts.refresh", _("Have the site inspected now"), roles={Role.SITE_ADMINISTRATOR}).code
