"""What people may send to the pages about the list."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from sapwood.site.inbox.actions.people import Wish
from sapwood.site.inbox.data import Audience
from sapwood.site.inbox.models import Person
from sapwood.site.inbox.models.people import THRESHOLDS

THRESHOLD_LABELS = {
    "none": _("everything at once"),
    "low": _("low and above at once"),
    "medium": _("medium and above at once"),
    "high": _("high and above at once"),
    "critical": _("only critical at once"),
    "never": _("nothing at once"),
}
BEYOND = [(audience.value, audience.label) for audience in Audience if audience is not Audience.ADMINISTRATORS]


class AddForm(forms.Form):
    """One address."""

    email = forms.EmailField(label=_("E-mail address"))
    audience = forms.ChoiceField(label=_("Audience"), choices=Audience.choices)
    locale = forms.ChoiceField(label=_("Language"), choices=lambda: list(settings.LANGUAGES))


class CsvForm(forms.Form):
    """A file of addresses."""

    file = forms.FileField(label=_("CSV file"), help_text=_("Columns: email, audience, locale, threshold, digest."))
    audience = forms.ChoiceField(label=_("Audience of lines that name none"), choices=BEYOND)


class RefuseForm(forms.Form):
    """An address for the bounce list."""

    email = forms.EmailField(label=_("E-mail address"))


class AudienceRuleForm(forms.Form):
    """Which claim gives which audience."""

    claim = forms.CharField(label=_("Claim"), max_length=200, help_text=_("Such as groups."))
    value = forms.CharField(label=_("Value"), max_length=200, help_text=_("Exactly as the provider sends it."))
    audience = forms.ChoiceField(label=_("Audience"), choices=BEYOND, initial=Audience.LEARNERS.value)


class SubscribeForm(forms.Form):
    """Somebody asks to be put on the list."""

    email = forms.EmailField(label=_("E-mail address"))
    audience = forms.ChoiceField(label=_("I am one of the"), choices=BEYOND, initial=Audience.LEARNERS.value)


class WishForm(forms.Form):
    """What a person wants to hear, and how."""

    locale = forms.ChoiceField(label=_("Language"), choices=lambda: list(settings.LANGUAGES))
    threshold = forms.ChoiceField(label=_("Mail at once"), choices=[(v, THRESHOLD_LABELS[v]) for v, _w in THRESHOLDS])
    digest = forms.BooleanField(label=_("Everything else once a day"), required=False)
    streams = forms.MultipleChoiceField(label=_("Streams"), required=False, widget=forms.CheckboxSelectMultiple)
    forum = forms.BooleanField(label=_("I accept the invitation to the community forum"), required=False)

    def __init__(self, *args: Any, person: Person, streams: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person
        self.fields["streams"].choices = [(name, name) for name in streams]  # type: ignore[attr-defined]  # a ChoiceField
        if person.audience == Audience.ADMINISTRATORS or not streams:
            del self.fields["streams"]
        if person.forum_invited_at is None:
            del self.fields["forum"]
        self.initial = {
            "locale": person.locale,
            "threshold": person.threshold,
            "digest": person.digest,
            "streams": list(person.streams.values_list("channel", flat=True)),
            "forum": person.forum_accepted_at is not None,
        }

    def wish(self) -> Wish:
        """What was chosen."""
        data = self.cleaned_data
        return Wish(
            locale=data["locale"],
            threshold=data["threshold"],
            digest=data["digest"],
            streams=tuple(data.get("streams", ())),
            forum=data.get("forum"),
        )
