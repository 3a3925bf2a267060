"""The people of the commons, and its channel."""

import datetime as dt
import shutil

import pytest
from django.db import transaction

from sapwood.accounts.api import actor_for, create_person
from sapwood.channel import api as channel
from sapwood.core.data import Actor

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)


@pytest.fixture
def now():
    return NOW


def person(name, *roles):
    address = f"{name.lower()}@commons.example"
    return create_person(address, name=name, actor=Actor.command(), now=NOW, roles=list(roles))


@pytest.fixture
def bob(db):
    return person("Bob", "release_manager")


@pytest.fixture
def erin(db):
    return person("Erin", "second_signer")


@pytest.fixture
def frank(db):
    return person("Frank", "auditor")


@pytest.fixture
def actors(bob, erin):
    return actor_for(bob), actor_for(erin)


@pytest.fixture(scope="session")
def fresh_repository(django_db_setup, django_db_blocker, tmp_path_factory):
    """A channel with keys, made once: making keys is the slow part."""
    folder = tmp_path_factory.mktemp("commons") / "channel"
    with django_db_blocker.unblock(), transaction.atomic():
        channel.init_repository(folder, now=NOW)
        transaction.set_rollback(True)
    return folder


@pytest.fixture
def repository(db, tmp_path, monkeypatch, fresh_repository):
    folder = shutil.copytree(fresh_repository, tmp_path / "channel")
    monkeypatch.setenv("SAPWOOD_CHANNEL_FOLDER", str(folder))
    return folder
