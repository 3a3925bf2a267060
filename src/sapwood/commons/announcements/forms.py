"""The author's form: the same names, rules and errors as a Markdown file."""

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml
from django import forms
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from sapwood.commons.announcements import words
from sapwood.commons.announcements.checks import Report, check_document
from sapwood.commons.announcements.files.fields import Resolve, document_of, is_locale
from sapwood.commons.announcements.files.folder import MAX_SLUG_CHARS, SLUG
from sapwood.commons.announcements.files.frontmatter import FrontMatter, read_front_matter
from sapwood.commons.announcements.models import Revision
from sapwood.commons.announcements.po import MAX_BYTES, read_po
from sapwood.console.phrases import say
from sapwood.formats.canonical import JSON

LINK_LINE: Final = re.compile(r"\s*([a-z_]+)\s+(\S+)\s*(.*)", re.DOTALL)
_EVENT: Final = ("starts_at", "ends_at", "place", "lodging", "remote", "remote_url", "accessibility", "time_zone")
_FEEDBACK: Final = ("question", "closes_at", "seeks")
# Fields of a document that this form writes; what a newer Sapwood or an importer put beside them stays.
_OURS: Final = frozenset({
    "type", "version", "uuid", "channel", "kind", "severity", "audience", "texts", "condition", "publish_at",
    "expires_at", "links", "supersedes", "closes", "event", "feedback",
})  # fmt: skip
# Where a place in the document stands on the form; everything else keeps its own name.
_FIELD_OF: Final = {"links": "links", "condition": "condition", "supersedes": "supersedes", "closes": "closes"}


def _area(rows: int, **attributes: str) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, **attributes})


