"""The people whom deliveries reach: subscribing, importing, choosing, leaving, and being forgotten."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid4

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models.functions import Lower
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from sapwood.accounts.api import User, owns_address
from sapwood.core import audit
from sapwood.core.data import A_READER, JSON, Actor, ActorKind
from sapwood.core.errors import ConflictError, ForbiddenError, NotFoundError, SapwoodError, UsageError
from sapwood.formats.publication import normal_locale
from sapwood.site.inbox import addresses, letters, staff, tokens
from sapwood.site.inbox.data import SEVERITIES, Audience, DeliveryState, Source
from sapwood.site.inbox.models import ChannelPolicy, ClaimedAudience, Delivery, Person, StreamOptIn

MAX_ASKS: Final = 120
ASK_AGAIN: Final = dt.timedelta(minutes=15)
# What a spreadsheet would run as a formula when an exported file is opened (OWASP, CSV injection).
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


class TooManyAsksError(SapwoodError):
    """More confirmations were asked for than this site sends in an hour."""

    code = "inbox.too_many_asks"
    http_status = 429


class StreamClosedError(ConflictError):
    """This stream is not open to people of this audience."""

    code = "inbox.stream_closed"


@dataclass(frozen=True)
class Wish:
    """What a person chose for themselves."""

    locale: str = "en"
    threshold: str = "high"
    digest: bool = True
    streams: tuple[str, ...] = field(default=())
    forum: bool | None = None


# --- by an administrator ------------------------------------------------------------------------------------------


@transaction.atomic
def add_person(
    email: str, audience: Audience, *, actor: Actor, now: dt.datetime, locale: str = "en", source: Source = Source.ADDED
) -> Person:
    """Put one address on the list; the administrator's word confirms it."""
    staff.require(actor, staff.PEOPLE)
    address = clean_address(email)
    if Person.objects.filter(email__iexact=address).exists():
        raise ConflictError(_("This address is on the list already"), hint=_("See 'sapwood people list'."))
    row = Person.objects.create(
        email=address, audience=audience, locale=clean_locale(locale), source=source, confirmed_at=now, added_at=now
    )
    _audit(row, "people.add", actor, now, audience=audience.value, source=source.value)
    return row


@transaction.atomic
def subscribe(email: str, audience: Audience, *, now: dt.datetime, locale: str = "en") -> None:
    """Ask to be put on the list: a mail with a link goes out, and only its use confirms the address.

    Nothing tells the asker whether the address is known. Nobody makes themselves an administrator.
    """
    if audience is Audience.ADMINISTRATORS:
        raise UsageError(_("Administrators are added by an administrator"), hint=_("Sign in instead."))
    address = clean_address(email)
    row = Person.objects.select_for_update().filter(email__iexact=address).first()
    if row is not None and row.confirmed_at is not None and row.unsubscribed_at is None:
        return
    if row is not None and row.asked_at is not None and now - row.asked_at < ASK_AGAIN:
        return
    if Person.objects.filter(asked_at__gt=now - dt.timedelta(hours=1)).count() >= MAX_ASKS:
        raise TooManyAsksError(_("Too many people asked within an hour"), hint=_("Try again in an hour."))
    if row is None:
        row = Person(
            email=address, audience=audience, locale=clean_locale(locale), source=Source.SUBSCRIBED, added_at=now
        )
    row.asked_at = now
    row.save()
    _audit(row, "people.ask", Actor.system("inbox.subscribe"), now)
    letters.after_commit_confirm(row, now=now)


@transaction.atomic
def confirm(token: str, *, now: dt.datetime) -> Person:
    """Confirm an address by its link; the link then no longer works."""
    row = tokens.read(token, "confirm", now=now)
    row = Person.objects.select_for_update().get(pk=row.pk)
    row.confirmed_at, row.unsubscribed_at = now, None
    row.secret = uuid4()
    row.save()
    _audit(row, "people.confirm", _self(row), now)
    return row


@transaction.atomic
def forget_unconfirmed(*, now: dt.datetime) -> int:
    """Forget addresses that nobody confirmed while their link worked; the number of them."""
    rows = Person.objects.filter(confirmed_at=None, unsubscribed_at=None, asked_at__lt=now - tokens.CONFIRM_FOR)
    count = rows.count()
    if count:
        rows.delete()
        audit.record(
            actor=Actor.system("inbox.retire"), action="people.forget_unconfirmed", subject="people", at=now,
            details={"count": count},
        )  # fmt: skip
    return count


