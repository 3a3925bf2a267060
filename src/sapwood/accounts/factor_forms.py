"""The library's second-factor forms, which here leave a note when they are not passed."""

from typing import Any

from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm, LoginWebAuthnForm, ReauthenticateWebAuthnForm

from sapwood.accounts.models import User
from sapwood.accounts.notes import note_failure


class _Noted:
    user: Any

    def full_clean(self) -> None:
        super().full_clean()  # type: ignore[misc]  # a form stands behind it
        form: Any = self
        found = form.errors.as_data().values() if form.is_bound else ()
        codes = {error.code for errors in found for error in errors}
        if codes - {"required"}:
            reason = "too_many_attempts" if "too_many_login_attempts" in codes else "second_factor"
            note_failure(context.request, reason=reason, user=self.user if isinstance(self.user, User) else None)


class CodeForm(_Noted, AuthenticateForm):  # type: ignore[misc]  # allauth ships no types
    """A code, to sign in."""


class CodeAgainForm(_Noted, ReauthenticateForm):  # type: ignore[misc]  # allauth ships no types
    """A code, to confirm who one is."""


class PasskeyForm(_Noted, AuthenticateWebAuthnForm):  # type: ignore[misc]  # allauth ships no types
    """A passkey as the second factor."""


class PasskeyAgainForm(_Noted, ReauthenticateWebAuthnForm):  # type: ignore[misc]  # allauth ships no types
    """A passkey, to confirm who one is."""


class PasskeyAloneForm(_Noted, LoginWebAuthnForm):  # type: ignore[misc]  # allauth ships no types
    """A passkey that signs in by itself."""
