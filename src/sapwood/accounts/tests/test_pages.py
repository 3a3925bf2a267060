"""The pages of accounts, as people use them."""

import datetime as dt
import json
import re

import pytest
from django.contrib.auth import get_user
from django.db import transaction
from django.test import Client
from django.urls import reverse

from sapwood.accounts import sessions
from sapwood.accounts.actions import erase_person, export_person, one_time_link
from sapwood.accounts.api import actor_for, create_token, grant_role, user_has
from sapwood.accounts.models import ApiToken, RoleGrant, SessionNote, User
from sapwood.accounts.tests.conftest import NOW
from sapwood.core import audit
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.core.models import AuditRow
from sapwood.core.worker import run_worker

CLI = Actor.command()


def come_in(user, client=None):
    client = client or Client()
    url = one_time_link(user, base_url="http://testserver", now=system_clock().now(), actor=CLI)
    assert client.post(url, headers={"user-agent": "Firefox on a phone"}).status_code == 302
    return client


@pytest.fixture
def admin(alice):
    return come_in(alice)


def page(client, name, **kwargs):
    response = client.get(reverse(f"accounts:{name}", kwargs=kwargs))
    assert response.status_code == 200, response
    return response.content.decode()


def press(client, name, data=None, *, follow=True, **kwargs):
    return client.post(reverse(f"accounts:{name}", kwargs=kwargs), data or {}, follow=follow)


def age_sign_in(client, minutes):
    session = client.session
    for record in session["account_authentication_methods"]:
        record["at"] -= minutes * 60
    session.save()


def test_an_administrator_invites_grants_and_revokes(admin, alice):
    form = {"email": "carol@riverside.example", "role": "auditor", "scope_kind": "", "scope_key": ""}
    assert "carol@riverside.example" in press(admin, "invite", form).content.decode()
    carol = User.objects.get(email="carol@riverside.example")
    press(admin, "grant", {"role": "auditor", "scope_kind": "channel", "scope_key": "security"}, uuid=carol.uuid)
    assert carol.grants.count() == 2
    row = carol.grants.get(scope_kind="")
    assert "The role is revoked" in press(admin, "revoke", uuid=carol.uuid, pk=row.pk).content.decode()
    assert not user_has(User.objects.get(pk=carol.pk), "audit.view")


def test_a_scope_without_a_name_is_sent_back_with_a_reason(admin, dave):
    response = press(admin, "grant", {"role": "auditor", "scope_kind": "channel", "scope_key": ""}, uuid=dave.uuid)
    assert "Say which one" in response.content.decode()
    assert not dave.grants.exists()


def test_the_last_administrator_is_told_why_not(admin, alice):
    row = alice.grants.get()
    assert "is the last" in press(admin, "revoke", uuid=alice.uuid, pk=row.pk).content.decode()
    assert RoleGrant.objects.filter(pk=row.pk).exists()


def test_an_auditor_sees_people_without_the_buttons(erin, alice):
    client = come_in(erin)
    assert "Invite somebody" not in page(client, "people")
    assert "Grant a role" not in page(client, "person", uuid=alice.uuid)


def test_people_are_found_by_name_and_listed_page_by_page(admin):
    User.objects.bulk_create([User(email=f"p{n:03}@riverside.example", name=f"Person {n}") for n in range(120)])
    first = page(admin, "people")
    assert first.count("data-row") == 50
    assert "after=p048" in first
    assert "Person 119" in admin.get(reverse("accounts:people") + "?q=Person+119").content.decode()


def test_the_list_of_people_costs_the_same_for_one_and_for_fifty(admin, django_assert_max_num_queries):
    User.objects.bulk_create([User(email=f"p{n:03}@riverside.example") for n in range(60)])
    with django_assert_max_num_queries(14):
        page(admin, "people")


@pytest.mark.parametrize("name", ["invite", "erase", "claims"])
def test_dangerous_pages_ask_again_after_a_quarter_of_an_hour(admin, dave, name):
    kwargs = {"uuid": dave.uuid} if name == "erase" else {}
    page(admin, name, **kwargs)
    age_sign_in(admin, 16)
    response = admin.get(reverse(f"accounts:{name}", kwargs=kwargs))
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/confirm?next=")


def test_a_dangerous_button_does_nothing_when_the_sign_in_is_old(admin, dave):
    age_sign_in(admin, 16)
    response = press(admin, "grant", {"role": "auditor"}, follow=False, uuid=dave.uuid)
    assert response["Location"].startswith("/accounts/confirm")
    assert not dave.grants.exists()


