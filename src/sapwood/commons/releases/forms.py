"""The form by which a new catalogue comes in."""

from django import forms
from django.utils.translation import gettext_lazy as _

from sapwood.formats.catalogue.document import MAX_BYTES


class Proposal(forms.Form):
    """A catalogue file, and why it changes."""

    file = forms.FileField(label=_("Catalogue file"), help_text=_("A JSON document of the type catalogue."))
    note = forms.CharField(
        label=_("What changes, for the second look"), max_length=500, required=False, widget=forms.Textarea({"rows": 3})
    )

    def clean_file(self) -> bytes:
        """The file's bytes."""
        upload = self.cleaned_data["file"]
        if upload.size > MAX_BYTES:
            raise forms.ValidationError(_("The file is too large."))
        raw: bytes = upload.read()
        return raw
