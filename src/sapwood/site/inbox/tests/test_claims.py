"""Readers who sign in: a claim that an administrator mapped gives an audience, and nothing more."""

import json
import re

import pytest
from django.contrib.auth import get_user
from django.test import Client
from django.urls import reverse
from tests.fakes import FakeHttp
from tests.providers import Lms, come_back, leave, oidc_server

from sapwood.accounts import conf
from sapwood.accounts.api import Role, User, create_person, grant_role, one_time_link, permissions_of, revoke_role
from sapwood.config.cli import main
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.core.errors import ForbiddenError, UsageError
from sapwood.core.models import AuditRow
from sapwood.site.inbox import api, tokens
from sapwood.site.inbox.actions.trust import open_channel
from sapwood.site.inbox.data import Audience, Choices, DeliveryState, OutletKind
from sapwood.site.inbox.models import AudienceRule, ClaimedAudience, Delivery, Person
from sapwood.site.inbox.tests.given import HOUR, NOW, announcement

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
CLI = Actor.command()
CALLBACK = "http://testserver/accounts/oidc/sso/login/callback/"
DAVE = "dave@riverside.example"


@pytest.fixture(scope="module")
def server():
    with oidc_server() as running:
        yield running


@pytest.fixture
def sso(server, settings, monkeypatch):
    client_id, secret = server.register(CALLBACK)
    for name, value in {"ISSUER": server.issuer, "CLIENT_ID": client_id, "CLIENT_SECRET": secret}.items():
        monkeypatch.setenv(f"SAPWOOD_OIDC_{name}", value)
    settings.SOCIALACCOUNT_PROVIDERS = conf.providers()
    server.says("5", email=DAVE, email_verified=True, name="Dave", groups=["students"])
    return server


def sign_on(sso, client=None, sub="5"):
    client = client or Client()
    come_back(client, sso.agree(leave(client), sub))
    return client


def students_learn():
    api.map_claim("groups", "students", Audience.LEARNERS, actor=CLI, now=NOW)


def staff_page(user):
    client = Client()
    url = one_time_link(user, base_url="http://testserver", now=system_clock().now(), actor=CLI)
    assert client.post(url).status_code == 302
    return client


def actions(*names):
    found = AuditRow.objects.filter(action__in=names).order_by("seq")
    return [(row.action, row.details.get("audience")) for row in found]


@pytest.fixture
def published(arrive, alice, erin, by):
    """One announcement for each audience, on the signed-in page."""
    found = {}
    for audience in Audience:
        item = arrive(announcement(texts={"en": {"title": f"For {audience.value}"}}))
        if audience is not Audience.ADMINISTRATORS:
            open_channel("community", audience, actor=by(alice), now=NOW)
        choices, seen = Choices(audience=audience, outlets=(OutletKind.PAGE,)), api.review(item.pk).seen
        row = api.approve(item.pk, choices, actor=by(alice), now=NOW, seen=seen)
        if audience is Audience.LEARNERS:
            api.second(item.pk, digest=row.digest, actor=by(erin), now=NOW)
        found[audience] = item
    return found


def read(client):
    return set(re.findall(r"For (\w+)", client.get(reverse("inbox:announcements")).content.decode()))


def test_a_mapped_claim_makes_a_reader_of_that_audience_and_nothing_more(sso, published):
    students_learn()
    client = sign_on(sso)
    dave = get_user(client)
    assert (dave.email, api.audience_of(dave)) == (DAVE, Audience.LEARNERS)
    assert read(client) == {"learners"}
    assert permissions_of(dave, now=NOW) == []
    for name in ("inbox:list", "inbox:people", "inbox:trust", "inbox:deliveries", "accounts:people", "channel:health"):
        assert client.get(reverse(name)).status_code == 403, name
    home = client.get("/").content.decode()
    assert "You belong to the learners" in home
    assert "For learners" in home
    assert "No worker is running" not in home
    assert not Person.objects.exists(), "nobody is put on a mailing list by signing in"
    assert actions("people.claim") == [("people.claim", "learners")]


def test_an_unmapped_claim_admits_nobody(sso):
    students_learn()
    sso.says("5", email=DAVE, groups=["staff"])
    assert not get_user(sign_on(sso)).is_authenticated
    assert not User.objects.exists()


def test_the_audience_goes_with_the_claim_and_what_rested_on_it_too(sso, published):
    students_learn()
    client = sign_on(sso)
    client.post(reverse("inbox:mine"))
    assert Person.objects.get().audience == "learners"
    sso.says("5", email=DAVE, email_verified=True, groups=[])
    again = sign_on(sso)
    assert get_user(again).email == DAVE
    assert api.audience_of(get_user(again)) is None
    assert read(again) == set()
    assert not Person.objects.exists()
    assert actions("people.claim", "people.claim_ended") == [
        ("people.claim", "learners"),
        ("people.claim_ended", "learners"),
    ]


