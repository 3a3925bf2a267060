"""Letting an item through: the only way to an approval."""

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from sapwood.core import audit
from sapwood.core.data import Actor
from sapwood.core.errors import ConflictError, UsageError
from sapwood.core.models import AuditRow
from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.site.inbox import content, gate, links, staff
from sapwood.site.inbox.actions.deciding import DecidedError, let_go, locked
from sapwood.site.inbox.actions.delivering import deliver_at_home, ring
from sapwood.site.inbox.data import (
    Audience,
    Choices,
    Decision,
    OutletKind,
    Upstream,
    Window,
    is_security_channel,
    whole_second,
)
from sapwood.site.inbox.models import Approval, ChannelPolicy, Dispatch, Item, Signature


class StaleError(ConflictError):
    """The item changed between reading and approving."""

    code = "inbox.stale"


class UnseenError(UsageError):
    """An approval beyond administrators must name the hash of what was read."""

    code = "inbox.unseen"
    http_status = 400


class ChannelClosedError(ConflictError):
    """The channel is not open to this audience."""

    code = "inbox.channel_closed"


class SurveyClosedError(ConflictError):
    """The feedback request closed before it was approved."""

    code = "inbox.survey_closed"


class LinkRemovedError(ConflictError):
    """An edit removed an address from a security item, and nobody confirmed that."""

    code = "inbox.link_removed"


class SamePersonError(ConflictError):
    """The second approval has to come from another person."""

    code = "inbox.same_person"


class NotApprovableError(ConflictError):
    """This item cannot be approved as it stands."""

    code = "inbox.not_approvable"


@transaction.atomic
def approve(
    item_id: int,
    choices: Choices,
    *,
    actor: Actor,
    now: dt.datetime,
    seen: str = "",
    confirm_removed_links: bool = False,
) -> Approval:
    """Approve exactly what was seen, for one audience, some outlets and one window.

    `seen` is the hash that the review page, `inbox show` and the API give; beyond administrators it is required.
    Raises StaleError when anything changed since. Where two people are needed, the first approval waits for the
    second (`second`).
    """
    item = locked(item_id)
    staff.require_approver(actor, item)
    if item.decision == Decision.APPROVED and item.upstream in {Upstream.CURRENT, Upstream.EXPIRED}:
        raise DecidedError(_("This item is approved already"), hint=_("Withdraw the approval first, or leave it."))
    _approvable(item)
    draft = content.draft(item)
    _as_seen(draft, choices, seen)
    wanted = _settled(draft, choices, now=now)
    _check(draft, wanted, now=now, confirm_removed_links=confirm_removed_links)
    policy = ChannelPolicy.objects.filter(channel=item.channel).first()
    row = _pin(draft, wanted, needed=gate.people_needed(policy, wanted.audience), now=now)
    let_go(item, why=gettext_noop("A newer approval replaced this one"), now=now)
    _sign(row, item, actor=actor, now=now, first=True)
    item.approval = row
    item.acknowledged_revision = item.revision
    if item.upstream == Upstream.REVISED:
        item.upstream = Upstream.CURRENT
    if row.people_needed > 1:
        item.decision, item.decided_at = Decision.IN_REVIEW, None
        item.raised_at = item.raised_at or now
        item.snoozed_until = None
        item.save()
    else:
        _let_through(item, row, now=now)
    return row


@transaction.atomic
def second(item_id: int, *, digest: str, actor: Actor, now: dt.datetime) -> Approval:
    """A second person approves exactly what the first one did; `digest` is the approval's."""
    item = locked(item_id)
    staff.require_approver(actor, item)
    row = item.approval
    if row is None or item.decision != Decision.IN_REVIEW:
        raise DecidedError(_("No approval waits for a second person"), hint=_("Reload the page."))
    if digest != row.digest or row.revision != item.revision:
        raise StaleError(
            _("What you read is not what waits for approval"), hint=_("Reload, read it again, then decide.")
        )
    if Signature.objects.filter(approval=row, person=staff.human_behind(actor)).exists():
        raise SamePersonError(
            _("You approved this already"), hint=_("The second approval has to come from another person.")
        )
    _approvable(item)
    draft = content.draft(item)
    if draft.doc.survey_closes_at is not None and draft.doc.survey_closes_at <= now:
        raise SurveyClosedError(_("The feedback request has closed"), hint=_("Reject or archive it."))
    _sign(row, item, actor=actor, now=now, first=False)
    if Signature.objects.filter(approval=row).values("person").distinct().count() >= row.people_needed:
        _let_through(item, row, now=now)
    return row


def _approvable(item: Item) -> None:
    if not item.readable:
        raise NotApprovableError(_("This item cannot be read here, so nobody can have seen it"), hint=_("Archive it."))
    if item.upstream == Upstream.RETRACTED:
        raise NotApprovableError(_("The source took this item back"), hint=_("Reject it, or write your own message."))
    if item.upstream == Upstream.FIXED_HERE:
        raise NotApprovableError(_("The installed version holds the fix already"), hint=_("Archive it."))
    if item.upstream == Upstream.SUPERSEDED:
        raise NotApprovableError(_("A newer item replaces this one"), hint=_("Approve the newer one."))