class DraftForm(forms.Form):
    """One announcement in the author's language, and everything that belongs to it."""

    slug = forms.CharField(
        label=_("Short name"), required=False, max_length=MAX_SLUG_CHARS,
        help_text=_("Part of its permanent address; from the title when left empty."),
    )  # fmt: skip
    title = forms.CharField(label=_("Title"), max_length=300)
    summary = forms.CharField(label=_("Summary"), required=False, widget=_area(2), max_length=1000)
    body = forms.CharField(
        label=_("Text"), required=False, widget=_area(14, dir="auto"), max_length=200_000,
        help_text=_("Markdown. {{site_name}} becomes the institution's name."),
    )  # fmt: skip
    kind = forms.ChoiceField(label=_("Kind"), choices=list(words.KINDS.items()))
    channel = forms.ChoiceField(
        label=_("Channel"), required=False, choices=[("", _("As the kind suggests")), *words.CHANNELS.items()]
    )
    severity = forms.ChoiceField(label=_("Severity"), choices=list(words.SEVERITIES.items()))
    audience = forms.ChoiceField(label=_("For whom"), choices=list(words.AUDIENCES.items()))
    publish_at = forms.CharField(label=_("From"), required=False, help_text=_("2026-12-09 or 2026-12-09T15:00:00Z"))
    expires_at = forms.CharField(label=_("Until"), required=False)
    condition = forms.CharField(
        label=_("Which sites it concerns"), required=False, widget=_area(5, spellcheck="false", dir="ltr"),
        help_text=_("Empty: all sites. Otherwise the same words as in a file."),
    )  # fmt: skip
    links = forms.CharField(
        label=_("Links"), required=False, widget=_area(3, spellcheck="false", dir="ltr"),
        help_text=_("One to a line: survey https://example.org/ Title. Or: forum, documentation, registration."),
    )  # fmt: skip
    supersedes = forms.CharField(label=_("Replaces"), required=False, help_text=_("Short names of older ones."))
    closes = forms.CharField(
        label=_("Answers the feedback request"), required=False, help_text=_("Its short name: you asked, we did.")
    )
    organisation = forms.CharField(
        label=_("Organisation that a case study describes"), required=False, max_length=200,
        help_text=_("It must agree to exactly this text before anybody outside reads it."),
    )  # fmt: skip
    question = forms.CharField(label=_("Question"), required=False, widget=_area(2))
    closes_at = forms.CharField(label=_("Open until"), required=False)
    seeks = forms.CharField(label=_("Whom it seeks"), required=False)
    starts_at = forms.CharField(label=_("Begins"), required=False)
    ends_at = forms.CharField(label=_("Ends"), required=False)
    place = forms.CharField(label=_("Place"), required=False)
    lodging = forms.CharField(label=_("Lodging"), required=False, widget=_area(2))
    remote = forms.CharField(label=_("Taking part from afar"), required=False, widget=_area(2))
    remote_url = forms.CharField(label=_("Room's address"), required=False)
    accessibility = forms.CharField(label=_("Accessibility"), required=False, widget=_area(2))
    time_zone = forms.CharField(label=_("Time zone"), required=False, help_text=_("Such as Europe/Madrid"))
    seen_sha256 = forms.CharField(required=False, widget=forms.HiddenInput)

    GROUPS: Final = (
        (_("Event"), _EVENT),
        (_("Feedback request"), _FEEDBACK),
        (_("Relations"), ("supersedes", "closes", "organisation")),
    )

    def __init__(self, *args: Any, key: uuid.UUID, resolve: Resolve, base: Mapping[str, JSON], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.key, self._resolve, self._base = key, resolve, base
        self.document: dict[str, JSON] = {}
        self.report = Report()
        if base:
            del self.fields["slug"]

    def main_fields(self) -> Sequence[forms.BoundField]:
        """What every announcement has."""
        grouped = {name for _title, names in self.GROUPS for name in names}
        return [field for field in self.visible_fields() if field.name not in grouped]

    def groups(self) -> list[tuple[Any, list[forms.BoundField], bool]]:
        """What some have: a title, its fields, and whether any of them is filled in or wrong."""
        found = []
        for title, names in self.GROUPS:
            fields = [self[name] for name in names]
            found.append((title, fields, any(field.value() or field.errors for field in fields)))
        return found

    def clean_slug(self) -> str:
        """A name that can stand in an address."""
        slug: str = self.cleaned_data["slug"].strip() or slugify(self.data.get("title", ""))[:MAX_SLUG_CHARS].strip("-")
        if not SLUG.fullmatch(slug):
            raise forms.ValidationError(_("Use lower case letters, digits and hyphens."))
        return slug

    @override
    def clean(self) -> dict[str, Any]:
        """Build the document as a file would, and hand each problem to its field."""
        data: dict[str, Any] = super().clean() or {}
        front = self._front(data)
        item = document_of(front, "", self._resolve)
        kept = {name: value for name, value in self._base.items() if name not in _OURS}
        self.document = {**kept, **item.document, "texts": self._texts(item.document)}
        for problem in front.problems:
            if problem.path.split(".")[0] not in self.errors:
                self._add(problem.path, say(problem.words))
        if not self.errors:
            self.report = check_document(self.document, organisation=item.organisation)
        return data

    def _front(self, data: Mapping[str, Any]) -> FrontMatter:
        front = FrontMatter("", body=str(data.get("body", "")).replace("\r\n", "\n").strip())
        plain = ("title", "summary", "kind", "channel", "severity", "audience", "publish_at", "expires_at")
        values: dict[str, JSON] = {name: data[name] for name in plain if data.get(name)}
        values["uuid"] = str(self.key)
        values["locale"] = source_locale(self._base)
        for name, keys in (("event", _EVENT), ("feedback", _FEEDBACK)):
            part = {key: data[key] for key in keys if data.get(key)}
            if part:
                values[name] = part
        for name in ("supersedes", "closes"):
            values[name] = data.get(name, "").split()
        if data.get("organisation"):
            values["organisation"] = {"name": data["organisation"].strip()}
        values["condition"] = self._condition(data.get("condition", ""))
        values["links"] = self._links(data.get("links", ""))
        front.values = values
        return front

    def _condition(self, text: str) -> JSON:
        if not text.strip():
            return None
        found = read_front_matter(f"---\n{text.strip()}\n---\n".encode(), "")
        for problem in found.problems:
            self._add("condition", say(problem.message))
        return found.values or None

    def _links(self, text: str) -> list[JSON]:
        links: list[JSON] = []
        for line in filter(None, (line.strip() for line in text.splitlines())):
            match = LINK_LINE.fullmatch(line)
            if match is None:
                self._add("links", _("Write the kind, the address and a title: %(line)s") % {"line": line[:80]})
                continue
            links.append({"kind": match[1], "url": match[2], **({"title": match[3]} if match[3] else {})})
        return links

    def _texts(self, document: Mapping[str, JSON]) -> dict[str, JSON]:
        """The author's text anew; translations stay as they are."""
        fresh: dict[str, JSON] = document["texts"]
        kept: dict[str, JSON] = self._base.get("texts", {})
        return {**kept, **fresh}

    def _add(self, path: str, message: Any) -> None:
        name = re.split(r"[.\[]", path)[-1 if path.startswith(("event.", "feedback.")) else 0]
        self.add_error(_FIELD_OF.get(name, name) if name in self.fields else None, message)


class TranslationForm(forms.Form):
    """One language of an announcement."""

    locale = forms.CharField(label=_("Language"), max_length=35, help_text=_("Such as es-419"))
    title = forms.CharField(label=_("Title"), max_length=300)
    summary = forms.CharField(label=_("Summary"), required=False, widget=_area(2), max_length=1000)
    body = forms.CharField(label=_("Text"), required=False, widget=_area(14, dir="auto"), max_length=200_000)
    question = forms.CharField(label=_("Question"), required=False, widget=_area(2))
    seeks = forms.CharField(label=_("Whom it seeks"), required=False)
    origin = forms.ChoiceField(
        label=_("Translated by"), choices=[("community", _("a person")), ("machine", _("a machine"))]
    )
    translator = forms.CharField(label=_("Translator's name"), required=False, max_length=200)
    seen_sha256 = forms.CharField(widget=forms.HiddenInput)

    def clean_locale(self) -> str:
        """A language tag."""
        locale: str = self.cleaned_data["locale"].strip()
        if not is_locale(locale):
            raise forms.ValidationError(_("Write a language tag such as es-419."))
        return locale

    def result(self, revision: Revision) -> tuple[str, dict[str, JSON]]:  # noqa: ARG002 - as PoForm's
        """The language, and the text as documents carry it."""
        data = self.cleaned_data
        names = ("title", "summary", "body", "question", "seeks")
        found = {name: data[name].replace("\r\n", "\n").strip() for name in names}
        text: dict[str, JSON] = {name: value for name, value in found.items() if value}
        text["origin"] = data["origin"]
        if data["translator"].strip():
            text["translator"] = data["translator"].strip()
        return data["locale"], text


class PoForm(forms.Form):
    """One language as a translated gettext file."""

    po = forms.FileField(label=_("Translated file (.po)"))
    seen_sha256 = forms.CharField(widget=forms.HiddenInput)

    def result(self, revision: Revision) -> tuple[str, dict[str, JSON]]:
        """The language and text in the file; raises TranslationFileError."""
        return read_po(self.cleaned_data["po"].read(MAX_BYTES + 1), revision)


class ReasonForm(forms.Form):
    """Why something is sent back or taken back."""

    reason = forms.CharField(label=_("Why"), max_length=500, widget=_area(2))


class ConsentForm(forms.Form):
    """Whom to ask about a case study."""

    email = forms.EmailField(label=_("The organisation's address"))


def source_locale(document: Mapping[str, JSON]) -> str:
    """The language in which the author wrote."""
    texts: Mapping[str, Mapping[str, JSON]] = document.get("texts", {})
    own = [locale for locale, text in texts.items() if text.get("origin", "author") == "author"]
    return "en" if "en" in own or not own else min(own)


def initial_of(document: Mapping[str, JSON], organisation: str, slugs: Mapping[str, str]) -> dict[str, Any]:
    """What the form shows for a document; `slugs` names the announcements that it refers to."""
    text: Mapping[str, JSON] = document["texts"][source_locale(document)]
    plain = ("kind", "channel", "severity", "audience", "publish_at", "expires_at")
    links = [f"{link['kind']} {link['url']} {link.get('title', '')}".strip() for link in document.get("links", [])]
    return {
        **{name: document.get(name) or "" for name in plain},
        **{name: text.get(name, "") for name in ("title", "summary", "body")},
        **{name: (document.get("event") or {}).get(name, "") for name in _EVENT},
        **{name: (document.get("feedback") or {}).get(name, "") or "" for name in _FEEDBACK},
        **{name: " ".join(slugs.get(key, key) for key in document.get(name, [])) for name in ("supersedes", "closes")},
        "organisation": organisation,
        "links": "\n".join(links),
        "condition": _yaml(document.get("condition")),
    }


def _yaml(condition: JSON) -> str:
    return yaml.safe_dump(condition, sort_keys=False, allow_unicode=True).strip() if condition else ""
