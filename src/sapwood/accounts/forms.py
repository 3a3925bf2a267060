"""Forms of the account pages."""

import datetime as dt
from typing import Any

from allauth.mfa.webauthn.forms import AddWebAuthnForm, EditWebAuthnForm
from django import forms
from django.conf import settings as django_settings
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from typing_extensions import override

from sapwood.accounts.data import ROLES_OF, Scope, ScopeKind
from sapwood.accounts.models import User
from sapwood.accounts.queries import permissions_of
from sapwood.core import settings

_DAYS = [(30, _("30 days")), (90, _("90 days")), (366, _("1 year"))]


def role_choices() -> list[tuple[str, Any]]:
    """The roles of this side."""
    return [(role.value, role.label) for role in ROLES_OF[settings.ROLE.get()]]


class ProfileForm(forms.ModelForm[User]):
    """What a person changes about themselves."""

    language = forms.ChoiceField(label=_("Language"), required=False)

    class Meta:
        model = User
        fields = ("name", "language")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"] = forms.ChoiceField(
            label=_("Language"), required=False, choices=[("", _("as the browser")), *django_settings.LANGUAGES]
        )


class GrantForm(forms.Form):
    """A role, its scope and its end."""

    role = forms.ChoiceField(label=_("Role"), choices=role_choices)
    scope_kind = forms.ChoiceField(
        label=_("Only for one"),
        required=False,
        choices=[("", _("no: on everything")), *((kind.value, kind.label) for kind in ScopeKind)],
    )
    scope_key = forms.CharField(
        label=_("Which one"),
        required=False,
        max_length=100,
        help_text=_("The channel's name or the language's code, such as community or es-419."),
    )
    days = forms.IntegerField(
        label=_("Ends after days"), required=False, min_value=1, max_value=3660, help_text=_("Empty: until revoked.")
    )

    @override
    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if bool(data.get("scope_kind")) != bool((data.get("scope_key") or "").strip()):
            self.add_error("scope_key", _("Say which one, or choose “on everything”."))
        return data

    def scope(self) -> Scope | None:
        """The scope as a pair, or None for everything."""
        kind, key = self.cleaned_data["scope_kind"], self.cleaned_data["scope_key"]
        return (kind, key.strip()) if kind else None

    def expires_at(self, now: dt.datetime) -> dt.datetime | None:
        """When the role ends, or None."""
        days = self.cleaned_data.get("days")
        return now + dt.timedelta(days=days) if days else None


class InviteForm(GrantForm):
    """A new person with a first role."""

    email = forms.EmailField(label=_("E-mail address"), max_length=254)
    name = forms.CharField(label=_("Name"), required=False, max_length=150)
    field_order = ("email", "name", "role", "scope_kind", "scope_key")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["days"]


class ClaimRuleForm(forms.Form):
    """Which claim gives which role."""

    claim = forms.CharField(label=_("Claim"), max_length=200, help_text=_("Such as groups."))
    value = forms.CharField(label=_("Value"), max_length=200, help_text=_("Exactly as the provider sends it."))
    role = forms.ChoiceField(label=_("Role"), choices=role_choices)


class TokenForm(forms.Form):
    """A token's name, permissions and life."""

    name = forms.CharField(label=_("What it is for"), max_length=100)
    scopes = forms.MultipleChoiceField(label=_("What it may do"), widget=forms.CheckboxSelectMultiple)
    days = forms.TypedChoiceField(label=_("Works for"), coerce=int, choices=_DAYS, initial=90)

    def __init__(self, user: User, now: dt.datetime, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        allowed = [item for item in permissions_of(user, now=now) if item.by_token]
        self.fields["scopes"] = forms.MultipleChoiceField(
            label=_("What it may do"),
            widget=forms.CheckboxSelectMultiple,
            choices=[(item.code, item.label) for item in allowed],
        )


class AuditFilterForm(forms.Form):
    """What to look for in the audit log."""

    action = forms.CharField(label=_("Action"), required=False, max_length=100)
    subject = forms.CharField(
        label=_("About"),
        required=False,
        max_length=200,
        help_text=_("An address, or how the subject begins."),
    )
    day = forms.DateField(label=_("Day"), required=False, widget=forms.DateInput(attrs={"type": "date"}))


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]  # allauth ships no types
    """allauth's, with names for its fields: it leaves some of them to Django, which knows only English ones."""

    name = forms.CharField(label=_("Name"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["credential"].label = _("Answer of the device")
        self.fields["passwordless"].label = _("Passwordless")


class RenamePasskeyForm(EditWebAuthnForm):  # type: ignore[misc]  # as above
    """The same when a key is renamed."""

    name = forms.CharField(label=_("Name"))


# Django's own Arabic lacks this sentence of its password check; once it is in our catalogue, it is found there.
TOO_SHORT = ngettext_lazy(
    "This password is too short. It must contain at least %d character.",
    "This password is too short. It must contain at least %d characters.",
)
