import pytest

from sapwood.channel import api
from sapwood.channel.tests.support import NOW, URL, Commons
from sapwood.core.data import Actor


@pytest.fixture
def commons(db, tmp_path):
    return Commons(tmp_path / "channel")


@pytest.fixture
def site(commons):
    return api.subscribe(URL, root=commons.root, actor=Actor.command(), now=NOW, name="openedx")
