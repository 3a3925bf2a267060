"""The HTTP API: drafts, approval and staging, by session and by token."""

import datetime as dt
import uuid

import pytest
from django.test import Client
from tests.people import sign_in

from sapwood.accounts.api import actor_for, create_person, create_token, grant_role
from sapwood.commons.announcements.models import Revision, State
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor

pytestmark = pytest.mark.django_db
DOCUMENT = {
    "channel": "community",
    "kind": "news",
    "texts": {"en": {"title": "Verawood is out", "body": "Words."}},
}
SCOPES = ["announcements.view", "announcements.write", "announcements.stage"]


class Caller:
    """Somebody at the API, by session or by token."""

    def __init__(self, email, *roles, token=False):
        now = system_clock().now()
        self.user = create_person(email, actor=Actor.command(), now=now, name=email.partition("@")[0].title())
        for role in roles:
            grant_role(self.user, role=role, actor=Actor.command(), now=now)
        self.client = Client()
        if token:
            self.with_token()
        else:
            sign_in(self.client, self.user)

    def with_token(self):
        made = create_token(
            self.user,
            name="robot",
            scopes=SCOPES,
            actor=actor_for(self.user),
            now=system_clock().now(),
            ttl=dt.timedelta(days=1),
        )
        self.client = Client(headers={"Authorization": f"Bearer {made.secret}"})
        return self

    def call(self, method, path, body=None):
        send = getattr(self.client, method)
        return send(f"/api/v1/announcements{path}", body, content_type="application/json")

    def draft(self, **changes):
        body = {"slug": f"slug-{uuid.uuid4().hex[:8]}", "document": {**DOCUMENT, **changes}}
        return self.call("post", "", body)

    def step(self, row, verb):
        return self.call("post", f"/{row['uuid']}/{verb}", {"sha256": row["sha256"]})


@pytest.fixture
def bob():
    return Caller("bob@commons.example", "release_manager")


def test_a_draft_is_written_submitted_approved_and_staged(bob):
    row = bob.draft().json()
    assert (row["state"], row["problems"]) == ("draft", [])
    for verb, state in (("submit", "in_review"), ("approve", "approved"), ("stage", "staged")):
        response = bob.step(row, verb)
        assert (response.status_code, response.json()["state"]) == (200, state), response.content
    listed = bob.call("get", "?state=staged").json()["announcements"]
    assert [item["uuid"] for item in listed] == [row["uuid"]]


def test_a_token_writes_and_stages_but_never_approves(bob):
    robot = Caller("alice@commons.example", "communicator", token=True)
    row = robot.draft().json()
    assert robot.step(row, "submit").status_code == 200
    assert robot.step(row, "approve").status_code == 403
    assert bob.step(row, "approve").status_code == 200
    assert robot.step(row, "stage").status_code == 200


def test_case_35_the_owner_of_the_token_that_wrote_it_is_not_a_second_person():
    alice = Caller("alice@commons.example", "release_manager", token=True)
    row = alice.draft(channel="security", kind="advisory").json()
    alice.step(row, "submit")
    alice.client = Client()
    sign_in(alice.client, alice.user)
    response = alice.step(row, "approve")
    assert (response.status_code, response.json()["code"]) == (403, "announcements.second_person")
    assert Revision.objects.get().state == State.IN_REVIEW


def test_another_hash_is_refused(bob):
    row = bob.draft().json()
    response = bob.step({**row, "sha256": "0" * 64}, "submit")
    assert (response.status_code, response.json()["code"]) == (409, "announcements.changed")


def test_an_edit_names_the_text_that_it_started_from(bob):
    row = bob.draft().json()
    edited = {**row["document"], "severity": "low"}
    first = bob.call("put", f"/{row['uuid']}", {"document": edited, "seen_sha256": row["sha256"]})
    assert first.json()["severity"] == "low"
    second = bob.call("put", f"/{row['uuid']}", {"document": row["document"], "seen_sha256": row["sha256"]})
    assert second.status_code == 409


def test_a_draft_with_problems_is_kept_and_cannot_be_submitted(bob):
    row = bob.draft(texts={"en": {"title": "x", "body": "[x](javascript:1)"}}).json()
    assert row["problems"]
    response = bob.step(row, "submit")
    assert (response.status_code, response.json()["code"]) == (422, "announcements.invalid")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"texts": 1},
        {**DOCUMENT, "texts": {}},
        {**DOCUMENT, "uuid": "x"},
        {**DOCUMENT, "kind": 3},
        {"a": {"b": [None]}},
    ],
)
def test_what_is_no_announcement_is_refused_in_one_line(bob, document):
    response = bob.call("post", "", {"slug": "x", "document": document})
    assert response.status_code == 422
    assert set(response.json()) == {"code", "message", "hint"}


@pytest.mark.parametrize(
    "body", [None, [], "x", {"document": []}, {"document": DOCUMENT}, {"slug": "../x", "document": DOCUMENT}]
)
def test_a_broken_request_is_a_400(bob, body):
    assert bob.call("post", "", body).status_code == 400


def test_others_see_and_do_only_what_their_role_allows(bob):
    row = bob.draft().json()
    dave = Caller("dave@commons.example", "auditor")
    assert dave.call("get", f"/{row['uuid']}").status_code == 200
    assert dave.step(row, "submit").status_code == 403
    assert dave.draft().status_code == 403
    nobody = Caller("nobody@commons.example")
    assert nobody.call("get", "").status_code == 403
    nobody.client = Client()
    assert nobody.call("get", "").status_code in {401, 403}


def test_a_made_up_uuid_is_a_404(bob):
    assert bob.call("get", f"/{uuid.uuid4()}").status_code == 404
    assert bob.call("get", "?before=x").status_code == 400


@pytest.mark.parametrize(
    "raw",
    [
        '{"slug":"x","document":{"channel":"community","kind":"news","texts":{"en":{"title":"a\\u0000b"}}}}',
        '{"slug":"x","document":{"channel":"community","kind":"news","texts":{"en":{"title":"a\\ud800b"}}}}',
        '{"slug":"x","document":{"channel":"community","kind":"news","n":1e999,"texts":{"en":{"title":"a"}}}}',
        '{"slug":"x","document":{"channel":"community","kind":"news","n":' + "9" * 5000 + ',"texts":{}}}',
        '{"slug":"x","document":' + '{"a":' * 900 + "1" + "}" * 900 + "}",
        '{"slug":"x","document":{"uuid":["x"],"channel":{},"kind":[],"texts":[]}}',
        "{" * 100_000,
        "\x00",
    ],
)
def test_hostile_bodies_are_refused_without_a_server_error(bob, raw):
    response = bob.client.post("/api/v1/announcements", raw, content_type="application/json")
    assert response.status_code in {201, 400, 409, 413, 422}, response.content[:300]


def test_a_row_that_was_saved_can_always_be_read_again(bob):
    title = '{"slug":"nul","document":{"channel":"community","kind":"news","texts":{"en":{"title":"a\\u0000b"}}}}'
    bob.client.post("/api/v1/announcements", title, content_type="application/json")
    assert bob.call("get", "").status_code == 200
