"""Feedback requests reach administrators: they answer, forward by approving, or hand over to their own tool."""

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from sapwood.console import figures
from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError, UsageError
from sapwood.core.markup import safe_characters
from sapwood.site.inbox import links, staff
from sapwood.site.inbox.actions.approving import SurveyClosedError
from sapwood.site.inbox.actions.deciding import let_go, locked
from sapwood.site.inbox.data import Decision
from sapwood.site.inbox.models import FeedbackAnswer, HandOver, Item

MAX_ANSWER = 20_000


class NotARequestError(ConflictError):
    """This item asks for no feedback."""

    code = "inbox.not_a_request"


@transaction.atomic
def answer(item_id: int, text: str, *, actor: Actor, now: dt.datetime) -> FeedbackAnswer:
    """Answer a request for this site. The answer stays here until the way back to the commons exists.

    The same words again are the same answer: a button may be pressed twice.
    """
    item = _request(item_id, actor, now)
    words = safe_characters(text).strip()
    if not words or len(words) > MAX_ANSWER:
        raise UsageError(
            _("An answer has words"), hint=_("At most %(n)s characters.") % {"n": figures.number(MAX_ANSWER)}
        )
    latest = item.answers.order_by("-pk").first()
    if latest is not None and latest.text == words and latest.revision == item.revision:
        return latest
    row = FeedbackAnswer.objects.create(item=item, text=words, revision=item.revision, at=now)
    audit.record(actor=actor, action="inbox.answer", subject=item.subject, at=now, details={"answer": row.pk})
    return row


@transaction.atomic
def hand_over(item_id: int, template: str, *, actor: Actor, now: dt.datetime) -> HandOver:
    """Send readers to the institution's own tool, by a link that identifies nobody; from the next approval on."""
    item = _request(item_id, actor, now)
    checked = links.check_template(template)
    row, _fresh = HandOver.objects.update_or_create(item=item, defaults={"template": checked, "at": now})
    if item.decision == Decision.IN_REVIEW:
        let_go(item, why=gettext_noop("The link was changed before the second approval"), now=now)
        item.save()
    audit.record(actor=actor, action="inbox.hand_over", subject=item.subject, at=now, details={"template": checked})
    return row


def _request(item_id: int, actor: Actor, now: dt.datetime) -> Item:
    item = locked(item_id)
    staff.require(actor, staff.DECIDE, item)
    if item.kind != "feedback_request":
        raise NotARequestError(_("This item asks for no feedback"), hint=_("Approve it, or reject it."))
    if item.survey_closes_at is not None and item.survey_closes_at <= now:
        raise SurveyClosedError(_("The feedback request has closed"), hint=_("Archive it."))
    return item
