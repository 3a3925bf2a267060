"""The gate: the one place where an approved item becomes something that an outlet accepts.

Outlets take `Cleared` (and, for a person, `Addressee`), and nothing outside this file can make one. Each call
verifies everything again from the database, at the moment of sending: the hash of the approved text, the people
who signed it and their entries in the audit chain, the decision, the trust stage, the window, what became of the
publication, and whether the approvers may still approve. An approval that fails is held or cancelled, never sent.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final
from uuid import UUID

from django.utils.translation import gettext as _

from sapwood.core.errors import SapwoodError
from sapwood.core.models import AuditRow
from sapwood.formats.canonical import sha256_hex
from sapwood.site.inbox import addresses, staff
from sapwood.site.inbox.data import (
    Audience,
    Decision,
    Link,
    OutletKind,
    Text,
    Upstream,
    read_instant,
)
from sapwood.site.inbox.models import Approval, ChannelPolicy, Person, Signature
from sapwood.site.inbox.queries import people

APPROVED_ACTION: Final = "inbox.approve"


class Purpose(StrEnum):
    """Why something is cleared: to hand it to an outlet now, or to go on showing what was published."""

    SEND = "send"
    SHOW = "show"


class NotClearedError(SapwoodError):
    """The gate is closed for this item."""

    code = "gate.closed"
    http_status = 409
    final: ClassVar[bool] = False


class NotApprovedError(NotClearedError):
    """Nobody approved this, or the approval was withdrawn or replaced."""

    code = "gate.not_approved"
    final = True


class TamperedError(NotClearedError):
    """What is stored is not what was approved."""

    code = "gate.tampered"


class SecondPersonError(NotClearedError):
    """A second person has to approve this before it goes out."""

    code = "gate.second_person"


class StageError(NotClearedError):
    """The channel is not open to this audience."""

    code = "gate.stage"


class NotYetError(NotClearedError):
    """The approved window has not begun."""

    code = "gate.not_yet"


class WindowOverError(NotClearedError):
    """The approved window has ended."""

    code = "gate.window_over"
    final = True


class WithdrawnUpstreamError(NotClearedError):
    """The source took the item back after it was approved."""

    code = "gate.withdrawn_upstream"


class NoLongerNeededError(NotClearedError):
    """The installed version holds the fix already."""

    code = "gate.fixed_here"
    final = True


class SurveyOverError(NotClearedError):
    """The feedback request has closed."""

    code = "gate.survey_over"
    final = True


class ApproverError(NotClearedError):
    """Whoever approved this may no longer approve."""

    code = "gate.approver"


class OutletNotApprovedError(NotClearedError):
    """This outlet is not among those that were approved."""

    code = "gate.outlet"
    final = True


class NotAddressedError(NotClearedError):
    """This person is not among those whom the approval reaches."""

    code = "gate.person"
    final = True


class ForgedError(SapwoodError):
    """Code outside the gate tried to clear something."""

    code = "gate.forged"
    http_status = 500


class _Seal:
    """Only this module holds an instance."""


_SEAL: Final = _Seal()


@dataclass(frozen=True)
class Cleared:
    """What an outlet may deliver: exactly the approved content, read back from its hash."""

    approval: int
    item: int
    publication: UUID
    digest: str
    purpose: Purpose
    channel: str
    signed: bool
    revision: int
    kind: str
    severity: str
    audience: Audience
    outlets: tuple[OutletKind, ...]
    starts_at: dt.datetime
    ends_at: dt.datetime | None
    brand: Mapping[str, str]
    texts: Mapping[str, Text]
    links: tuple[Link, ...]
    event: Mapping[str, Any] | None
    hand_over: str
    cleared_at: dt.datetime
    seal: object

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise ForgedError("Only the gate clears items", hint="Call sapwood.site.inbox.gate.cleared.")


@dataclass(frozen=True)
class Addressee:
    """A person whom one cleared item may reach by mail, at the address that they confirmed."""

    person: Person
    cleared: Cleared
    seal: object

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise ForgedError("Only the gate names addressees", hint="Call sapwood.site.inbox.gate.addressee.")


def cleared(approval_id: int, now: dt.datetime, *, outlet: OutletKind, purpose: Purpose = Purpose.SEND) -> Cleared:
    """Clear one approval for one outlet, or raise the NotClearedError that says why not."""
    loaded = _load([approval_id])
    if approval_id not in loaded.approvals:
        raise NotApprovedError(_("There is no such approval"), hint=_("Approve the item first."))
    return _clear(loaded.approvals[approval_id], loaded, now, outlet, purpose)


def showable(approval_ids: Sequence[int], now: dt.datetime, *, outlet: OutletKind) -> list[Cleared]:
    """Of what was published, what may still be shown: in the given order, in a constant number of queries."""
    loaded = _load(approval_ids)
    found = []
    for approval_id in approval_ids:
        try:
            found.append(_clear(loaded.approvals[approval_id], loaded, now, outlet, Purpose.SHOW))
        except (KeyError, NotClearedError):
            continue
    return found


def addressee(clearance: Cleared, person: Person, *, opted_in: bool) -> Addressee:
    """Name a person as a recipient of a cleared item, or raise NotAddressedError."""
    if clearance.seal is not _SEAL:
        raise ForgedError("Only the gate clears items", hint="Call sapwood.site.inbox.gate.cleared.")
    if person.confirmed_at is None:
        raise NotAddressedError(_("This address was never confirmed"))
    if person.unsubscribed_at is not None:
        raise NotAddressedError(_("This person unsubscribed"))
    if person.audience != clearance.audience:
        raise NotAddressedError(
            _("This person does not belong to the %(audience)s") % {"audience": clearance.audience.label}
        )
    if clearance.audience is not Audience.ADMINISTRATORS and not opted_in:
        raise NotAddressedError(_("This person did not ask for %(channel)s") % {"channel": clearance.channel})
    if not people.still_belongs(person):
        raise NotAddressedError(_("This person's sign-in no longer gives them this audience"))
    if addresses.bounces(person.email):
        raise NotAddressedError(_("Mail to this address is refused"))
    return Addressee(person, clearance, _SEAL)


@dataclass(frozen=True)
class _Loaded:
    approvals: Mapping[int, Approval]
    signatures: Mapping[int, Sequence[Signature]]
    audit: Mapping[int, AuditRow]
    policies: Mapping[str, ChannelPolicy]


def _load(approval_ids: Iterable[int]) -> _Loaded:
    approvals = {row.pk: row for row in Approval.objects.filter(pk__in=list(approval_ids)).select_related("item")}
    signatures: dict[int, list[Signature]] = {}
    for row in Signature.objects.filter(approval_id__in=list(approvals)).order_by("id"):
        signatures.setdefault(row.approval_id, []).append(row)
    rows = [row for group in signatures.values() for row in group]
    return _Loaded(
        approvals=approvals,
        signatures=signatures,
        audit={row.seq: row for row in AuditRow.objects.filter(seq__in=[row.audit_seq for row in rows])},
        policies={
            row.channel: row
            for row in ChannelPolicy.objects.filter(channel__in={row.item.channel for row in approvals.values()})
        },
    )


def _clear(approval: Approval, loaded: _Loaded, now: dt.datetime, outlet: OutletKind, purpose: Purpose) -> Cleared:
    content = _content(approval)
    signers = _check_signatures(approval, loaded)
    _check_decision(approval)
    _check_stage(approval, content, loaded)
    _check_window(content, now, purpose)
    _check_upstream(approval, purpose)
    if outlet.value not in content["outlets"]:
        raise OutletNotApprovedError(_("It was not approved for the %(outlet)s") % {"outlet": outlet.label})
    if purpose is Purpose.SEND:
        _check_survey(content, now)
        _check_approvers(signers, now)
    return _cleared(approval, content, now, purpose)


def _content(approval: Approval) -> Mapping[str, Any]:
    if sha256_hex(approval.content.encode("utf-8")) != approval.digest:
        raise TamperedError(
            _("The approved text was changed in the database"),
            hint=_("Look at the audit log, then approve the item anew."),
        )
    content: Mapping[str, Any] = json.loads(approval.content)
    same = (
        content["item"] == str(approval.item.publication)
        and content["channel"] == approval.item.channel
        and content["audience"] == approval.audience
    )
    if not same:
        raise TamperedError(
            _("The approval belongs to another item or audience"),
            hint=_("Look at the audit log, then approve the item anew."),
        )
    return content


def _check_signatures(approval: Approval, loaded: _Loaded) -> Sequence[Signature]:
    """Distinct people signed this very digest, and the audit chain says so."""
    signers = loaded.signatures.get(approval.pk, [])
    for row in signers:
        entry = loaded.audit.get(row.audit_seq)
        attested = (
            entry is not None
            and entry.action == APPROVED_ACTION
            and entry.subject == approval.item.subject
            and entry.details.get("digest") == approval.digest
        )
        if row.digest != approval.digest or not attested:
            raise TamperedError(
                _("An approval has no matching entry in the audit log"),
                hint=_("Look at the audit log, then approve anew."),
            )
    if not signers:
        raise NotApprovedError(_("Nobody approved this"), hint=_("Approve the item first."))
    if len({row.person for row in signers}) < approval.people_needed:
        raise SecondPersonError(_("A second person has to approve this"), hint=_("Ask another administrator."))
    return signers


def _check_decision(approval: Approval) -> None:
    item = approval.item
    if item.decision != Decision.APPROVED or item.approval_id != approval.pk:
        raise NotApprovedError(_("The approval was withdrawn or replaced"), hint=_("Approve the item anew."))


def _check_stage(approval: Approval, content: Mapping[str, Any], loaded: _Loaded) -> None:
    policy = loaded.policies.get(content["channel"])
    audience = Audience(content["audience"])
    stage = Audience(policy.stage) if policy else Audience.ADMINISTRATORS
    if audience.reach > stage.reach:
        raise StageError(
            _("The channel %(channel)s is not open to %(audience)s")
            % {"channel": content["channel"], "audience": audience.label},
            hint=_("An administrator can open it under Trust."),
        )
    needed = people_needed(policy, audience)
    if needed > len({row.person for row in loaded.signatures.get(approval.pk, [])}):
        raise SecondPersonError(_("A second person has to approve this"), hint=_("Ask another administrator."))


def people_needed(policy: ChannelPolicy | None, audience: Audience) -> int:
    """How many different people have to approve for this audience."""
    return 2 if audience is Audience.LEARNERS and (policy is None or policy.two_people) else 1


def _check_window(content: Mapping[str, Any], now: dt.datetime, purpose: Purpose) -> None:
    window = content["window"]
    if now < read_instant(window["from"]):
        raise NotYetError(_("The approved window has not begun"))
    if window["until"] and now >= read_instant(window["until"]):
        if purpose is Purpose.SEND:
            raise WindowOverError(_("The window in which this may be delivered has ended"))
        raise WindowOverError(_("The window in which this may be shown has ended"))


def _check_upstream(approval: Approval, purpose: Purpose) -> None:
    upstream = approval.item.upstream
    if upstream == Upstream.FIXED_HERE:
        raise NoLongerNeededError(_("The installed version holds the fix already"))
    if purpose is Purpose.SEND and upstream in {Upstream.RETRACTED, Upstream.SUPERSEDED}:
        raise WithdrawnUpstreamError(
            _("The source took this back after it was approved"), hint=_("Look at the item and decide again.")
        )


def _check_survey(content: Mapping[str, Any], now: dt.datetime) -> None:
    closes_at = content.get("survey_closes_at")
    if closes_at and now >= read_instant(closes_at):
        raise SurveyOverError(_("The feedback request has closed"))


def _check_approvers(signers: Sequence[Signature], now: dt.datetime) -> None:
    for row in signers:
        if not staff.still_may_approve(row.kind, row.person, now=now):
            raise ApproverError(
                _("Somebody who approved this may no longer approve"),
                hint=_("Another administrator can approve it anew."),
            )


def _cleared(approval: Approval, content: Mapping[str, Any], now: dt.datetime, purpose: Purpose) -> Cleared:
    window = content["window"]
    return Cleared(
        approval=approval.pk,
        item=approval.item_id,
        publication=approval.item.publication,
        digest=approval.digest,
        purpose=purpose,
        channel=content["channel"],
        signed=content["signed"],
        revision=content["revision"],
        kind=content["kind"],
        severity=content["severity"],
        audience=Audience(content["audience"]),
        outlets=tuple(OutletKind(name) for name in content["outlets"]),
        starts_at=read_instant(window["from"]),
        ends_at=read_instant(window["until"]) if window["until"] else None,
        brand=MappingProxyType(dict(content["brand"])),
        texts=MappingProxyType({locale: Text.of(parts) for locale, parts in content["texts"].items()}),
        links=tuple(Link(**link) for link in content["links"]),
        event=content.get("event"),
        hand_over=content["hand_over"],
        cleared_at=now,
        seal=_SEAL,
    )
