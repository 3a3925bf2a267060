"""Who may do what, and how roles come and go."""

import datetime as dt
from dataclasses import dataclass

import pytest

from sapwood.accounts import permissions
from sapwood.accounts.actions.roles import add_claim_rule, apply_claims, remove_claim_rule
from sapwood.accounts.api import (
    ANYWHERE,
    LastAdministratorError,
    Role,
    RoleError,
    UnknownPermissionError,
    actor_for,
    grant_role,
    holders_of_permission,
    reach,
    register_permission,
    require,
    revoke_role,
    set_active,
    user_has,
)
from sapwood.accounts.models import RoleGrant, User
from sapwood.accounts.tests.conftest import ADMINISTRATOR, NOW
from sapwood.core import settings
from sapwood.core.data import Actor
from sapwood.core.errors import ForbiddenError, NotFoundError
from sapwood.core.models import AuditRow

CLI = Actor.command()
site_only = pytest.mark.skipif(settings.ROLE.get() != "site", reason="roles of a site")


@dataclass
class Item:
    channel: str
    locale: str = "en"

    def permission_scopes(self):
        return {("channel", self.channel), ("locale", self.locale)}


@pytest.fixture
def decide(monkeypatch):
    monkeypatch.setattr(permissions, "PERMISSIONS", dict(permissions.PERMISSIONS))
    roles = {"site_administrator", "reviewer"}
    return register_permission("test.decide", "Decide", roles=roles, roles_scoped={"reviewer", Role.TRANSLATOR}).code


@pytest.fixture
def whole(monkeypatch):
    monkeypatch.setattr(permissions, "PERMISSIONS", dict(permissions.PERMISSIONS))
    return register_permission("test.whole", "On everything only", roles={"reviewer"}).code


def test_a_person_without_a_role_may_nothing(dave):
    assert not user_has(dave, "accounts.view")
    assert not user_has(dave, "audit.view", ANYWHERE)


def test_nobody_and_anything_that_is_no_user_may_nothing():
    assert not user_has(None, "accounts.view")


def test_an_auditor_sees_but_does_not_manage(erin):
    assert user_has(erin, "audit.view")
    assert user_has(erin, "accounts.view")
    assert not user_has(erin, "accounts.manage")


def test_an_unknown_permission_is_an_error_and_not_a_no(alice):
    with pytest.raises(UnknownPermissionError):
        user_has(alice, "inbox.decied")


def test_the_same_permission_registered_differently_is_refused(decide):
    with pytest.raises(ValueError, match="twice"):
        register_permission(decide, "Decide", roles={"auditor"})


def test_a_switched_off_person_may_nothing(alice, erin):
    set_active(erin, active=False, actor=actor_for(alice), now=NOW)
    assert not user_has(erin, "audit.view")


@site_only
def test_a_role_on_one_channel_reaches_only_that_channel(dave, decide):
    grant_role(dave, role="reviewer", actor=CLI, now=NOW, scope=("channel", "community"))
    assert user_has(dave, decide, Item("community"))
    assert not user_has(dave, decide, Item("security"))
    assert not user_has(dave, decide)
    assert user_has(dave, decide, ANYWHERE)
    assert reach(dave, decide).scopes == {("channel", "community")}


@site_only
def test_a_narrowed_grant_does_not_open_what_knows_no_scopes(dave, whole):
    grant_role(dave, role="reviewer", actor=CLI, now=NOW, scope=("channel", "community"))
    assert not user_has(dave, whole, ANYWHERE)
    assert not user_has(dave, whole, Item("community"))


@site_only
def test_an_object_without_scopes_is_out_of_reach_of_a_narrowed_grant(dave, decide):
    grant_role(dave, role="reviewer", actor=CLI, now=NOW, scope=("channel", "community"))
    assert not user_has(dave, decide, object())


@site_only
def test_a_translator_of_one_locale_reaches_that_locale(dave, decide):
    grant_role(dave, role="translator", actor=CLI, now=NOW, scope=("locale", "ar"))
    assert user_has(dave, decide, Item("security", "ar"))
    assert not user_has(dave, decide, Item("security", "es-419"))


def test_a_role_ends_when_it_expires(dave):
    grant_role(dave, role="auditor", actor=CLI, now=NOW, expires_at=NOW + dt.timedelta(days=1))
    assert user_has(dave, "audit.view", now=NOW)
    assert not user_has(dave, "audit.view", now=NOW + dt.timedelta(days=1))


def test_a_grant_that_is_over_before_it_begins_is_refused(dave):
    with pytest.raises(RoleError):
        grant_role(dave, role="auditor", actor=CLI, now=NOW, expires_at=NOW)


def test_require_names_the_missing_permission(dave):
    with pytest.raises(ForbiddenError, match="Read the audit log"):
        require(actor_for(dave), "audit.view")


def test_command_and_background_work_pass(db):
    require(CLI, "accounts.manage")
    require(Actor.system("inbox.deliver"), "accounts.manage")


def test_an_actor_whose_account_is_gone_is_refused(dave):
    actor = actor_for(dave)
    dave.delete()
    with pytest.raises(ForbiddenError):
        require(actor, "audit.view")


