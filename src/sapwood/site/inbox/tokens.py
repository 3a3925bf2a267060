"""Links that prove an address: signed, bound to one purpose, and worthless once used."""

import datetime as dt
from typing import Final
from uuid import UUID

from django.core import signing
from django.utils.translation import gettext as _

from sapwood.core.errors import SapwoodError
from sapwood.site.inbox.models import Person

CONFIRM_FOR: Final = dt.timedelta(days=7)
_SALT: Final = "sapwood.inbox.person"


class BadLinkError(SapwoodError):
    """A link from a mail is wrong, used or too old."""

    code = "inbox.bad_link"
    http_status = 404


def confirm(person: Person, *, now: dt.datetime) -> str:
    """Confirms the address; once, for a week."""
    return _sign("confirm", person, until=int((now + CONFIRM_FOR).timestamp()))


def unsubscribe(person: Person) -> str:
    """Ends all mail to this person; it never expires, because mails are kept for years."""
    return _sign("unsubscribe", person)


def manage(person: Person) -> str:
    """Opens the page on which a person chooses streams, language and threshold."""
    return _sign("manage", person)


def read(token: str, purpose: str, *, now: dt.datetime) -> Person:
    """The person whose link this is. Raises BadLinkError."""
    hint = _("Ask for a new one.")
    try:
        data = signing.loads(token, salt=f"{_SALT}.{purpose}")
        uuid, secret, until = UUID(data["p"]), UUID(data["s"]), data.get("u")
    except (signing.BadSignature, KeyError, ValueError, TypeError) as error:
        raise BadLinkError(_("This link does not work"), hint=hint) from error
    person = Person.objects.filter(uuid=uuid, secret=secret).first()
    if person is None or (until is not None and now.timestamp() > until):
        raise BadLinkError(_("This link was used already or is too old"), hint=hint)
    return person


def _sign(purpose: str, person: Person, *, until: int | None = None) -> str:
    data = {"p": person.uuid.hex, "s": person.secret.hex, **({"u": until} if until else {})}
    return signing.dumps(data, salt=f"{_SALT}.{purpose}")
