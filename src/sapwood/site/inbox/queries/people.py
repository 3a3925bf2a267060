"""Reads about the people whom deliveries reach."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from sapwood.accounts.api import User, user_has
from sapwood.core.errors import NotFoundError
from sapwood.site.inbox import staff
from sapwood.site.inbox.data import Audience
from sapwood.site.inbox.models import Person
from sapwood.site.inbox.queries.items import MAX_PAGE_SIZE, Page, read_token, token


@dataclass(frozen=True)
class AudienceCount:
    """How many people of one audience can be reached."""

    audience: Audience
    reachable: int
    unconfirmed: int


def audience_of(user: User) -> Audience | None:
    """The audience of somebody with an account: by role, else by their confirmed place on the list."""
    if user_has(user, staff.READ_AS_ADMINISTRATOR, staff.ANYWHERE):
        return Audience.ADMINISTRATORS
    if user_has(user, staff.READ_AS_INSTRUCTOR, staff.ANYWHERE):
        return Audience.INSTRUCTORS
    person = Person.objects.filter(email__iexact=user.email, confirmed_at__isnull=False).first()
    return Audience(person.audience) if person else None


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
    rows = {
        row["audience"]: row
        for row in Person.objects.values("audience").annotate(reachable=reachable, unconfirmed=unconfirmed)
    }
    empty = {"reachable": 0, "unconfirmed": 0}
    return [
        AudienceCount(one, rows.get(one.value, empty)["reachable"], rows.get(one.value, empty)["unconfirmed"])
        for one in Audience
    ]


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
