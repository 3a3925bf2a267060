"""A site with its people, and a commons that publishes catalogues into it."""

import datetime as dt
import json
import shutil

import pytest
from django.db import transaction

from sapwood.accounts.api import create_person
from sapwood.channel import api as channel
from sapwood.channel.tests.support import URL, Commons
from sapwood.core.data import Actor
from sapwood.formats.documents import document_bytes
from sapwood.formats.tests.catalogue_cases import small

NOW = dt.datetime(2026, 6, 1, 9, 0, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch):
    for name in ("SAPWOOD_TUTOR_ROOT", "SAPWOOD_TUTOR_PLUGINS_ROOT", "SAPWOOD_TUTOR_PYTHON", "SAPWOOD_FACTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def alice(db):
    return create_person(
        "alice@riverside.example", name="Alice", actor=Actor.command(), now=NOW, roles=["site-administrator"]
    )


@pytest.fixture
def erin(db):
    return create_person("erin@riverside.example", name="Erin", actor=Actor.command(), now=NOW, roles=["auditor"])


@pytest.fixture
def carol(db):
    return create_person("carol@riverside.example", name="Carol", actor=Actor.command(), now=NOW, roles=["instructor"])


class Releases:
    """The commons' channel `releases`, and this site's subscription to it."""

    def __init__(self, commons, subscription):
        self.commons, self.subscription = commons, subscription

    def publish(self, revision=1, **changes):
        self.commons.publish(document_bytes(small(revision=revision, **changes)), channel="releases")
        return self.pull()

    def pull(self):
        return channel.pull(self.subscription, http=self.commons.http, clock=self.commons.clock)


@pytest.fixture(scope="session")
def repository(django_db_setup, django_db_blocker, tmp_path_factory):
    """A channel with keys, made once: making keys is the slow part."""
    path = tmp_path_factory.mktemp("commons") / "channel"
    with django_db_blocker.unblock(), transaction.atomic():
        Commons(path, now=NOW)
        transaction.set_rollback(True)
    return path


@pytest.fixture
def releases(db, tmp_path, repository):
    commons = Commons(shutil.copytree(repository, tmp_path / "channel"), now=NOW)
    subscription = channel.subscribe(URL, root=commons.root, actor=Actor.command(), now=NOW, name="example")
    return Releases(commons, subscription)


@pytest.fixture
def facts_file(tmp_path, monkeypatch):
    def write(**facts):
        path = tmp_path / "facts.json"
        path.write_text(json.dumps(facts))
        monkeypatch.setenv("SAPWOOD_FACTS", str(path))
        return path

    return write