def test_with_a_password_one_confirms_by_password_and_goes_on(admin, alice):
    alice.set_password("a long enough sentence")
    alice.save()
    admin = come_in(alice)
    age_sign_in(admin, 16)
    where = admin.get(reverse("accounts:invite"))["Location"]
    assert where.startswith("/accounts/reauthenticate/")
    assert "Confirm that it is you" in admin.get(where).content.decode()
    assert admin.post(where, {"password": "wrong"}).status_code == 200
    assert admin.post(where, {"password": "a long enough sentence"})["Location"] == reverse("accounts:invite")
    page(admin, "invite")


def test_whoever_has_no_password_confirms_by_a_fresh_link(admin, mailoutbox, django_capture_on_commit_callbacks):
    age_sign_in(admin, 16)
    from sapwood.accounts.models import SignInLink

    SignInLink.objects.all().delete()
    with django_capture_on_commit_callbacks(execute=True):
        response = press(admin, "confirm", {"by": "mail"})
    assert "Look into your mailbox" in response.content.decode()
    assert len(mailoutbox) == 1


@pytest.mark.parametrize("path", ["password/set/", "2fa/totp/activate/", "2fa/webauthn/add/"])
def test_a_stale_session_cannot_add_a_way_in(admin, path):
    age_sign_in(admin, 16)
    assert admin.get(f"/accounts/{path}")["Location"].startswith("/accounts/confirm")


def test_switching_off_ends_the_session_at_once(admin, dave):
    client = come_in(dave)
    assert get_user(client).is_authenticated
    press(admin, "switch", {"state": "off"}, uuid=dave.uuid)
    assert client.get(reverse("accounts:me")).status_code == 302


def test_my_account_names_my_sessions_and_ends_the_others(dave):
    one, two = come_in(dave), come_in(dave)
    assert page(one, "me").count("Firefox on a phone") == 2
    press(one, "end_other_sessions")
    assert one.get(reverse("accounts:me")).status_code == 200
    assert two.get(reverse("accounts:me")).status_code == 302


def test_one_cannot_end_somebody_elses_session(dave, erin):
    mine, theirs = come_in(dave), come_in(erin)
    press(mine, "end_session", pk=SessionNote.objects.get(user=erin).pk)
    assert theirs.get(reverse("accounts:me")).status_code == 200


def test_a_session_that_nobody_noted_ends_too(dave):
    client = Client()
    client.force_login(dave)
    sessions.end_sessions(User.objects.get(pk=dave.pk))
    assert not get_user(client).is_authenticated


def test_the_language_one_chose_is_spoken_at_once(dave):
    client = come_in(dave)
    client.post(reverse("accounts:me"), {"name": "Dave", "language": "ar"})
    assert 'dir="rtl"' in page(client, "me")
    assert 'dir="rtl"' in page(come_in(dave), "me")


def test_a_token_is_shown_once_and_revoked(admin, alice):
    response = press(admin, "new_token", {"name": "exporter", "scopes": ["audit.view"], "days": "30"})
    assert "sapw_" in response.content.decode()
    row = ApiToken.objects.get()
    assert row.digest not in response.content.decode()
    assert "sapw_" not in page(admin, "me")
    press(admin, "end_token", uuid=row.uuid)
    row.refresh_from_db()
    assert row.revoked_at is not None


def test_nobody_can_put_into_a_token_what_tokens_may_not_do(admin):
    response = press(admin, "new_token", {"name": "x", "scopes": ["accounts.manage"], "days": "30"})
    assert not ApiToken.objects.exists()
    assert "Select a valid choice" in response.content.decode()


def test_somebody_elses_token_is_not_found(dave, alice):
    made = create_token(alice, name="x", scopes=["audit.view"], actor=CLI, now=NOW, ttl=dt.timedelta(days=1))
    assert press(come_in(dave), "end_token", uuid=made.row.uuid).status_code == 404


def test_the_audit_page_names_people_and_filters(admin, alice, dave):
    grant_role(dave, role="auditor", actor=actor_for(alice), now=NOW)
    text = page(admin, "audit")
    assert "accounts.grant" in text
    assert "Alice" in text
    by_action = admin.get(reverse("accounts:audit") + "?action=accounts.grant").content.decode()
    assert by_action.count("data-row") == AuditRow.objects.filter(action="accounts.grant").count()
    by_person = admin.get(reverse("accounts:audit") + "?subject=dave@riverside.example").content.decode()
    assert by_person.count("data-row") == AuditRow.objects.filter(subject=f"person:{dave.uuid}").count()
    assert "No row matches" in admin.get(reverse("accounts:audit") + "?day=1999-01-01").content.decode()


