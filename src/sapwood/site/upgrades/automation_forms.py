"""What people may send to the pages of automation."""

import datetime as dt
from typing import Any

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from sapwood.site.upgrades.blackouts import MAX_REASON
from sapwood.site.upgrades.conf import TIME_ZONE
from sapwood.site.upgrades.models import Automation
from sapwood.site.upgrades.windows import Window


class BlackoutForm(forms.Form):
    """Days on which nothing happens by itself."""

    first_day = forms.DateField(label=_("First day"), widget=forms.DateInput(attrs={"type": "date"}))
    last_day = forms.DateField(label=_("Last day"), widget=forms.DateInput(attrs={"type": "date"}))
    reason = forms.CharField(
        label=_("Reason"), max_length=MAX_REASON, widget=forms.TextInput(attrs={"dir": "auto"}), help_text=_("Exams.")
    )


class RehearsalsForm(forms.Form):
    """What is rehearsed by itself."""

    rehearses = forms.BooleanField(label=_("Rehearse each new point release by itself"), required=False)
    candidates = forms.BooleanField(
        label=_("Candidates too"), required=False, help_text=_("You then also hear of new candidates.")
    )
    in_blackouts = forms.BooleanField(
        label=_("On black-out dates too"),
        required=False,
        help_text=_("A rehearsal changes nothing, but it loads the machine that it runs on."),
    )

    @classmethod
    def of(cls, setting: Automation) -> "RehearsalsForm":
        """As it stands."""
        names = ("rehearses", "candidates", "in_blackouts")
        return cls(initial={name: getattr(setting, name) for name in names})


class WindowForm(forms.Form):
    """When point releases are applied by themselves."""

    day = forms.TypedChoiceField(label=_("Day of the week"), coerce=int, choices=list(WEEKDAYS.items()))
    start = forms.TimeField(label=_("From"), widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    length_minutes = forms.IntegerField(
        label=_("Length in minutes"), min_value=15, max_value=1440, help_text=_("Between 15 minutes and a day.")
    )
    zone = forms.CharField(
        label=_("Time zone"),
        max_length=64,
        widget=forms.TextInput(attrs={"dir": "ltr", "autocomplete": "off"}),
        help_text=_("Such as Europe/Berlin. Summer and winter time are seen to."),
    )

    @classmethod
    def of(cls, setting: Automation) -> "WindowForm":
        """As it stands; a first one begins in the site's own zone."""
        zone = setting.zone if setting.pk and setting.application_by_id else TIME_ZONE.get()
        given = {"day": setting.day, "start": setting.start, "length_minutes": setting.length_minutes, "zone": zone}
        return cls(initial=given)

    def window(self) -> Window:
        """What was sent."""
        data: dict[str, Any] = self.cleaned_data
        length = dt.timedelta(minutes=data["length_minutes"])
        return Window(data["day"], data["start"], length, data["zone"].strip())