def _as_seen(draft: content.Draft, choices: Choices, seen: str) -> None:
    if seen and seen != draft.seen:
        raise StaleError(_("The item changed after you read it"), hint=_("Reload, read it again, then decide."))
    if not seen and choices.audience is not Audience.ADMINISTRATORS:
        raise UnseenError(
            _("An approval for %(audience)s names the hash of what was read") % {"audience": choices.audience.label},
            hint=_("Take it from 'sapwood inbox show' and pass it with --seen."),
        )


def _settled(draft: content.Draft, choices: Choices, *, now: dt.datetime) -> Choices:
    """The choices with their defaults: all languages, from now until the source's expiry."""
    locales = tuple(dict.fromkeys(choices.locales)) or tuple(sorted(draft.texts))
    window = choices.window or Window(now, draft.doc.expires_at if _ahead(draft.doc.expires_at, now) else None)
    end = whole_second(window.end) if window.end else None
    return Choices(
        choices.audience, tuple(dict.fromkeys(choices.outlets)), locales, Window(whole_second(window.start), end)
    )


def _ahead(moment: dt.datetime | None, now: dt.datetime) -> bool:
    return moment is not None and moment > now


def _check(draft: content.Draft, choices: Choices, *, now: dt.datetime, confirm_removed_links: bool) -> None:
    item, window = draft.item, choices.window
    policy = ChannelPolicy.objects.filter(channel=item.channel).first()
    stage = Audience(policy.stage) if policy else Audience.ADMINISTRATORS
    if choices.audience.reach > stage.reach:
        raise ChannelClosedError(
            _("The channel %(channel)s is not open to %(audience)s")
            % {"channel": item.channel, "audience": choices.audience.label},
            hint=_("Open it under Trust first."),
        )
    if not choices.outlets:
        raise UsageError(_("Choose at least one outlet"), hint=_("The announcements page is the usual one."))
    if missing := [locale for locale in choices.locales if locale not in draft.texts]:
        raise UsageError(
            _("There is no text in %(locales)s") % {"locales": ", ".join(missing)},
            hint=_("Translate it first, or leave it out."),
        )
    if window is not None and window.end is not None and window.end <= max(window.start, now):
        raise UsageError(_("The window ends before it begins"), hint=_("Choose a later end."))
    if draft.doc.survey_closes_at is not None and draft.doc.survey_closes_at <= now:
        raise SurveyClosedError(_("The feedback request has closed"), hint=_("Reject or archive it."))
    for link in draft.doc.links:
        links.refuse_identifying(link.url)
    if not confirm_removed_links and is_security(draft) and (lost := draft.removed_links()):
        raise LinkRemovedError(_lost(lost), hint=_("Put it back, or confirm that it is left out on purpose."))


def is_security(draft: content.Draft) -> bool:
    """Whether losing an address could keep somebody from a fix."""
    return is_security_channel(draft.item.channel) or draft.doc.kind in {"advisory", "security_pre_announcement"}


def _lost(found: Sequence[str]) -> str:
    named = {"addresses": ", ".join(found[:3])}
    if len(found) > 3:  # noqa: PLR2004 - a readable line
        return _("The text lost %(addresses)s and others, which the source gives in a security item") % named
    return _("The text lost %(addresses)s, which the source gives in a security item") % named


def _pin(draft: content.Draft, choices: Choices, *, needed: int, now: dt.datetime) -> Approval:
    raw = canonical_bytes(content.pinned(draft, choices, now=now))
    window = choices.window or Window(now)
    return Approval.objects.create(
        item=draft.item,
        revision=draft.revision.number,
        content=raw.decode("utf-8"),
        digest=sha256_hex(raw),
        audience=choices.audience,
        starts_at=window.start,
        ends_at=window.end,
        people_needed=needed,
        created_at=now,
    )


def _sign(row: Approval, item: Item, *, actor: Actor, now: dt.datetime, first: bool) -> Signature:
    entry: AuditRow = audit.record(
        actor=actor,
        action=gate.APPROVED_ACTION,
        subject=item.subject,
        at=now,
        details={
            "digest": row.digest,
            "approval": row.pk,
            "audience": str(row.audience),
            "revision": row.revision,
            "second": not first,
        },
    )
    return Signature.objects.create(
        approval=row,
        kind=actor.kind.value,
        key=actor.key,
        person=staff.human_behind(actor),
        digest=row.digest,
        audit_seq=entry.seq,
        at=now,
    )


def _let_through(item: Item, row: Approval, *, now: dt.datetime) -> None:
    """The approval is complete: list what is due, publish on page and feed if the window is open."""
    item.decision, item.decided_at = Decision.APPROVED, now
    item.raised_at = item.snoozed_until = None
    item.save()
    outlets = [OutletKind(name) for name in content.read_pinned(row)["outlets"]]
    Dispatch.objects.bulk_create([Dispatch(approval=row, outlet=outlet, due_at=row.starts_at) for outlet in outlets])
    if row.starts_at <= now:
        deliver_at_home(row.pk, now=now)
    ring(now=now, run_at=max(row.starts_at, now))