def test_the_audit_page_survives_nonsense_in_its_address(admin):
    for query in ("day=x", "before=-1", "before=99999999999999999999999", "before=x", "action=%00", "subject=%00"):
        assert admin.get(f"{reverse('accounts:audit')}?{query}").status_code == 200, query


def test_the_audit_log_goes_page_by_page_without_gaps(admin, alice):
    with transaction.atomic():
        for n in range(120):
            audit.record(actor=actor_for(alice), action="test.many", subject=f"thing:{n}", at=NOW)
    seen, url = [], reverse("accounts:audit") + "?action=test.many"
    while url:
        response = admin.get(url)
        seen += [entry.seq for entry in response.context["entries"]]
        url = response.context["next_url"]
    assert len(seen) == len(set(seen)) == 120
    assert seen == sorted(seen, reverse=True)


def test_the_export_is_one_json_object_per_line(admin):
    response = admin.get(reverse("accounts:audit_export"))
    lines = [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]
    assert [line["seq"] for line in lines] == sorted(line["seq"] for line in lines)
    assert lines[-1]["action"] == "accounts.sign_in"


@pytest.fixture
def no_heads(monkeypatch, tmp_path):
    """Signed heads lie in a folder that the tests of a process share: another test's head is not of this chain."""
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path))


@pytest.mark.usefixtures("no_heads")
def test_the_verify_page_sees_an_edited_row(admin):
    assert "The chain holds" in page(admin, "audit_verify")
    AuditRow.objects.filter(seq=1).update(subject="person:somebody-else")
    assert "row 1 was edited" in page(admin, "audit_verify")


@pytest.mark.usefixtures("no_heads")
def test_a_long_log_is_verified_by_the_worker_and_what_it_found_stays_on_the_page(admin, monkeypatch):
    monkeypatch.setattr("sapwood.accounts.views.audit.AT_ONCE", 0)
    address = reverse("accounts:audit_verify")
    assert "Nobody has verified it here yet" in page(admin, "audit_verify")
    begun = [admin.post(address)["Location"] for _ in range(2)]
    assert len(set(begun)) == 1
    assert begun[0] in page(admin, "audit_verify")
    run_worker(clock=system_clock(), once=True)
    assert "finished" in admin.get(begun[0]).text
    assert "The chain holds" in page(admin, "audit_verify")
    AuditRow.objects.filter(seq=1).update(subject="person:somebody-else")
    begun = admin.post(address)["Location"]
    run_worker(clock=system_clock(), once=True)
    assert "row 1 was edited" in admin.get(begun).text
    shown = page(admin, "audit_verify")
    assert "The chain is broken" in shown
    assert "row 1 was edited" in shown


@pytest.mark.usefixtures("no_heads")
@pytest.mark.parametrize(
    ("language", "who", "edited"),
    [("es-419", "línea de comandos", "la fila 1 fue modificada"), ("ar", "سطر الأوامر", "عُدّل الصف 1")],
)
def test_the_audit_log_is_read_in_ones_language_and_exported_as_it_was_kept(admin, language, who, edited):
    with transaction.atomic():
        audit.record(actor=Actor.system("test.job"), action="test.done", subject="thing:1", at=NOW)
    log = admin.get(reverse("accounts:audit"), headers={"accept-language": language}).text
    assert f"<bdi>{who}</bdi>" in log
    assert '<code class="code" dir="ltr">test.job</code>' in log
    exported = admin.get(reverse("accounts:audit_export"), headers={"accept-language": language})
    assert {json.loads(line)["actor"] for line in exported} == {"command line", "Alice", "test.job"}
    AuditRow.objects.filter(seq=1).update(subject="person:somebody-else")
    shown = admin.get(reverse("accounts:audit_verify"), headers={"accept-language": language}).text
    assert edited in re.sub("[\u2068\u2069]", "", shown)


@pytest.mark.parametrize(("language", "scope"), [("es-419", "Canal"), ("ar", "القناة")])
def test_my_account_says_what_a_role_is_narrowed_to(dave, language, scope):
    grant_role(dave, role="auditor", scope=("channel", "security"), actor=CLI, now=NOW)
    assert f"{scope} <bdi>security</bdi>" in come_in(dave).get("/accounts/", headers={"accept-language": language}).text


