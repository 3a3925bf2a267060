"""Reads about the people whom deliveries reach."""

from sapwood.accounts.api import User, user_has
from sapwood.site.inbox import staff
from sapwood.site.inbox.data import Audience
from sapwood.site.inbox.models import Person


def audience_of(user: User) -> Audience | None:
    """The audience of somebody with an account: by role, else by their confirmed place on the list."""
    if user_has(user, staff.READ_AS_ADMINISTRATOR):
        return Audience.ADMINISTRATORS
    if user_has(user, staff.READ_AS_INSTRUCTOR):
        return Audience.INSTRUCTORS
    person = Person.objects.filter(email__iexact=user.email, confirmed_at__isnull=False).first()
    return Audience(person.audience) if person else None
