"""Reads about the people whom deliveries reach."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from sapwood.accounts.api import User, owns_address, user_has
from sapwood.core.errors import NotFoundError
from sapwood.site.inbox import addresses, staff
from sapwood.site.inbox.data import Audience, Source
from sapwood.site.inbox.models import AudienceRule, Bounce, ClaimedAudience, Person
from sapwood.site.inbox.queries.items import MAX_PAGE_SIZE, Page, read_token, token


@dataclass(frozen=True)
class AudienceCount:
    """How many people of one audience can be reached."""

    audience: Audience
    reachable: int
    unconfirmed: int
    claimed: int


def audience_of(user: User) -> Audience | None:
    """The narrowest audience of somebody with an account: by role, by claim, by their proven place on the list."""
    found = [
        Audience(value)
        for value in (
            *ClaimedAudience.objects.filter(user=user).values_list("audience", flat=True),
            *_listed(user).values_list("audience", flat=True),
        )
    ]
    if user_has(user, staff.READ_AS_ADMINISTRATOR, staff.ANYWHERE):
        found.append(Audience.ADMINISTRATORS)
    if user_has(user, staff.READ_AS_INSTRUCTOR, staff.ANYWHERE):
        found.append(Audience.INSTRUCTORS)
    return min(found, key=lambda audience: audience.reach, default=None)


def _listed(user: User) -> QuerySet[Person]:
    """Their row on the list. One that came from signing in vouches for nothing: the sign-in does, or does not."""
    rows = Person.objects.exclude(source=Source.OIDC).filter(email__iexact=user.email, confirmed_at__isnull=False)
    return rows if owns_address(user) else rows.none()


def still_belongs(person: Person) -> bool:
    """Whether somebody who joined by signing in still has that audience; everybody else was asked otherwise."""
    if person.source != Source.OIDC:
        return True
    user = User.objects.filter(email__iexact=person.email, is_active=True).first()
    audience = audience_of(user) if user else None
    return audience is not None and audience.reach <= Audience(person.audience).reach


def claimed_counts() -> dict[str, int]:
    """How many accounts have each audience by what their provider says."""
    rows = ClaimedAudience.objects.filter(user__is_active=True).values("audience").annotate(count=Count("pk"))
    return {row["audience"]: row["count"] for row in rows}


def audience_rules() -> QuerySet[AudienceRule]:
    """Which claims give which audience."""
    return AudienceRule.objects.order_by("claim", "value", "audience")


def refused(rows: Sequence[Person]) -> set[int]:
    """The keys of those among `rows` whose address stands on the bounce list."""
    by_key = {addresses.address_key(row.email): row.pk for row in rows}
    found = Bounce.objects.filter(address_key__in=by_key).values_list("address_key", flat=True)
    return {by_key[key] for key in found}


def people(*, after: str = "", audience: str = "", size: int = 50) -> Page[Person]:
    """One page of the list, newest first."""
    rows = Person.objects.all()
    if audience:
        rows = rows.filter(audience=audience)
    if after:
        (last,) = read_token(after, 1)
        rows = rows.filter(pk__lt=last)
    size = max(1, min(size, MAX_PAGE_SIZE))
    found = list(rows.order_by("-pk")[: size + 1])
    return Page(found[:size], token([found[size - 1].pk]) if len(found) > size else "")


def everybody() -> Iterator[Person]:
    """The whole list, for a file."""
    return Person.objects.order_by("email").iterator(chunk_size=1000)


def counts() -> list[AudienceCount]:
    """How many people each audience has."""
    reachable = Count("pk", filter=Q(confirmed_at__isnull=False, unsubscribed_at=None))
    unconfirmed = Count("pk", filter=Q(confirmed_at=None))
    rows = Person.objects.values("audience").annotate(reachable=reachable, unconfirmed=unconfirmed)
    found = {row["audience"]: (row["reachable"], row["unconfirmed"]) for row in rows}
    claimed = claimed_counts()
    return [AudienceCount(one, *found.get(one.value, (0, 0)), claimed.get(one.value, 0)) for one in Audience]


def by_uuid(uuid: str) -> Person:
    """One person. Raises NotFoundError."""
    try:
        row = Person.objects.filter(uuid=UUID(uuid)).first()
    except ValueError:
        row = None
    if row is None:
        raise NotFoundError(_("There is no such person"))
    return row


def by_address(email: str) -> Person | None:
    """One person by their address, in any case of letters."""
    return Person.objects.filter(email__iexact=email.strip()).first()


def streams_of(person: Person) -> list[str]:
    """The streams that a person asked for."""
    return list(person.streams.order_by("channel").values_list("channel", flat=True))
