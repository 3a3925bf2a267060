"""What people may send to the inbox's pages."""

import datetime as dt
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from sapwood.site.inbox.data import Audience, Choices, OutletKind, Text, Window
from sapwood.site.inbox.queries.review import Review


class UtcDateTime(forms.DateTimeField):
    """An instant in UTC, as `2026-11-30T08:00`."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "60"}, format="%Y-%m-%dT%H:%M")


class ApproveForm(forms.Form):
    """Audience, outlets, languages, window; and the hash of what was read."""

    audience = forms.ChoiceField(label=_("Audience"), choices=Audience.choices, widget=forms.RadioSelect)
    outlets = forms.MultipleChoiceField(
        label=_("Outlets"), choices=OutletKind.choices, widget=forms.CheckboxSelectMultiple
    )
    locales = forms.MultipleChoiceField(label=_("Languages"), widget=forms.CheckboxSelectMultiple)
    start = UtcDateTime(label=_("From (UTC)"), required=False, help_text=_("Empty: now."))
    end = UtcDateTime(label=_("Until (UTC)"), required=False, help_text=_("Empty: until somebody withdraws it."))
    seen = forms.CharField(label=_("What was read"), widget=forms.HiddenInput)
    confirm_removed_links = forms.BooleanField(label=_("The address was left out on purpose"), required=False)

    def __init__(self, *args: Any, found: Review, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        locales = [language.locale for language in found.languages]
        open_to = [(audience.value, audience.label) for audience, is_open in found.audiences if is_open]
        self.fields["locales"].choices = [(name, name) for name in locales]  # type: ignore[attr-defined]  # a ChoiceField
        self.fields["audience"].choices = open_to  # type: ignore[attr-defined]  # a ChoiceField
        if not found.removed_links:
            del self.fields["confirm_removed_links"]
        expires = found.item.expires_at
        self.initial.setdefault("audience", Audience.ADMINISTRATORS.value)
        self.initial.setdefault("outlets", [OutletKind.PAGE.value, OutletKind.FEED.value])
        self.initial.setdefault("locales", locales)
        self.initial.setdefault("seen", found.seen)
        if expires is not None:
            self.initial.setdefault("end", expires.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M"))

    def choices(self, now: dt.datetime) -> Choices:
        """What was chosen."""
        data = self.cleaned_data
        start, end = data.get("start"), data.get("end")
        return Choices(
            audience=Audience(data["audience"]),
            outlets=tuple(OutletKind(name) for name in data["outlets"]),
            locales=tuple(data["locales"]),
            window=Window(start or now, end),
        )

    @override
    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for name in ("start", "end"):
            if data.get(name) is not None:
                data[name] = data[name].replace(tzinfo=dt.UTC)
        return data


class TextForm(forms.Form):
    """One language of an item."""

    title = forms.CharField(label=_("Title"), max_length=300, widget=forms.TextInput(attrs={"dir": "auto"}))
    summary = forms.CharField(
        label=_("Summary"), required=False, widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"})
    )
    body = forms.CharField(
        label=_("Text (Markdown)"), required=False, widget=forms.Textarea(attrs={"rows": 16, "dir": "auto"})
    )
    question = forms.CharField(
        label=_("Question"), required=False, widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"})
    )
    seeks = forms.CharField(
        label=_("Whom it seeks"), required=False, widget=forms.Textarea(attrs={"rows": 2, "dir": "auto"})
    )
    version = forms.IntegerField(label=_("Version"), widget=forms.HiddenInput, min_value=0)
    base_revision = forms.IntegerField(label=_("Revision"), widget=forms.HiddenInput, min_value=1)

    def text(self) -> Text:
        """What was written."""
        return Text.of(self.cleaned_data)


class SnoozeForm(forms.Form):
    """When an item comes back."""

    days = forms.TypedChoiceField(
        label=_("Come back in"),
        coerce=int,
        choices=[(1, _("one day")), (7, _("one week")), (30, _("one month")), (90, _("three months"))],
        initial=7,
    )


class ReasonForm(forms.Form):
    """Why, for the audit log."""

    reason = forms.CharField(label=_("Reason (kept in the audit log)"), required=False, max_length=500)