@transaction.atomic
def unsubscribe(token: str, *, now: dt.datetime) -> Person:
    """End all mail to this person, at once and for what waits; pressing twice changes nothing."""
    row = Person.objects.select_for_update().get(pk=tokens.read(token, "unsubscribe", now=now).pk)
    if row.unsubscribed_at is None:
        row.unsubscribed_at = now
        row.save(update_fields=["unsubscribed_at"])
        _cancel_for(row, gettext_noop("This person unsubscribed"), now)
        _audit(row, "people.unsubscribe", _self(row), now)
    return row


@transaction.atomic
def choose(person: UUID, wish: Wish, *, actor: Actor | None = None, now: dt.datetime) -> Person:
    """A person chooses language, threshold, digest, streams and the community forum."""
    row = Person.objects.select_for_update().filter(uuid=person).first()
    if row is None:
        raise NotFoundError(_("There is no such person"))
    if wish.threshold not in {*SEVERITIES, "never"}:
        raise UsageError(_("There is no such threshold"))
    offered = set(open_streams(Audience(row.audience)))
    already = set(row.streams.values_list("channel", flat=True))
    if not set(wish.streams) <= offered | already:
        raise StreamClosedError(_("This stream is not open"), hint=_("Reload the page."))
    row.locale, row.threshold, row.digest = clean_locale(wish.locale), wish.threshold, wish.digest
    if wish.forum is not None and row.forum_invited_at is not None:
        row.forum_accepted_at = (row.forum_accepted_at or now) if wish.forum else None
    row.save()
    row.streams.exclude(channel__in=wish.streams).delete()
    for channel in set(wish.streams) - already:
        StreamOptIn.objects.create(person=row, channel=channel, at=now)
    _audit(row, "people.choose", actor or _self(row), now, streams=sorted(wish.streams))
    return row


def open_streams(audience: Audience) -> list[str]:
    """The streams that somebody of this audience may ask for: those that an administrator opened to them."""
    rows = ChannelPolicy.objects.order_by("channel")
    return [row.channel for row in rows if Audience(row.stage).reach >= audience.reach]


@transaction.atomic
def join_signed_in(user: User, audience: Audience, *, actor: Actor, now: dt.datetime, locale: str = "en") -> Person:
    """Somebody who is signed in, with a role or claim that an administrator mapped, puts themselves on the list."""
    if not owns_address(user):
        raise ForbiddenError(
            _("Nobody has confirmed yet that this address is yours"), hint=_("Subscribe with it: a mail confirms it.")
        )
    address = clean_address(user.email)
    row = Person.objects.select_for_update().filter(email__iexact=address).first()
    if row is None:
        row = Person(email=address, locale=clean_locale(locale), source=Source.OIDC, added_at=now)
    row.audience, row.confirmed_at, row.unsubscribed_at = audience, row.confirmed_at or now, None
    row.save()
    _audit(row, "people.join", actor, now, audience=audience.value)
    return row


@transaction.atomic
def invite_to_forum(people: Sequence[UUID], *, actor: Actor, now: dt.datetime) -> int:
    """Invite instructors to the community forum; they see it on their own page and accept it there."""
    staff.require(actor, staff.PEOPLE)
    rows = Person.objects.filter(uuid__in=people, audience=Audience.INSTRUCTORS, forum_invited_at=None)
    count = rows.update(forum_invited_at=now)
    audit.record(actor=actor, action="people.invite_to_forum", subject="people", at=now, details={"count": count})
    return count


# --- leaving ------------------------------------------------------------------------------------------------------


def export_personal(email: str) -> dict[str, JSON]:
    """Everything that the inbox keeps about an address."""
    row = Person.objects.filter(email__iexact=email.strip()).first()
    claimed, refused = _claimed(email), addresses.bounces(email)
    if row is None:
        return {"audience_by_sign_in": claimed, "mail_is_refused": refused} if claimed or refused else {}
    return {
        "id": str(row.uuid),
        "email": row.email,
        "audience": row.audience,
        "locale": row.locale,
        "source": row.source,
        "threshold": row.threshold,
        "digest": row.digest,
        "added_at": row.added_at.isoformat(),
        "confirmed_at": row.confirmed_at.isoformat() if row.confirmed_at else None,
        "unsubscribed_at": row.unsubscribed_at.isoformat() if row.unsubscribed_at else None,
        "forum_invited_at": row.forum_invited_at.isoformat() if row.forum_invited_at else None,
        "forum_accepted_at": row.forum_accepted_at.isoformat() if row.forum_accepted_at else None,
        "mail_is_refused": refused,
        "audience_by_sign_in": claimed,
        "streams": list(row.streams.order_by("channel").values_list("channel", flat=True)),
        "deliveries": [
            {"outlet": one.outlet, "state": one.state, "item": one.approval.item_id, "at": one.due_at.isoformat()}
            for one in row.deliveries.select_related("approval").order_by("pk")
        ],
    }


