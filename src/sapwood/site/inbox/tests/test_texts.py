import pytest

from sapwood.core.errors import ForbiddenError, UsageError
from sapwood.site.inbox import api
from sapwood.site.inbox.actions.approving import LinkRemovedError
from sapwood.site.inbox.actions.texts import EditedError
from sapwood.site.inbox.data import Audience, Choices, Decision, Reader, Text, Upstream
from sapwood.site.inbox.models import LocalText
from sapwood.site.inbox.tests.given import NOW, announcement, revised

pytestmark = pytest.mark.django_db
READER = Reader(Audience.ADMINISTRATORS, "es")
FIX = "https://docs.openedx.org/fix"


def test_a_translation_made_here_is_delivered_beside_the_source(arrive, alice, tariq, by):
    item = arrive(announcement())
    api.save_text(item.pk, "es", Text("Ulmo está aquí"), actor=by(tariq), now=NOW)
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    (shown,) = api.announcements(READER, now=NOW).items
    assert shown.texts["es"].title == "Ulmo está aquí"
    assert shown.texts["en"].title == "Ulmo is here"


def test_a_translator_translates_and_does_not_edit_the_source(arrive, tariq, by):
    item = arrive(announcement())
    with pytest.raises(ForbiddenError):
        api.save_text(item.pk, "en", Text("Other"), actor=by(tariq), now=NOW)


def test_an_upstream_revision_never_overwrites_a_local_text(arrive, alice, by):
    document = announcement()
    item = arrive(document)
    api.save_text(item.pk, "en", Text("Ours"), actor=by(alice), now=NOW)
    item = arrive(revised(document, texts={"en": {"title": "Theirs"}}))
    assert LocalText.objects.get().title == "Ours"
    assert item.upstream == Upstream.REVISED
    assert item.decision == Decision.IN_REVIEW


def test_hard_case_33_a_translation_of_revision_3_when_5_is_current_says_so(arrive, tariq, by):
    document = announcement(revision=3)
    item = arrive(document)
    api.save_text(item.pk, "es", Text("Ulmo está aquí"), actor=by(tariq), now=NOW)
    arrive(revised(revised(document), texts={"en": {"title": "Changed twice"}}))
    spanish = next(one for one in api.review(item.pk).languages if one.locale == "es")
    assert (spanish.base_revision, spanish.behind) == (3, True)
    api.save_text(item.pk, "es", Text("Cambiado"), actor=by(tariq), now=NOW, version=spanish.version)
    assert not any(one.behind for one in api.review(item.pk).languages)


def test_two_people_who_edit_at_once_do_not_overwrite_each_other(arrive, alice, rita, by):
    item = arrive(announcement())
    api.save_text(item.pk, "en", Text("First"), actor=by(alice), now=NOW, version=0)
    with pytest.raises(EditedError):
        api.save_text(item.pk, "en", Text("Second"), actor=by(rita), now=NOW, version=0)
    assert LocalText.objects.get().title == "First"


@pytest.mark.parametrize("kind", ["advisory", "security_pre_announcement"])
def test_hard_case_38_an_edit_that_removes_the_security_link_needs_a_word(kind, arrive, alice, by):
    item = arrive(announcement(kind=kind, texts={"en": {"title": "Fix", "body": f"Read [this]({FIX})."}}))
    api.save_text(item.pk, "en", Text("Fix", body="All is well."), actor=by(alice), now=NOW)
    assert api.review(item.pk).removed_links == [FIX]
    with pytest.raises(LinkRemovedError):
        api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW, confirm_removed_links=True)


def test_hard_case_38_on_the_security_channel_every_kind_counts(arrive, alice, by):
    item = arrive(announcement(channel="security", texts={"en": {"title": "Fix", "body": FIX}}))
    api.save_text(item.pk, "en", Text("Fix", body="Nothing."), actor=by(alice), now=NOW)
    with pytest.raises(LinkRemovedError):
        api.approve(item.pk, Choices(), actor=by(alice), now=NOW)


def test_hard_case_38_a_translation_without_the_link_is_noticed_too(arrive, alice, tariq, by):
    item = arrive(announcement(channel="security", texts={"en": {"title": "Fix", "body": FIX}}))
    api.save_text(item.pk, "es", Text("Arreglo", body="Todo bien."), actor=by(tariq), now=NOW)
    with pytest.raises(LinkRemovedError):
        api.approve(item.pk, Choices(), actor=by(alice), now=NOW)


def test_going_back_to_the_source_drops_the_local_text(arrive, alice, by):
    item = arrive(announcement())
    api.save_text(item.pk, "en", Text("Ours"), actor=by(alice), now=NOW)
    api.drop_text(item.pk, "en", actor=by(alice), now=NOW)
    assert not LocalText.objects.exists()


def test_hidden_characters_do_not_get_into_a_text(arrive, alice, by):
    item = arrive(announcement())
    row = api.save_text(item.pk, "en", Text("Safe\u202egnp\x00", body="a\u200bb"), actor=by(alice), now=NOW)
    assert "\u202e" not in row.title
    assert "\x00" not in row.title


@pytest.mark.parametrize("locale", ["", "x", "../../etc", "en us", "e" * 40, "12"])
def test_a_language_is_a_tag(locale, arrive, alice, by):
    item = arrive(announcement())
    with pytest.raises(UsageError):
        api.save_text(item.pk, locale, Text("T"), actor=by(alice), now=NOW)


def test_an_edit_after_approval_changes_nothing_that_is_out(arrive, alice, by):
    item = arrive(announcement())
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    api.save_text(item.pk, "en", Text("Changed later"), actor=by(alice), now=NOW)
    item.refresh_from_db()
    assert item.decision == Decision.APPROVED
    assert api.announcements(READER, now=NOW).items[0].texts["en"].title == "Ulmo is here"
