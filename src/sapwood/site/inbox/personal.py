"""What the inbox keeps about an address goes out, and goes away, with everything else about it."""

import datetime as dt

from sapwood.accounts.api import register_personal_data
from sapwood.core.data import Actor
from sapwood.site.inbox import api


def _erase(address: str, now: dt.datetime) -> bool:
    return api.erase_personal(address, actor=Actor.system("accounts.erase"), now=now)


register_personal_data(
    "inbox",
    exporter=api.export_personal,
    eraser=_erase,
    fields=("inbox.Person.email", "inbox.Bounce.address_key"),
)
