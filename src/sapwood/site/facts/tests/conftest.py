"""A site with its people, and a commons that publishes catalogues into it."""

import datetime as dt
import json

import pytest

from sapwood.accounts.api import create_person
from sapwood.channel import api as channel
from sapwood.channel.tests.support import URL, Commons
from sapwood.core.data import Actor
from sapwood.formats.documents import document_bytes
from sapwood.formats.tests.catalogue_cases import small, small_data

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
    return create_person("alice@riverside.example", name="Alice", actor=Actor.command(), now=NOW, roles=["site-administrator"])


@pytest.fixture
def erin(db):
    return create_person("erin@riverside.example", name="Erin", actor=Actor.command(), now=NOW, roles=["auditor"])


@pytest.fixture
def carol(db):
    return create_person("carol@riverside.example", name="Carol", actor=Actor.command(), now=NOW, roles=["instructor"])


class Releases:
    """The commons' channel `releases` as this site sees it."""

    def __init__(self, commons, subscription):
        self.commons, self.subscription = commons, subscription

    def publish(self, revision=1, **changes):
        data = small_data() | {"revision": revision} | changes
        raw = document_bytes(small(**data))
        self.commons.publish(raw, channel="releases")
        return raw


@pytest.fixture
def commons(db, tmp_path):
    return Commons(tmp_path / "channel", now=NOW)


@pytest.fixture
def facts_file(tmp_path, monkeypatch):
    def write(**facts):
        path = tmp_path / "facts.json"
        path.write_text(json.dumps(facts))
        monkeypatch.setenv("SAPWOOD_FACTS", str(path))
        return path

    return write


__all__ = ["URL", "channel"]