def test_an_erased_person_is_named_nowhere_and_the_chain_holds(admin, dave, tmp_path):
    come_in(dave)
    grant_role(dave, role="auditor", actor=CLI, now=NOW)
    create_token(dave, name="x", scopes=["audit.view"], actor=actor_for(dave), now=NOW, ttl=dt.timedelta(days=1))
    assert "name nobody" in page(admin, "erase", uuid=dave.uuid)
    assert "The person is forgotten" in press(admin, "erase", uuid=dave.uuid).content.decode()
    assert not User.objects.filter(email__icontains="dave").exists()
    text = page(admin, "audit")
    assert "Dave" not in text
    assert "erased" in text
    assert audit.verify(tmp_path).problems == []


def test_export_holds_what_is_kept_and_no_secrets(alice):
    come_in(alice)
    made = create_token(alice, name="x", scopes=["audit.view"], actor=CLI, now=NOW, ttl=dt.timedelta(days=1))
    text = json.dumps(export_person(alice, actor=actor_for(alice), now=NOW), default=str)
    assert "alice@riverside.example" in text
    assert "accounts.sign_in" in text
    for secret in (made.secret, made.row.digest, alice.password):
        assert secret not in text


def test_modules_take_part_in_export_and_erasure(alice, dave, monkeypatch):
    from sapwood.accounts.actions import personal_data

    monkeypatch.setattr(personal_data, "_KEEPERS", {})
    gone = []
    personal_data.register_personal_data(
        "inbox",
        exporter=lambda address: {"streams": [address]},
        eraser=lambda address, now: bool(gone.append(address)),
        fields=(),
    )
    assert export_person(dave, actor=CLI, now=NOW)["inbox"] == {"streams": [dave.email]}
    erase_person(dave, actor=CLI, now=NOW)
    assert gone == ["dave@riverside.example"]


def test_the_front_page_reminds_of_a_second_factor_and_a_way_in(admin, alice):
    assert "no other way to sign in" in admin.get("/").content.decode()
    alice.set_password("a long enough sentence")
    alice.save()
    assert "has no second factor" in come_in(alice).get("/").content.decode()


def test_the_menu_shows_what_one_may_see(admin, dave):
    assert reverse("accounts:audit") in admin.get("/").content.decode()
    assert reverse("accounts:audit") not in come_in(dave).get("/").content.decode()


def test_an_invitation_whose_mail_cannot_leave_shows_the_link_and_stays(admin, no_mail_server, caplog):
    form = {"email": "carol@riverside.example", "role": "auditor", "scope_kind": "", "scope_key": ""}
    html = press(admin, "invite", form).content.decode().replace("<wbr>", "")
    assert "could not be sent" in html
    url = re.search(r"http\S+/accounts/link/[^<\s]+", html)[0]
    carol = User.objects.get(email="carol@riverside.example")
    assert carol.grants.get().role == "auditor"
    again = press(admin, "mail_link", uuid=carol.uuid).content.decode().replace("<wbr>", "")
    assert "could not be sent" in again
    assert url not in page(admin, "person", uuid=carol.uuid)
    assert Client().post(url.removeprefix("http://127.0.0.1:8001")).status_code == 302
    assert not [record for record in caplog.records if record.exc_info]


def test_mailing_again_once_the_server_is_back(admin, dave, mailoutbox):
    assert "on its way" in press(admin, "mail_link", uuid=dave.uuid).content.decode().replace("<wbr>", "")
    assert [message.to for message in mailoutbox] == [[dave.email]]


def test_somebody_whose_confirming_mail_cannot_leave_is_told(dave, no_mail_server):
    response = come_in(dave).post(reverse("accounts:confirm"), {"by": "mail"})
    assert response.status_code == 503
    assert "Ask an administrator for a sign-in link" in response.content.decode().replace("<wbr>", "")


def test_a_person_without_a_role_has_themselves_forgotten(dave):
    client = come_in(dave)
    assert "Forget me" in page(client, "me")
    assert "cannot be undone" in page(client, "erase_me")
    response = press(client, "erase_me")
    assert "You are forgotten here" in response.content.decode().replace("<wbr>", "")
    assert not User.objects.filter(pk=dave.pk).exists()
    assert not get_user(client).is_authenticated
    row = AuditRow.objects.get(action="accounts.erase")
    assert audit.names({row.actor_ref}) == {}
    assert not AuditRow.objects.filter(details__icontains="dave").exists()


def test_being_forgotten_needs_a_fresh_sign_in_and_no_role(dave, erin):
    client = come_in(erin)
    assert "To be forgotten, ask an administrator" in page(client, "me")
    assert client.post(reverse("accounts:erase_me")).status_code == 403
    client = come_in(dave)
    age_sign_in(client, 20)
    assert client.post(reverse("accounts:erase_me"))["Location"].startswith("/accounts/confirm")
    assert User.objects.filter(pk__in=[dave.pk, erin.pk]).count() == 2
