"""Translations: a locale is added or corrected as a revision of its own, without a new alert."""

import datetime as dt
import uuid
from collections.abc import Mapping

from django.db import transaction

from sapwood.commons.announcements.actions.writing import save_draft
from sapwood.commons.announcements.documents import read_document
from sapwood.commons.announcements.errors import AnnouncementNotFoundError, TranslationFileError
from sapwood.commons.announcements.models import Revision
from sapwood.core.data import Actor
from sapwood.formats.canonical import JSON
from sapwood.formats.phrase import Phrase


@transaction.atomic
def translate(
    announcement_uuid: uuid.UUID,
    *,
    locale: str,
    text: Mapping[str, JSON],
    actor: Actor,
    now: dt.datetime,
    seen_sha256: str | None = None,
) -> Revision:
    """Put a text in one language beside the author's.

    It remembers as `of_revision` which revision it was translated from: the one that it names, else the newest.
    """
    newest = (
        Revision.objects.select_related("announcement")
        .filter(announcement__uuid=announcement_uuid)
        .order_by("-number")
        .first()
    )
    if newest is None:
        raise AnnouncementNotFoundError(Phrase("There is no announcement %(name)s.", name=announcement_uuid))
    document = read_document(newest.raw)
    texts: dict[str, dict[str, JSON]] = dict(document["texts"])
    if texts.get(locale, {}).get("origin", "author") == "author" and locale in texts:
        raise TranslationFileError(
            Phrase("%(locale)s is the language of the author's own text.", locale=locale),
            hint=Phrase("Edit the announcement instead."),
        )
    texts[locale] = {"of_revision": newest.number, **text}
    return save_draft(
        {**document, "texts": texts},
        slug=newest.announcement.slug,
        actor=actor,
        now=now,
        organisation=newest.organisation,
        seen_sha256=seen_sha256,
    )


def stale_locales(revision: Revision) -> dict[str, int]:
    """The languages whose text was translated from an older wording: language to the revision it was made from."""
    document = read_document(revision.raw)
    texts: Mapping[str, Mapping[str, JSON]] = document["texts"]
    found: dict[str, int] = {}
    sources: dict[int, JSON] = {}
    for locale, text in texts.items():
        made_from = text.get("of_revision")
        if text.get("origin", "author") == "author" or not isinstance(made_from, int) or made_from >= revision.number:
            continue
        if made_from not in sources:
            older = Revision.objects.filter(announcement=revision.announcement_id, number=made_from).first()
            sources[made_from] = _own(read_document(older.raw)) if older else None
        if sources[made_from] != _own(document):
            found[locale] = made_from
    return found


def _own(document: Mapping[str, JSON]) -> JSON:
    """What there is to translate: the author's texts, and the question of a feedback request."""
    texts: Mapping[str, Mapping[str, JSON]] = document["texts"]
    own = {locale: text for locale, text in texts.items() if text.get("origin", "author") == "author"}
    return {"texts": own, "feedback": document.get("feedback")}
