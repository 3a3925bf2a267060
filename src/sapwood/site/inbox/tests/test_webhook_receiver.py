"""What the how-to tells a receiver of webhooks to do is what makes it believe ours, and nobody else's."""

import subprocess
import time

import pytest
from tests.fakes import FakeHttp
from tests.snippets import snippet

from sapwood.core.clock import FixedClock
from sapwood.site.inbox import api
from sapwood.site.inbox.data import Audience, Choices, OutletKind
from sapwood.site.inbox.outlets.webhook import secret_of
from sapwood.site.inbox.tests.given import NOW, announcement

URL = "https://hooks.riverside.example/in"
PAGE = "how-to/review-and-approve.md"

pytestmark = pytest.mark.django_db


@pytest.fixture
def secret(alice, by):
    return secret_of(api.add_webhook("chat", URL, Audience.ADMINISTRATORS, actor=by(alice), now=NOW))


@pytest.fixture
def request_(arrive, alice, by, secret):
    """What the receiver got."""
    item = arrive(announcement(texts={"en": {"title": "Ulmo ist da: größer", "summary": "s", "body": "b"}}))
    http = FakeHttp().answer(URL)
    api.approve(item.pk, Choices(outlets=(OutletKind.WEBHOOK,)), actor=by(alice), now=NOW)
    api.deliver_due(clock=FixedClock(NOW), http=http)
    return http.requests[0]


def test_the_receiver_in_python_believes_what_is_signed_and_fresh(request_, secret, monkeypatch):
    names = {}
    exec(snippet(PAGE, "receiver.py"), names)
    is_genuine = names["is_genuine"]
    stamp = int(request_.headers["Sapwood-Timestamp"])
    monkeypatch.setattr(time, "time", lambda: stamp + 2.0)
    assert is_genuine(request_.headers, request_.body, secret)
    assert not is_genuine(request_.headers, request_.body + b" ", secret)
    assert not is_genuine(request_.headers, request_.body, secret[:-1])
    assert not is_genuine({**request_.headers, "Sapwood-Timestamp": str(stamp + 1)}, request_.body, secret)
    monkeypatch.setattr(time, "time", lambda: stamp + 301.0)
    assert not is_genuine(request_.headers, request_.body, secret)


def test_the_receiver_in_a_shell_computes_the_same(request_, secret, tmp_path):
    (tmp_path / "body.json").write_bytes(request_.body)
    env = {"PATH": "/usr/bin:/bin", "timestamp": request_.headers["Sapwood-Timestamp"], "secret": secret}
    done = subprocess.run(
        ["sh", "-c", snippet(PAGE, "receiver.sh")], cwd=tmp_path, env=env, check=True, capture_output=True, text=True
    )
    assert f"v1={done.stdout.strip()}" == request_.headers["Sapwood-Signature"]
