"""`sapwood accounts …`."""

import json

import pytest

from sapwood.accounts.api import person, redeem_link, user_has
from sapwood.accounts.models import User
from sapwood.accounts.tests.conftest import ADMINISTRATOR, NOW
from sapwood.config.cli import main
from sapwood.core.clock import system_clock


@pytest.fixture
def sapwood(capsys):
    def run(*words, expect=0):
        with pytest.raises(SystemExit) as done:
            main(["accounts", *words, "--json"])
        assert done.value.code == expect, capsys.readouterr()
        return json.loads(capsys.readouterr().out)

    return run


def test_create_and_link(sapwood, db):
    made = sapwood("create", "alice@riverside.example", "--role", ADMINISTRATOR)
    assert made["roles"][0]["role"] == ADMINISTRATOR.replace("-", "_")
    linked = sapwood("link", "alice@riverside.example")
    user = redeem_link(linked["link"].rsplit("/", 1)[1], now=system_clock().now())
    assert user.email == "alice@riverside.example"


def test_create_can_print_a_link_at_once(sapwood, db):
    assert "/accounts/link/" in sapwood("create", "alice@riverside.example", "--link")["link"]


def test_create_twice_and_nonsense_are_refused(sapwood, alice):
    assert sapwood("create", "ALICE@riverside.example", expect=1)["error"]["code"] == "accounts.address_taken"
    assert sapwood("create", "not an address", expect=2)["error"]["code"] == "accounts.address"
    assert sapwood("create", "x@y.example", "--role", "emperor", expect=2)["error"]["code"] == "accounts.role"
    assert not User.objects.filter(email="x@y.example").exists()


def test_list_grant_revoke(sapwood, alice, dave):
    sapwood("grant", "dave@riverside.example", "auditor", "--scope", "channel:security", "--days", "3")
    listed = {row["email"]: row["roles"] for row in sapwood("list")}
    assert listed["dave@riverside.example"][0]["scope"] == "channel:security"
    sapwood("revoke", "dave@riverside.example", "auditor", "--scope", "channel:security")
    assert not dave.grants.exists()
    assert sapwood("revoke", alice.email, ADMINISTRATOR, expect=1)["error"]["code"] == "accounts.last_administrator"


def test_an_unknown_person_is_an_error_with_a_hint(sapwood, db):
    error = sapwood("link", "nobody@riverside.example", expect=1)["error"]
    assert error["code"] == "core.not_found"
    assert error["hint"]


def test_tokens(sapwood, alice):
    made = sapwood("token", "create", alice.email, "--name", "exporter", "--permission", "audit.view")
    assert made["token"].startswith("sapw_")
    listed = sapwood("token", "list")
    assert [row["state"] for row in listed] == ["live"]
    assert made["token"] not in json.dumps(listed)
    sapwood("token", "revoke", made["uuid"])
    assert sapwood("token", "list", alice.email)[0]["state"] == "revoked"


def test_erase_asks_unless_told(sapwood, alice, dave):
    assert sapwood("erase", dave.email, expect=2)["error"]["code"] == "core.usage"
    sapwood("erase", dave.email, "--yes")
    assert not User.objects.filter(pk=dave.pk).exists()


def test_export_to_a_file_is_for_its_owner_only(sapwood, alice, tmp_path):
    path = tmp_path / "alice.json"
    sapwood("export", alice.email, "--to", str(path))
    assert json.loads(path.read_text())["account"]["email"] == alice.email
    assert path.stat().st_mode & 0o077 == 0


def test_switching_off_and_on(sapwood, alice, dave):
    assert sapwood("switch", dave.email, "off")["active"] is False
    assert sapwood("switch", dave.email, "on")["active"] is True
    assert not user_has(person(dave.email), "audit.view", now=NOW)


def test_an_invitation_is_mailed(sapwood, db, mailoutbox):
    made = sapwood("invite", "carol@riverside.example", "--role", "auditor")
    assert (made["mailed"], made["roles"][0]["role"]) == (True, "auditor")
    assert "link" not in made
    assert [message.to for message in mailoutbox] == [["carol@riverside.example"]]
    sapwood("link", "carol@riverside.example", "--mail")
    assert len(mailoutbox) == 2


def test_an_invitation_whose_mail_cannot_leave_ends_with_1_and_hands_over_the_link(sapwood, db, no_mail_server, capsys):
    carol = "carol@riverside.example"
    for words in (["invite", carol, "--role", "auditor"], ["link", carol, "--mail"]):
        made = sapwood(*words, expect=1)
        assert (made["mailed"], made["error"]["code"]) == (False, "accounts.mail")
        assert made["error"]["hint"]
        user = redeem_link(made["link"].rsplit("/", 1)[1], now=system_clock().now())
        assert user.email == "carol@riverside.example"
    with pytest.raises(SystemExit) as done:
        main(["accounts", "link", "carol@riverside.example", "--mail"])
    out, err = capsys.readouterr()
    assert done.value.code == 1
    assert "/accounts/link/" in out
    assert "accounts.mail" in err
    assert "Traceback" not in err


def test_claims_are_mapped_to_roles_by_command(sapwood, db):
    assert sapwood("claims", "add", "groups", "auditors", "auditor") == {
        "claim": "groups", "value": "auditors", "role": "auditor",
    }  # fmt: skip
    assert [row["role"] for row in sapwood("claims", "list")] == ["auditor"]
    assert sapwood("claims", "add", "groups", "x", "emperor", expect=2)["error"]["code"] == "accounts.role"
    sapwood("claims", "remove", "groups", "auditors", "auditor")
    assert sapwood("claims", "list") == []
    assert sapwood("claims", "remove", "groups", "auditors", "auditor", expect=1)["error"]["code"] == "core.not_found"


def test_an_address_about_which_nothing_is_kept_is_an_error(sapwood, db):
    assert sapwood("export", "nobody@riverside.example", expect=1)["error"]["code"] == "core.not_found"
    assert sapwood("erase", "nobody@riverside.example", "--yes", expect=1)["error"]["code"] == "core.not_found"
