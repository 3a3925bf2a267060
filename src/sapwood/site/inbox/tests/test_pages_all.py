import pytest
from django.urls import get_resolver, reverse
from tests.people import sign_in

from sapwood.site.inbox import api, tokens, urls
from sapwood.site.inbox.data import Audience, Choices
from sapwood.site.inbox.tests.given import NOW, announcement

pytestmark = pytest.mark.django_db
ANON_OK = {
    "announcements", "brand_css", "announcement", "atom", "subscribe", "confirm", "unsubscribe", "subscription",
    "forget",
}  # fmt: skip


def arguments(pattern, item, person):
    known = {
        "item_id": item.pk,
        "locale": "en",
        "audience": "administrators",
        "token": tokens.unsubscribe(person),
        "webhook": person.uuid,
        "delivery": person.uuid,
        "rule_id": 1,
        "feed_id": 1,
        "withdrawal_id": 1,
        "rule": 1,
    }
    return {name: known[name] for name in pattern.pattern.converters}


@pytest.fixture
def person(alice, by):
    return api.add_person("carol@riverside.example", Audience.ADMINISTRATORS, actor=by(alice), now=NOW)


@pytest.mark.parametrize("pattern", urls.urlpatterns, ids=lambda p: p.name)
def test_every_page_stands_for_an_administrator(pattern, client, arrive, alice, by, person):
    item = arrive(announcement())
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    sign_in(client, alice)
    given = arguments(pattern, item, person)
    if pattern.name == "confirm":
        given["token"] = tokens.confirm(person, now=NOW)
    if pattern.name in {"subscription", "forget"}:
        given["token"] = tokens.manage(person)
    answer = client.get(reverse(f"inbox:{pattern.name}", kwargs=given))
    assert answer.status_code in {200, 302, 405} or (pattern.name == "confirm" and answer.status_code == 404)


@pytest.mark.parametrize("pattern", urls.urlpatterns, ids=lambda p: p.name)
def test_no_page_of_the_console_opens_to_a_stranger(pattern, client, arrive, person):
    item = arrive(announcement())
    address = reverse(f"inbox:{pattern.name}", kwargs=arguments(pattern, item, person))
    for method in (client.get, client.post):
        answer = method(address)
        if pattern.name in ANON_OK:
            continue
        if answer.status_code == 405:
            continue
        assert answer.status_code == 302, (pattern.name, answer.status_code)
        assert "login" in answer["Location"]


def test_every_address_is_among_those_that_the_site_mounts():
    assert "inbox" in get_resolver().namespace_dict
