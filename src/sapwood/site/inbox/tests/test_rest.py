import datetime as dt

import pytest
from tests.people import sign_in

from sapwood.accounts.api import create_token
from sapwood.core.clock import system_clock
from sapwood.site.inbox import api
from sapwood.site.inbox.data import Decision
from sapwood.site.inbox.models import Approval
from sapwood.site.inbox.tests.given import announcement, revised

pytestmark = pytest.mark.django_db


@pytest.fixture
def call(client):
    def go(user, method, path, data=None):
        sign_in(client, user)
        kwargs = {"content_type": "application/json"} if method == "post" else {}
        return getattr(client, method)(f"/api/v1/{path}", data or {}, **kwargs)

    return go


def test_the_list_the_item_and_an_approval(arrive, alice, call):
    item = arrive(announcement())
    listed = call(alice, "get", "inbox").json()
    assert [row["id"] for row in listed["items"]] == [item.pk]
    shown = call(alice, "get", f"inbox/{item.pk}").json()
    assert shown["texts"]["en"]["title"] == "Ulmo is here"
    answer = call(alice, "post", f"inbox/{item.pk}/approve", {"seen": shown["seen"]})
    assert answer.status_code == 200
    assert answer.json()["audience"] == "administrators"
    item.refresh_from_db()
    assert item.decision == Decision.APPROVED
    deliveries = call(alice, "get", "deliveries").json()["deliveries"]
    assert {row["outlet"] for row in deliveries} == {"page", "feed"}


def test_an_approval_without_the_hash_of_what_was_read_is_refused(arrive, alice, call):
    item = arrive(announcement())
    assert call(alice, "post", f"inbox/{item.pk}/approve", {}).status_code == 400
    assert not Approval.objects.exists()


def test_a_stale_hash_is_a_conflict_with_code_message_and_hint(arrive, alice, call):
    document = announcement()
    item = arrive(document)
    seen = api.review(item.pk).seen
    arrive(revised(document, texts={"en": {"title": "Changed"}}))
    answer = call(alice, "post", f"inbox/{item.pk}/approve", {"seen": seen})
    assert answer.status_code == 409
    assert set(answer.json()) == {"code", "message", "hint"}
    assert answer.json()["code"] == "inbox.stale"


def test_reject_and_snooze(arrive, alice, call):
    first, second = arrive(announcement()), arrive(announcement())
    assert call(alice, "post", f"inbox/{first.pk}/reject", {"reason": "no"}).json()["decision"] == "rejected"
    until = (system_clock().now() + dt.timedelta(days=3)).isoformat()
    assert call(alice, "post", f"inbox/{second.pk}/snooze", {"until": until}).json()["decision"] == "snoozed"


@pytest.mark.parametrize("name", ["rita", "carol", "dave"])
def test_nobody_but_an_administrator_approves(name, request, arrive, call):
    user = request.getfixturevalue(name)
    item = arrive(announcement())
    seen = api.review(item.pk).seen
    assert call(user, "post", f"inbox/{item.pk}/approve", {"seen": seen}).status_code == 403


def test_a_token_without_the_scope_approves_nothing(arrive, alice, by, client):
    item = arrive(announcement())
    made = create_token(
        alice, name="reader", scopes=["inbox.view"], actor=by(alice), now=system_clock().now(), ttl=dt.timedelta(days=3)
    )
    headers = {"authorization": f"Bearer {made.secret}"}
    assert client.get("/api/v1/inbox", headers=headers).status_code == 200
    seen = api.review(item.pk).seen
    answer = client.post(
        f"/api/v1/inbox/{item.pk}/approve", {"seen": seen}, content_type="application/json", headers=headers
    )
    assert answer.status_code == 403
    assert not Approval.objects.exists()


@pytest.mark.parametrize(
    "query", ["?after=x", "?after=W10", "?limit=0", "?limit=1000", "?tab=nothing", "?after=WzFd&tab=waiting"]
)
def test_a_query_that_does_not_fit_is_a_400(query, arrive, alice, call):
    assert call(alice, "get", f"inbox{query}").status_code == 400


def test_a_stranger_gets_nothing(arrive, client):
    arrive(announcement())
    assert client.get("/api/v1/inbox").status_code in {401, 403}