def test_the_narrowest_of_several_claims_counts_and_changes_with_them(sso, published):
    students_learn()
    api.map_claim("groups", "faculty", Audience.INSTRUCTORS, actor=CLI, now=NOW)
    sso.says("5", email=DAVE, email_verified=True, groups=["students", "faculty"])
    client = sign_on(sso)
    assert read(client) == {"instructors", "learners"}
    client.post(reverse("inbox:mine"))
    sso.says("5", email=DAVE, email_verified=True, groups=["students"])
    assert read(sign_on(sso)) == {"learners"}
    assert Person.objects.get().audience == "learners"
    sso.says("5", email=DAVE, email_verified=True, groups=["faculty"])
    assert read(sign_on(sso)) == {"instructors", "learners"}
    assert Person.objects.get().audience == "instructors"


def test_a_reader_chooses_language_streams_and_how_often_and_leaves(sso, published):
    students_learn()
    client = sign_on(sso)
    page = reverse("inbox:mine")
    assert "You belong to the learners" in client.get(page).content.decode()
    client.post(page)
    client.post(page, {"locale": "es-419", "threshold": "low", "streams": ["community"]})
    person = Person.objects.get()
    assert (person.locale, person.threshold, person.digest) == ("es-419", "low", False)
    assert list(person.streams.values_list("channel", flat=True)) == ["community"]
    leaving = re.search(r'href="(/announcements/unsubscribe/[^"]+)"', client.get(page).content.decode())[1]
    client.post(leaving)
    person.refresh_from_db()
    assert person.unsubscribed_at is not None


def test_a_reader_has_everything_forgotten_by_themselves(sso, published):
    students_learn()
    client = sign_on(sso)
    client.post(reverse("inbox:mine"))
    assert client.post(reverse("accounts:erase_me"), follow=True).status_code == 200
    assert not User.objects.filter(email=DAVE).exists()
    assert not Person.objects.exists()
    assert not ClaimedAudience.objects.exists()


def test_a_reader_without_an_account_is_forgotten_by_the_link_in_a_mail(client, alice, by):
    person = api.add_person(DAVE, Audience.LEARNERS, actor=by(alice), now=NOW)
    address = reverse("inbox:forget", args=[tokens.manage(person)])
    assert "cannot be undone" in client.get(address).content.decode()
    assert Person.objects.exists()
    assert "Your address and your choices are gone" in client.post(address).content.decode()
    assert not Person.objects.exists()
    assert client.post(address).status_code == 404


def test_an_address_that_nobody_proved_joins_no_list_and_opens_no_row(sso, alice, by, published):
    """Who can write any address into their profile over there must not become whoever has it here."""
    students_learn()
    api.add_person(DAVE, Audience.ADMINISTRATORS, actor=by(alice), now=NOW)
    sso.says("5", email=DAVE, email_verified=False, groups=["students"])
    client = sign_on(sso)
    assert read(client) == {"learners"}
    for answer in (client.get(reverse("inbox:mine")), client.post(reverse("inbox:mine"), {"locale": "ar"})):
        assert answer["Location"] == reverse("inbox:subscribe")
    assert Person.objects.get().audience == "administrators"
    with pytest.raises(ForbiddenError):
        api.join_signed_in(get_user(client), Audience.LEARNERS, actor=CLI, now=NOW)


