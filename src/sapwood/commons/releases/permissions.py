"""What people may do with the catalogue. Reading it is public."""

from django.utils.translation import gettext_lazy as _

from sapwood.accounts.api import Role, register_permission

VIEW = register_permission(
    "releases.view",
    _("See proposed catalogues and their findings"),
    roles={Role.RELEASE_MANAGER, Role.COMMUNICATOR, Role.SECOND_SIGNER, Role.AUDITOR},
).code
PROPOSE = register_permission("releases.propose", _("Propose a new catalogue"), roles={Role.RELEASE_MANAGER}).code
APPROVE = register_permission(
    "releases.approve",
    _("Approve a catalogue that somebody else proposed"),
    roles={Role.RELEASE_MANAGER, Role.SECOND_SIGNER},
    by_token=False,
).code
REPORT = register_permission(
    "releases.report",
    _("Publish and withdraw what a release's migrations cost"),
    roles={Role.RELEASE_MANAGER},
    by_token=False,
).code
