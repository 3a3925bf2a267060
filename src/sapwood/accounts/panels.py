"""What accounts shows in the console's shell: who may see which menu entry, the account menu."""

from django.utils.translation import gettext_lazy as _

from sapwood.accounts.data import ANYWHERE
from sapwood.accounts.permissions import PERMISSIONS
from sapwood.accounts.queries import user_has
from sapwood.console.registry import AccountLink, register_account_link, set_permission_check


def _may(user: object, code: str) -> bool:
    return code in PERMISSIONS and user_has(user, code, ANYWHERE)


set_permission_check(_may)
register_account_link(AccountLink("sign-in", _("Sign in"), "account_login", 10, signed_in=False))
register_account_link(AccountLink("sign-out", _("Sign out"), "account_logout", 90, post=True))