def test_somebody_without_the_permission_cannot_grant(dave, erin):
    with pytest.raises(ForbiddenError):
        grant_role(dave, role="auditor", actor=actor_for(erin), now=NOW)
    assert not RoleGrant.objects.filter(user=dave).exists()


def test_granting_and_revoking_are_audited_without_addresses(alice, dave):
    grant_role(dave, role="auditor", actor=actor_for(alice), now=NOW)
    revoke_role(dave, role="auditor", actor=actor_for(alice), now=NOW)
    rows = AuditRow.objects.filter(subject=f"person:{dave.uuid}").order_by("seq")
    assert [row.action for row in rows] == ["accounts.create", "accounts.grant", "accounts.revoke"]
    assert rows[1].details == {"role": "auditor"}
    assert not user_has(dave, "audit.view")
    assert "dave@" not in "".join(f"{row.subject}{row.details}" for row in AuditRow.objects.all())


def test_granting_twice_leaves_one_grant(dave):
    for _ in range(2):
        grant_role(dave, role="auditor", actor=CLI, now=NOW)
    assert RoleGrant.objects.filter(user=dave).count() == 1


def test_revoking_what_is_not_held_says_so(dave):
    with pytest.raises(NotFoundError):
        revoke_role(dave, role="auditor", actor=CLI, now=NOW)


@pytest.mark.parametrize(
    ("role", "scope"),
    [
        ("emperor", None),
        ("communicator" if settings.ROLE.get() == "site" else "reviewer", None),
        ("auditor", ("planet", "mars")),
        ("auditor", ("channel", " ")),
        (ADMINISTRATOR, ("channel", "community")),
    ],
)
def test_roles_and_scopes_that_do_not_exist_here_are_refused(dave, role, scope):
    with pytest.raises(RoleError):
        grant_role(dave, role=role, actor=CLI, now=NOW, scope=scope)


def test_the_last_administrator_keeps_the_role(alice, dave):
    with pytest.raises(LastAdministratorError):
        revoke_role(alice, role=ADMINISTRATOR, actor=CLI, now=NOW)
    with pytest.raises(LastAdministratorError):
        set_active(alice, active=False, actor=CLI, now=NOW)
    with pytest.raises(LastAdministratorError):
        grant_role(alice, role=ADMINISTRATOR, actor=CLI, now=NOW, expires_at=NOW + dt.timedelta(days=1))
    grant_role(dave, role=ADMINISTRATOR, actor=CLI, now=NOW, expires_at=NOW + dt.timedelta(days=1))
    with pytest.raises(LastAdministratorError):
        revoke_role(alice, role=ADMINISTRATOR, actor=CLI, now=NOW)
    grant_role(dave, role=ADMINISTRATOR, actor=CLI, now=NOW)
    revoke_role(alice, role=ADMINISTRATOR, actor=CLI, now=NOW)
    assert not user_has(alice, "accounts.manage")


def test_a_switched_off_administrator_does_not_count(alice, dave):
    grant_role(dave, role=ADMINISTRATOR, actor=CLI, now=NOW)
    set_active(dave, active=False, actor=CLI, now=NOW)
    with pytest.raises(LastAdministratorError):
        revoke_role(alice, role=ADMINISTRATOR, actor=CLI, now=NOW)


def test_permissions_are_read_in_one_query(alice, django_assert_num_queries):
    user = User.objects.get(pk=alice.pk)
    with django_assert_num_queries(1):
        for code in list(permissions.PERMISSIONS):
            user_has(user, code, ANYWHERE)


def test_whom_to_tell_leaves_out_the_narrowed_and_the_switched_off(alice, erin):
    assert list(holders_of_permission("audit.view", now=NOW)) == [alice, erin]
    set_active(erin, active=False, actor=CLI, now=NOW)
    assert list(holders_of_permission("audit.view", now=NOW)) == [alice]


def test_claims_give_a_role_only_where_an_administrator_mapped_them(alice, dave):
    claims = [{"groups": ["auditors", "staff"]}]
    assert apply_claims(dave, claims=claims, now=NOW) == set()
    rule = add_claim_rule("groups", value="auditors", role="auditor", actor=actor_for(alice), now=NOW)
    assert apply_claims(dave, claims=claims, now=NOW) == {Role.AUDITOR}
    assert user_has(dave, "audit.view")
    apply_claims(dave, claims=[{"groups": ["staff"]}], now=NOW)
    assert not user_has(dave, "audit.view")
    apply_claims(dave, claims=claims, now=NOW)
    remove_claim_rule(rule, actor=actor_for(alice), now=NOW)
    apply_claims(dave, claims=claims, now=NOW)
    assert not user_has(dave, "audit.view")


def test_claims_never_take_what_a_person_granted(alice, erin):
    apply_claims(erin, claims=[{}], now=NOW)
    assert user_has(erin, "audit.view")


def test_claims_never_take_the_last_administrator(db, dave):
    add_claim_rule("groups", value="admins", role=ADMINISTRATOR, actor=CLI, now=NOW)
    apply_claims(dave, claims=[{"groups": "admins"}], now=NOW)
    apply_claims(dave, claims=[{}], now=NOW)
    assert user_has(dave, "accounts.manage")
