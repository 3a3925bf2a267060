"""What accounts shows in the console's shell: who may see which menu entry, the account menu."""

from collections.abc import Iterable

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from sapwood.accounts.data import ANYWHERE
from sapwood.accounts.models import User
from sapwood.accounts.permissions import MANAGE_PEOPLE, PERMISSIONS, VIEW_AUDIT, VIEW_PEOPLE
from sapwood.accounts.queries import user_has
from sapwood.accounts.tasks import VERIFY_JOB
from sapwood.console.registry import (
    AccountLink,
    MenuEntry,
    Need,
    Work,
    register_account_link,
    register_menu,
    register_need,
    register_work,
    set_permission_check,
)


def _may(user: object, code: str) -> bool:
    return code in PERMISSIONS and user_has(user, code, ANYWHERE)


def _own_account(request: HttpRequest) -> Iterable[Need]:
    """Remind people of what keeps their own account open to them and closed to others."""
    user = request.user
    if not isinstance(user, User):
        return
    if Authenticator.objects.filter(user=user).exists():
        return
    if user.has_usable_password():
        if user_has(user, MANAGE_PEOPLE):
            text = _("Your account decides about others and has no second factor.")
            yield Need("medium", text, reverse("mfa_index"), _("Add one"))
    elif not SocialAccount.objects.filter(user=user).exists():
        text = _("You came by a one-time link and have no other way to sign in.")
        yield Need("medium", text, reverse("accounts:me"), _("Choose one"))


set_permission_check(_may)
register_need(_own_account)
register_menu(MenuEntry("people", _("People"), "accounts:people", 80, permission=VIEW_PEOPLE))
register_menu(MenuEntry("audit", _("Audit"), "accounts:audit", 90, permission=VIEW_AUDIT))
register_account_link(AccountLink("me", _("My account"), "accounts:me", 20))
register_account_link(AccountLink("sign-in", _("Sign in"), "account_login", 10, signed_in=False))
register_account_link(AccountLink("sign-out", _("Sign out"), "account_logout", 90, post=True))
register_work(Work(VERIFY_JOB, _("Verifying the audit log"), VIEW_AUDIT, "accounts:audit_verify", _("What was found")))
