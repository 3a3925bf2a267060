"""Named people, and an inbox that has known its channels for a month."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from sapwood.accounts.api import Role, actor_for, create_person, grant_role
from sapwood.core.clock import FixedClock
from sapwood.core.data import Actor
from sapwood.site.inbox import api
from sapwood.site.inbox.actions.importing import know_channel
from sapwood.site.inbox.models import Item
from sapwood.site.inbox.tests.given import NOW, SiteSays, Tap, received

CHANNELS = ("community", "security", "releases", "surveys")


def _person(name: str, role: Role | None) -> Any:
    user = create_person(f"{name}@riverside.example", name=name.title(), actor=Actor.command(), now=NOW)
    if role is not None:
        grant_role(user, role=role, actor=Actor.command(), now=NOW)
    return user


@pytest.fixture
def alice(db: None) -> Any:
    """The site's administrator."""
    return _person("alice", Role.SITE_ADMINISTRATOR)


@pytest.fixture
def erin(db: None) -> Any:
    """A second administrator."""
    return _person("erin", Role.SITE_ADMINISTRATOR)


@pytest.fixture
def rita(db: None) -> Any:
    """A reviewer: may edit and reject, not approve."""
    return _person("rita", Role.REVIEWER)


@pytest.fixture
def tariq(db: None) -> Any:
    """A translator."""
    return _person("tariq", Role.TRANSLATOR)


@pytest.fixture
def carol(db: None) -> Any:
    """An instructor."""
    return _person("carol", Role.INSTRUCTOR)


@pytest.fixture
def dave(db: None) -> Any:
    """A learner: an account without a role."""
    return _person("dave", None)


@pytest.fixture
def by() -> Callable[[Any], Actor]:
    return actor_for


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def tap() -> Tap:
    return Tap()


@pytest.fixture
def known_channels(db: None) -> None:
    """This site has read its channels for a month, so nothing is backlog."""
    for name in CHANNELS:
        know_channel(name, now=NOW - dt.timedelta(days=30))


@pytest.fixture
def arrive(known_channels: None, tap: Tap) -> Callable[..., Item]:
    """One publication arrives; its item."""

    def take(document: Any, *, now: dt.datetime = NOW, facts: Any = None, **given: Any) -> Item:
        (row,) = tap.pour(received(document, **given))
        api.import_received(now=now, source=tap, facts=facts or SiteSays())
        return Item.objects.get(channel=row.channel, publication=row.uuid)

    return take