def test_a_place_on_the_list_that_came_otherwise_stays(sso, alice, by, published):
    students_learn()
    api.add_person(DAVE, Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    assert read(sign_on(sso)) == {"instructors", "learners"}
    sso.says("5", email=DAVE, email_verified=True, groups=[])
    assert read(sign_on(sso)) == {"instructors", "learners"}
    assert Person.objects.get().audience == "instructors"


def test_mail_stops_when_the_sign_in_no_longer_gives_the_audience(arrive, alice, by, clock, client, carol):
    item = arrive(announcement(severity="critical"))
    api.open_channel("community", Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    client.force_login(carol)
    client.post(reverse("inbox:mine"))
    client.post(reverse("inbox:mine"), {"locale": "en", "threshold": "none", "streams": ["community"]})
    choices = Choices(audience=Audience.INSTRUCTORS, outlets=(OutletKind.MAIL,))
    api.approve(item.pk, choices, actor=by(alice), now=NOW, seen=api.review(item.pk).seen)
    revoke_role(carol, role=Role.INSTRUCTOR, actor=CLI, now=NOW)
    api.deliver_due(clock=clock, http=FakeHttp())
    row = Delivery.objects.get()
    assert (row.state, "no longer" in row.reason) == (DeliveryState.CANCELLED, True)


def test_who_joined_by_an_account_that_is_gone_is_forgotten(client, carol, alice, by):
    client.force_login(carol)
    client.post(reverse("inbox:mine"))
    api.add_person("erin@elsewhere.example", Audience.LEARNERS, actor=by(alice), now=NOW)
    assert api.forget_departed(now=NOW) == 0
    User.objects.filter(pk=carol.pk).update(email="carol@new.example")
    assert api.forget_departed(now=NOW + HOUR) == 1
    assert [row.email for row in Person.objects.all()] == ["erin@elsewhere.example"]


# --- mapping ---


def test_an_administrator_maps_a_claim_on_a_page_and_ends_it(alice):
    client = staff_page(alice)
    page = reverse("inbox:people_claims")
    assert "No claim gives an audience" in client.get(page).content.decode()
    form = {"claim": "groups", "value": "students", "audience": "learners"}
    assert "students" in client.post(page, form, follow=True).content.decode()
    row = AudienceRule.objects.get()
    assert (row.claim, row.value, row.audience) == ("groups", "students", "learners")
    client.post(reverse("inbox:people_remove_claim", args=[row.pk]))
    assert not AudienceRule.objects.exists()
    assert actions("people.claim_rule.add", "people.claim_rule.remove") == [
        ("people.claim_rule.add", "learners"),
        ("people.claim_rule.remove", "learners"),
    ]


@pytest.mark.parametrize("form", [{}, {"claim": " ", "value": "x", "audience": "learners"}, {"audience": "gods"}])
def test_half_a_mapping_is_sent_back(alice, form):
    assert staff_page(alice).post(reverse("inbox:people_claims"), form).status_code == 400


def test_no_claim_makes_a_reader_of_the_administrators(alice, rita, by):
    form = {"claim": "groups", "value": "students", "audience": "administrators"}
    assert staff_page(alice).post(reverse("inbox:people_claims"), form).status_code == 400
    with pytest.raises(UsageError):
        api.map_claim("groups", "x", Audience.ADMINISTRATORS, actor=by(alice), now=NOW)
    with pytest.raises(ForbiddenError):
        api.map_claim("groups", "x", Audience.LEARNERS, actor=by(rita), now=NOW)
    assert not AudienceRule.objects.exists()


@pytest.fixture
def sapwood(capsys):
    def run(*words, expect=0):
        with pytest.raises(SystemExit) as done:
            main([*words, "--json"])
        assert done.value.code == expect, capsys.readouterr()
        return json.loads(capsys.readouterr().out)

    return run


def test_a_claim_is_mapped_by_command(sapwood):
    rule = {"claim": "groups", "value": "students", "audience": "learners"}
    claims = ["people", "claims"]
    for _ in range(2):
        assert sapwood(*claims, "add", "groups", "students", "learners") == rule
    assert sapwood(*claims, "list") == [rule]
    assert sapwood(*claims, "add", "groups", "x", "administrators", expect=2)["error"]["code"] == "core.usage"
    assert sapwood(*claims, "remove", "groups", "students", "learners") == {"removed": rule}
    assert sapwood(*claims, "remove", "groups", "students", "learners", expect=1)["error"]["hint"]


def test_the_page_counts_who_reads_by_claim(sso, alice):
    students_learn()
    sign_on(sso)
    assert "by single sign-on" in staff_page(alice).get(reverse("inbox:people")).content.decode()


# --- the platform ---


def test_course_roles_at_the_platform_make_instructors_and_everybody_else_learns(settings, monkeypatch, published):
    lms = Lms()
    for name, value in {"URL": lms.url, "CLIENT_ID": "sapwood", "CLIENT_SECRET": "s"}.items():
        monkeypatch.setenv(f"SAPWOOD_PLATFORM_{name}", value)
    settings.SOCIALACCOUNT_PROVIDERS = conf.providers()
    api.map_claim("iss", f"{lms.url}/oauth2", Audience.LEARNERS, actor=CLI, now=NOW)
    api.map_claim("course_roles", "instructor", Audience.INSTRUCTORS, actor=CLI, now=NOW)
    try:
        client = Client()
        come_back(client, lms.agree(leave(client, "/accounts/platform/login/")))
        assert read(client) == {"learners"}
        lms.roles = [{"org": "R", "course_id": "course-v1:R+1+1", "role": "instructor"}]
        come_back(client, lms.agree(leave(client, "/accounts/platform/login/")))
        assert read(client) == {"instructors", "learners"}
    finally:
        lms.stage.stop()


def test_a_role_goes_above_a_claim(sso, published):
    students_learn()
    rita = create_person("rita2@riverside.example", actor=CLI, now=NOW)
    grant_role(rita, role=Role.REVIEWER, actor=CLI, now=NOW)
    ClaimedAudience.objects.create(user=rita, audience=Audience.LEARNERS, at=NOW)
    assert api.audience_of(rita) is Audience.ADMINISTRATORS
