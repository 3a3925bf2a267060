"""What the inbox keeps about somebody with an account goes out, and goes away, with their account."""

import datetime as dt

from sapwood.accounts.api import User, register_personal_data
from sapwood.core.data import JSON, Actor
from sapwood.site.inbox import api


def _export(user: User) -> JSON:
    return api.export_personal(user.email)


def _erase(user: User, now: dt.datetime) -> None:
    api.erase_personal(user.email, actor=Actor.system("accounts.erase"), now=now)


register_personal_data("inbox", exporter=_export, eraser=_erase)