def _claimed(email: str) -> str | None:
    rows = ClaimedAudience.objects.filter(user__email__iexact=email.strip())
    return rows.values_list("audience", flat=True).first()


@transaction.atomic
def erase_personal(email: str, *, actor: Actor, now: dt.datetime) -> bool:
    """Forget an address and everything about it; what was delivered stays counted, to nobody. True if it was known."""
    staff.require(actor, staff.PEOPLE)
    row = Person.objects.select_for_update().filter(email__iexact=email.strip()).first()
    if row is None:
        return addresses.forget(email)
    _forget(row, gettext_noop("This person was erased"), actor=actor, now=now)
    return True


@transaction.atomic
def erase_self(token: str, *, now: dt.datetime) -> None:
    """A reader without an account has their own address forgotten, by the link that stands in every mail."""
    row = Person.objects.select_for_update().get(pk=tokens.read(token, "manage", now=now).pk)
    _forget(row, gettext_noop("This person was erased"), actor=_self(row), now=now)


@transaction.atomic
def take_off(row: Person, why: str, *, actor: Actor, now: dt.datetime) -> None:
    """Forget somebody whose place on the list rested on signing in, and whose sign-in carries it no more."""
    _forget(row, why, actor=actor, now=now)


@transaction.atomic
def forget_departed(*, now: dt.datetime) -> int:
    """Forget those who joined by signing in and have no account with that address any more; the number of them."""
    accounts = User.objects.filter(is_active=True)
    gone = Person.objects.filter(source=Source.OIDC).annotate(key=Lower("email"))
    gone = gone.exclude(key__in=accounts.annotate(key=Lower("email")).values("key"))
    rows = list(gone.select_for_update())
    for row in rows:
        _forget(row, gettext_noop("This person's account is gone"), actor=Actor.system("inbox.retire"), now=now)
    return len(rows)


def _forget(row: Person, why: str, *, actor: Actor, now: dt.datetime) -> None:
    _cancel_for(row, why, now)
    addresses.forget(row.email)
    for one in Delivery.objects.filter(person=row):
        one.target, one.person = f"erased-{uuid4().hex}", None
        one.save(update_fields=["target", "person"])
    subject = row.subject
    row.delete()
    audit.record(actor=actor, action="people.erase", subject=subject, at=now)
    audit.erase_name(kind="person", key=f"reader:{subject.partition(':')[2]}", at=now)


def _cancel_for(row: Person, why: str, now: dt.datetime) -> None:
    Delivery.objects.filter(person=row, state=DeliveryState.WAITING).update(
        state=DeliveryState.CANCELLED, finished_at=now, reason=why
    )


def _self(row: Person) -> Actor:
    return Actor(ActorKind.PERSON, key=f"reader:{row.uuid}", label=A_READER)


def _audit(row: Person, action: str, actor: Actor, now: dt.datetime, **details: JSON) -> None:
    audit.record(actor=actor, action=action, subject=row.subject, at=now, details=details)


def clean_address(raw: str) -> str:
    """A mail address in lower case. Raises UsageError."""
    address = raw.strip().lower()
    try:
        validate_email(address)
    except ValidationError as error:
        raise UsageError(_("This is not a mail address"), hint=_("Such as carol@example.edu.")) from error
    if not address.isascii() or address.startswith(FORMULA_STARTS):
        raise UsageError(_("This is not a mail address that can be used here"), hint=_("Such as carol@example.edu."))
    return address


def clean_locale(raw: str) -> str:
    """A language tag. Raises UsageError."""
    name = normal_locale(raw)
    parts = name.split("-")
    if len(name) > 20 or not all(part.isascii() and part.isalnum() for part in parts) or not parts[0].isalpha():  # noqa: PLR2004 - the column
        raise UsageError(_("This is not a language tag"), hint=_("Such as en, es-419 or ar."))
    return name
