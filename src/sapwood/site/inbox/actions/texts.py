"""This site's own texts: edits and translations, kept apart from the source and never overwritten by it."""

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from sapwood.console import figures
from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError, UsageError
from sapwood.core.markup import clean_text, safe_characters
from sapwood.formats.publication import normal_locale
from sapwood.site.inbox import content, staff
from sapwood.site.inbox.actions.deciding import let_go, locked
from sapwood.site.inbox.data import Decision, Text, Upstream
from sapwood.site.inbox.models import Item, LocalText

MAX_TITLE = 300
MAX_PART = 100_000


class EditedError(ConflictError):
    """Somebody else changed this text in the meantime."""

    code = "inbox.edited"


class _Scope:
    """A text as permissions see it: it belongs to a channel and a language."""

    def __init__(self, item: Item, locale: str) -> None:
        self._scopes = {("channel", item.channel), ("locale", locale)}

    def permission_scopes(self) -> set[tuple[str, str]]:
        """Both the item's channel and the text's language."""
        return self._scopes


@transaction.atomic
def save_text(  # noqa: PLR0913 - a text, its place, and what it was made from
    item_id: int,
    locale: str,
    text: Text,
    *,
    actor: Actor,
    now: dt.datetime,
    version: int = 0,
    base_revision: int | None = None,
) -> LocalText:
    """Edit or translate one language. `version` is that of the text that was opened (0: there was none).

    An edit of an approved item reopens nothing by itself: what was approved stays pinned; the edit counts at the
    next approval. An approval that still waits for its second person is dropped.
    """
    item = locked(item_id)
    draft = content.draft(item)
    name = _locale(locale)
    source = draft.doc.texts.get(name)
    staff.require(actor, staff.TRANSLATE if source is None else staff.DECIDE, _Scope(item, name))
    row = LocalText.objects.select_for_update().filter(item=item, locale=name).first()
    if (row.version if row else 0) != version:
        raise EditedError(
            _("Somebody changed this text in the meantime"), hint=_("Reload, and put your change in again.")
        )
    clean = _clean(text)
    if source is not None and clean == source:
        return _drop(row, item, name, actor=actor, now=now)
    base = base_revision if base_revision is not None else item.revision
    if not item.revisions.filter(number=base).exists():
        raise UsageError(_("There is no revision %(n)s") % {"n": base}, hint=_("Reload the page."))
    row = row or LocalText(item=item, locale=name, version=0)
    row.title, row.summary, row.body = clean.title, clean.summary, clean.body
    row.question, row.seeks = clean.question, clean.seeks
    row.base_revision = base
    row.base_locale = name if source is not None else _base_locale(draft)
    row.translated = source is None
    row.version += 1
    row.changed_at = now
    row.save()
    _touched(item, actor=actor, now=now, locale=name, action="inbox.translate" if row.translated else "inbox.edit")
    return row


@transaction.atomic
def drop_text(item_id: int, locale: str, *, actor: Actor, now: dt.datetime) -> None:
    """Go back to the source's text of one language."""
    item = locked(item_id)
    name = _locale(locale)
    staff.require(actor, staff.DECIDE, _Scope(item, name))
    row = LocalText.objects.select_for_update().filter(item=item, locale=name).first()
    if row is not None:
        _drop(row, item, name, actor=actor, now=now)


def _drop(row: LocalText | None, item: Item, locale: str, *, actor: Actor, now: dt.datetime) -> LocalText:
    if row is None:
        raise UsageError(_("Nothing was changed"), hint=_("Change the text, or leave the page."))
    row.delete()
    _touched(item, actor=actor, now=now, locale=locale, action="inbox.drop_text")
    return row


def _touched(item: Item, *, actor: Actor, now: dt.datetime, locale: str, action: str) -> None:
    if item.decision in {Decision.NEW, Decision.IN_REVIEW, Decision.SNOOZED}:
        let_go(item, why=gettext_noop("The text was changed before the second approval"), now=now)
        item.decision, item.snoozed_until = Decision.IN_REVIEW, None
        item.raised_at = item.raised_at or now
        if not item.local_texts.exists() and item.upstream == Upstream.REVISED:
            item.upstream = Upstream.CURRENT
        item.save()
    audit.record(
        actor=actor, action=action, subject=item.subject, at=now, details={"locale": locale, "revision": item.revision}
    )


def _locale(raw: str) -> str:
    parts = normal_locale(raw).split("-")
    if not parts[0].isalpha() or not 2 <= len(parts[0]) <= 3 or not all(p.isalnum() and len(p) <= 8 for p in parts):  # noqa: PLR2004 - BCP 47
        raise UsageError(_("%(tag)s is not a language tag") % {"tag": raw}, hint=_("Such as es, es-419 or ar."))
    return "-".join([parts[0], *parts[1:]])


def _base_locale(draft: content.Draft) -> str:
    return "en" if "en" in draft.doc.texts else min(draft.doc.texts)


def _clean(text: Text) -> Text:
    if len(text.body) > MAX_PART or len(text.summary) > MAX_PART:
        raise UsageError(
            _("The text is too long"), hint=_("At most %(n)s characters.") % {"n": figures.number(MAX_PART)}
        )
    clean = Text(
        title=clean_text(text.title, MAX_TITLE),
        summary=safe_characters(text.summary).strip(),
        body=safe_characters(text.body).strip(),
        question=safe_characters(text.question).strip(),
        seeks=safe_characters(text.seeks).strip(),
    )
    if not clean.title:
        raise UsageError(_("The text needs a title"), hint=_("One line that says what it is about."))
    return clean
