"""From front matter to a document: which names a file may use, and what each becomes."""

import difflib
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Final

from sapwood.commons.announcements.data import AnnouncementFile
from sapwood.commons.announcements.files.frontmatter import FrontMatter
from sapwood.formats.canonical import JSON
from sapwood.formats.phrase import Phrase

Resolve = Callable[[str], uuid.UUID | None]

# Where a kind goes when its file does not say.
CHANNEL_OF_KIND: Final[Mapping[str, str]] = {
    "advisory": "security",
    "security_pre_announcement": "security",
    "release_notes": "releases",
    "feedback_request": "surveys",
}
_TEXT_NAMES: Final = ("title", "summary", "origin", "translator", "question", "seeks")
_MAIN_NAMES: Final = (
    "uuid", "locale", "title", "summary", "origin", "kind", "channel", "severity", "audience", "publish_at",
    "expires_at", "condition", "links", "supersedes", "closes", "event", "feedback", "organisation",
)  # fmt: skip
_TRANSLATION_NAMES: Final = (*_TEXT_NAMES, "of_revision")
_EVENT_NAMES: Final = (
    "starts_at", "ends_at", "place", "lodging", "remote", "remote_url", "accessibility", "time_zone",
)  # fmt: skip
_FEEDBACK_NAMES: Final = ("question", "closes_at", "seeks")
_LINK_NAMES: Final = ("kind", "url", "title", "locale")
_LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)


def document_of(front: FrontMatter, slug: str, resolve: Resolve) -> AnnouncementFile:
    """The announcement that a main file describes; what is wrong is noted in `front.problems`."""
    values = front.values
    _only(front, "", values, _MAIN_NAMES)
    kind = values.get("kind", "news")
    document: dict[str, JSON] = {
        "type": "announcement",
        "version": 1,
        "uuid": _uuid(front),
        "channel": values.get("channel") or CHANNEL_OF_KIND.get(str(kind), "community"),
        "kind": kind,
        "severity": values.get("severity", "none"),
        "audience": values.get("audience", "administrators"),
        "texts": {locale_of(front): _text(front, author=True)},
    }
    for name in ("publish_at", "expires_at"):
        if values.get(name) is not None:
            document[name] = instant(front, name, values[name])
    if values.get("condition") is not None:
        document["condition"] = values["condition"]
    if links := _entries(front, "links", values.get("links"), _LINK_NAMES):
        document["links"] = links
    for name in ("supersedes", "closes"):
        if others := _others(front, name, values.get(name), resolve):
            document[name] = others
    if (event := _part(front, "event", _EVENT_NAMES, ("starts_at", "ends_at"))) is not None:
        document["event"] = event
    if (feedback := _part(front, "feedback", _FEEDBACK_NAMES, ("closes_at",))) is not None:
        document["feedback"] = feedback
    organisation = _part(front, "organisation", ("name", "email"), ()) or {}
    return AnnouncementFile(
        slug=slug,
        document=document,
        organisation=str(organisation.get("name") or ""),
        contact=str(organisation.get("email") or ""),
    )


def translation_of(front: FrontMatter) -> dict[str, JSON]:
    """The text that a translation file holds."""
    _only(front, "", front.values, _TRANSLATION_NAMES)
    return _text(front, author=False)


def locale_of(front: FrontMatter) -> str:
    """The language of a main file: English unless it says otherwise."""
    locale = front.values.get("locale", "en")
    if isinstance(locale, str) and is_locale(locale):
        return locale
    front.problem(
        "locale",
        Phrase("%(locale)s is not a language tag.", locale=repr(locale)),
        Phrase("Write one such as en or es-419."),
    )
    return "en"


def is_locale(text: str) -> bool:
    """Whether this is a language tag such as `es-419` (BCP 47, without private parts)."""
    return _LOCALE.fullmatch(text) is not None


def instant(front: FrontMatter, path: str, value: JSON) -> JSON:
    """An instant as documents carry it; a day alone is its first moment in UTC."""
    if isinstance(value, str):
        try:
            if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
                found = datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
            else:
                found = datetime.fromisoformat(value)
        except ValueError:
            found = None
        if found is not None and found.tzinfo is not None:
            return found.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
    front.problem(
        path,
        Phrase("%(value)s is not an instant.", value=repr(value)),
        Phrase("Write 2026-12-09 or 2026-12-09T15:00:00Z."),
    )
    return "1970-01-01T00:00:00Z"


def _text(front: FrontMatter, *, author: bool) -> dict[str, JSON]:
    names = ("title", "summary", "origin") if author else _TEXT_NAMES
    text: dict[str, JSON] = {name: front.values[name] for name in names if front.values.get(name) is not None}
    if "title" not in text:
        front.problem("title", Phrase("The title is missing."), Phrase("Add title: …"))
        text["title"] = "?"
    if not author:
        text.setdefault("origin", "community")
        of_revision = front.values.get("of_revision")
        if isinstance(of_revision, int) and not isinstance(of_revision, bool) and of_revision > 0:
            text["of_revision"] = of_revision
        elif of_revision is not None:
            front.problem(
                "of_revision", Phrase("of_revision is not a revision."), Phrase("Write the number that was translated.")
            )
    if front.body:
        text["body"] = front.body
    return text


def _uuid(front: FrontMatter) -> str:
    value = front.values.get("uuid")
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        missing, wrong = Phrase("The uuid is missing."), Phrase("The uuid %(value)s is not a UUID.", value=repr(value))
        front.problem(
            "uuid",
            missing if value is None else wrong,
            Phrase("'sapwood announce new SLUG' writes a file with a fresh one."),
        )
        return str(uuid.UUID(int=0))


def _part(front: FrontMatter, name: str, names: tuple[str, ...], instants: tuple[str, ...]) -> dict[str, JSON] | None:
    value = front.values.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        front.problem(
            name,
            Phrase("%(name)s must be a list of names and values.", name=name),
            Phrase("Write %(name)s: … below it, indented.", name=names[0]),
        )
        return None
    _only(front, name, value, names)
    return {
        key: instant(front, f"{name}.{key}", item) if key in instants else item
        for key, item in value.items()
        if item is not None
    }


def _entries(front: FrontMatter, name: str, value: JSON, names: tuple[str, ...]) -> list[JSON]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        front.problem(
            name,
            Phrase("%(name)s must be a list.", name=name),
            Phrase("Start each entry with '- %(name)s: …'.", name=names[0]),
        )
        return []
    for index, item in enumerate(value):
        _only(front, f"{name}[{index}]", item, names)
    return [{key: entry for key, entry in item.items() if entry is not None} for item in value]


def _others(front: FrontMatter, name: str, value: JSON, resolve: Resolve) -> list[JSON]:
    found: list[JSON] = []
    entries = value if isinstance(value, list) else [] if value is None else [value]
    for index, entry in enumerate(entries):
        path = f"{name}[{index}]" if isinstance(value, list) else name
        other = _uuid_or_none(str(entry)) or resolve(str(entry))
        if other is None:
            front.problem(
                path,
                Phrase("There is no announcement %(name)s.", name=repr(str(entry))),
                Phrase("Name one by its slug or its uuid."),
            )
        else:
            found.append(str(other))
    return found


def _uuid_or_none(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _only(front: FrontMatter, path: str, values: Mapping[str, JSON], names: tuple[str, ...]) -> None:
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = (
                Phrase("Did you mean %(near)s?", near=repr(near[0]))
                if near
                else Phrase("Known are: %(names)s.", names=", ".join(names))
            )
            front.problem(
                f"{path}.{name}" if path else name, Phrase("%(name)s is not a known name.", name=repr(name)), hint
            )
