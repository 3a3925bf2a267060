"""The HTTP API against its own schema: whatever is sent, the answer is one that the schema promises."""

import datetime as dt
from pathlib import Path

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sapwood.accounts.api import ANYWHERE, PERMISSIONS, create_person, create_token, user_has
from sapwood.core import settings as typed
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor

ROLE = typed.ROLE.get()
PATH = Path(__file__).resolve().parent.parent / "docs" / "reference" / f"openapi-{ROLE}.yaml"
ROLES = {"site": ["site_administrator"], "commons": ["release_manager", "communicator"]}

PROMISES = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
schema = schemathesis.openapi.from_path(PATH)
schema.app = get_wsgi_application()
pytestmark = [pytest.mark.slow, pytest.mark.django_db]


OWNERS = {"/api/v1/inbox/1/approve": {"site"}, "/api/v1/announcements": {"commons"}}


@pytest.fixture
def token() -> str:
    """A token of somebody who may do everything that tokens may."""
    actor, now = Actor.command(), system_clock().now()
    alice = create_person("alice@riverside.example", roles=ROLES[ROLE], actor=actor, now=now)
    scopes = [code for code, item in PERMISSIONS.items() if item.by_token and user_has(alice, code, ANYWHERE)]
    return create_token(alice, name="test", scopes=scopes, ttl=dt.timedelta(days=1), actor=actor, now=now).secret


@schema.parametrize()
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_schema_promises(case, token):
    case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=PROMISES)


@schema.parametrize()
@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_a_stranger_learns_nothing(case):
    response = case.call()
    assert response.status_code in {200, 400, 401, 403, 404, 405, 415}, response.text
    if response.status_code == 200:
        assert case.operation.path.startswith("/api/v1/catalogue"), "only the catalogue is public"


def test_json_that_is_nested_without_end_is_refused_in_one_line(client, token):
    deep = b'{"a":' * 100_000
    url = next(path for path in ("/api/v1/inbox/1/approve", "/api/v1/announcements") if ROLE in OWNERS[path])
    headers = {"Authorization": f"Bearer {token}"}
    response = client.post(url, deep, content_type="application/json", headers=headers)
    assert response.status_code == 400
    assert response.json()["message"]
