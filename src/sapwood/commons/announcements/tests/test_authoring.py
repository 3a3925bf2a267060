"""Writing in the console: every step a person takes, and what each role may do."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from tests.people import sign_in as proven

from sapwood.accounts.api import create_person, grant_role
from sapwood.commons.announcements.models import Announcement, Revision, State
from sapwood.core.data import Actor
from sapwood.core.models import AuditRow

pytestmark = pytest.mark.django_db
TITLE = "Verawood is out"


def sign_in(client, name, now, *roles, scope=None):
    user = create_person(f"{name}@commons.example", actor=Actor.command(), now=now, name=name.title())
    for role in roles:
        grant_role(user, role=role, actor=Actor.command(), now=now, scope=scope)
    proven(client, user)
    return user


@pytest.fixture
def bob(client, now):
    return sign_in(client, "bob", now, "release_manager")


def as_other(client_class, now, name, *roles, scope=None):
    other = client_class()
    sign_in(other, name, now, *roles, scope=scope)
    return other


def filled(**changes):
    return {
        "title": TITLE,
        "summary": "It is here.",
        "body": "Read the [notes](https://docs.openedx.org/).",
        "kind": "news",
        "severity": "none",
        "audience": "administrators",
        **changes,
    }


def write(client, **changes):
    response = client.post(reverse("announcements:new"), filled(**changes), follow=True)
    assert response.status_code == 200, response.content
    return Revision.objects.select_related("announcement").order_by("-pk").first()


def press(client, revision, verb, **data):
    address = reverse("announcements:act", args=[revision.announcement.uuid, verb])
    response = client.post(address, {"sha256": revision.sha256, **data}, follow=True)
    revision.refresh_from_db()
    return response


def test_bob_writes_submits_approves_and_stages(client, bob):
    revision = write(client)
    assert (revision.state, revision.announcement.slug) == (State.DRAFT, "verawood-is-out")
    for verb, state in (("submit", State.IN_REVIEW), ("approve", State.APPROVED), ("stage", State.STAGED)):
        assert press(client, revision, verb).status_code == 200
        assert revision.state == state
    page = client.get(reverse("announcements:detail", args=[revision.announcement.uuid])).content.decode()
    assert "Bob" in page
    assert "Put before the signers" in page


def test_the_form_says_what_is_wrong_beside_its_field(client, bob):
    response = client.post(reverse("announcements:new"), filled(expires_at="soon", links="survey"))
    page = response.content.decode()
    assert response.status_code == 200
    assert "not an instant" in page
    assert "Write the kind, the address and a title" in page
    assert Announcement.objects.count() == 0


def test_a_draft_with_a_dangerous_link_is_kept_but_cannot_be_submitted(client, bob):
    revision = write(client, body="[x](javascript:alert(1))")
    assert press(client, revision, "submit").status_code == 200
    assert revision.state == State.DRAFT
    page = client.get(reverse("announcements:detail", args=[revision.announcement.uuid])).content.decode()
    assert "is not safe" in page
    assert 'href="javascript:' not in page


def test_the_author_of_a_security_item_cannot_press_approve(client, bob, now):
    revision = write(client, kind="advisory")
    press(client, revision, "submit")
    response = press(client, revision, "approve")
    assert revision.state == State.IN_REVIEW
    assert "a person who did not write it" in response.content.decode()
    alice = as_other(type(client), now, "alice", "second_signer")
    press(alice, revision, "approve")
    assert revision.state == State.APPROVED


def test_case_29_approving_a_text_that_changed_meanwhile_is_refused(client, bob, now):
    revision = write(client)
    press(client, revision, "submit")
    seen = revision.sha256
    address = reverse("announcements:edit", args=[revision.announcement.uuid])
    client.post(address, filled(title="Other words", seen_sha256=seen))
    revision.refresh_from_db()
    press(client, revision, "submit")
    client.post(reverse("announcements:act", args=[revision.announcement.uuid, "approve"]), {"sha256": seen})
    revision.refresh_from_db()
    assert (revision.state, revision.title) == (State.IN_REVIEW, "Other words")


def test_two_people_editing_at_once_are_told(client, bob):
    revision = write(client)
    address = reverse("announcements:edit", args=[revision.announcement.uuid])
    seen = revision.sha256
    client.post(address, filled(title="First", seen_sha256=seen))
    response = client.post(address, filled(title="Second", seen_sha256=seen))
    assert "Somebody changed this text" in response.content.decode()
    revision.refresh_from_db()
    assert revision.title == "First"


def test_the_form_shows_what_was_saved_and_saving_it_again_changes_nothing(client, bob):
    revision = write(
        client,
        condition="all:\n- fact: line\n  op: ==\n  value: teak",
        links="survey https://survey.example.org/ Ten questions",
        question="What is slow?",
        closes_at="2027-01-31",
        starts_at="2026-12-03T16:00:00Z",
        ends_at="2026-12-03T17:00:00Z",
        place="Online",
    )
    address = reverse("announcements:edit", args=[revision.announcement.uuid])
    form = client.get(address).context["form"]
    before, rows = revision.sha256, AuditRow.objects.count()
    client.post(address, {name: form[name].value() or "" for name in form.fields})
    revision.refresh_from_db()
    assert (revision.sha256, AuditRow.objects.count()) == (before, rows)


def test_preview_by_language_site_and_outlet(client, bob):
    revision = write(client, condition="fact: line\nop: ==\nvalue: teak", body="At {{site_name}}: **hello**")
    address = reverse("announcements:preview", args=[revision.announcement.uuid])
    page = client.get(address, {"profile": "teak-mysql"}).content.decode()
    assert "This site would show it." in page
    assert "Riverside College" in page
    assert "This site would file it away" in client.get(address, {"profile": "ulmo-mariadb"}).content.decode()
    assert "it cannot be told" in client.get(address, {"profile": "unknown"}).content.decode()
    for outlet in ("mail", "feed", "nonsense"):
        assert client.get(address, {"outlet": outlet, "locale": "ar"}).status_code == 200


def test_a_translation_is_a_revision_without_a_new_alert_and_case_33_a_stale_one_is_flagged(client, bob):
    revision = write(client)
    for verb in ("submit", "approve", "stage"):
        press(client, revision, verb)
    address = reverse("announcements:translate", args=[revision.announcement.uuid])
    text = {"locale": "es-419", "title": "Salió Verawood", "origin": "community", "translator": "Carol"}
    client.post(address, {**text, "seen_sha256": revision.sha256})
    second = Revision.objects.get(number=2)
    assert (second.alert, second.locales) == (False, ["en", "es-419"])
    for verb in ("submit", "approve", "stage"):
        press(client, second, verb)
    client.post(
        reverse("announcements:edit", args=[revision.announcement.uuid]),
        filled(title="Quite another title", seen_sha256=second.sha256),
    )
    assert Revision.objects.get(number=3).alert is True
    page = client.get(reverse("announcements:detail", args=[revision.announcement.uuid])).content.decode()
    assert "made from revision 1" in page


def test_a_translation_goes_out_as_a_file_and_comes_back(client, bob):
    revision = write(client)
    address = reverse("announcements:translate", args=[revision.announcement.uuid])
    response = client.get(address, {"locale": "es-419", "download": "po"})
    assert "attachment" in response["Content-Disposition"]
    import polib

    po = polib.pofile(response.content.decode())
    for entry in po:
        entry.msgstr = entry.msgid.replace("Verawood is out", "Salió Verawood")
    upload = SimpleUploadedFile("es.po", str(po).encode())
    client.post(address, {"po": upload, "seen_sha256": revision.sha256})
    revision.refresh_from_db()
    assert revision.locales == ["en", "es-419"]
    refused = client.post(address, {"po": SimpleUploadedFile("x.po", b"/etc/passwd"), "seen_sha256": revision.sha256})
    assert "not a gettext file" in refused.content.decode()


@pytest.mark.parametrize("role", ["auditor", "second_signer"])
def test_who_may_not_write_may_read(client, bob, now, role):
    revision = write(client)
    other = as_other(type(client), now, "dave", role)
    assert other.get(reverse("announcements:detail", args=[revision.announcement.uuid])).status_code == 200
    assert other.get(reverse("announcements:new")).status_code == 403
    assert other.get(reverse("announcements:edit", args=[revision.announcement.uuid])).status_code == 403
    assert press(other, revision, "submit").status_code == 403
    assert revision.state == State.DRAFT


def test_a_role_for_one_channel_reaches_no_other(client, bob, now):
    revision = write(client)
    other = as_other(type(client), now, "carol", "communicator", scope=("channel", "surveys"))
    assert other.get(reverse("announcements:detail", args=[revision.announcement.uuid])).status_code == 403
    assert TITLE not in other.get(reverse("announcements:list")).content.decode()
    assert other.post(reverse("announcements:new"), filled()).status_code == 403
    assert other.post(reverse("announcements:new"), filled(channel="surveys", slug="mine")).status_code == 302


@pytest.mark.parametrize("name", ["list", "new"])
def test_strangers_are_sent_to_the_sign_in_page(client, name):
    response = client.get(reverse(f"announcements:{name}"))
    assert (response.status_code, "login" in response["Location"]) == (302, True)


def test_throwing_a_first_draft_away_leaves_nothing_open(client, bob):
    revision = write(client)
    client.post(reverse("announcements:act", args=[revision.announcement.uuid, "discard"]), {"sha256": revision.sha256})
    assert Revision.objects.count() == 0
