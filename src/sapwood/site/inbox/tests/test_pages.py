import pytest
from django.urls import reverse
from tests.people import sign_in

from sapwood.site.inbox import api
from sapwood.site.inbox.data import Audience, Choices, Decision
from sapwood.site.inbox.models import Approval
from sapwood.site.inbox.tests.given import NOW, announcement, revised

pytestmark = pytest.mark.django_db


@pytest.fixture
def visit(client):
    def go(user, name, *args, **post):
        sign_in(client, user)
        address = reverse(f"inbox:{name}", args=args)
        return client.post(address, post) if post else client.get(address)

    return go


def test_an_administrator_reviews_approves_and_reads_it(arrive, alice, visit):
    item = arrive(announcement())
    assert b"Ulmo is here" in visit(alice, "list").content
    page = visit(alice, "review", item.pk)
    assert page.status_code == 200
    seen = api.review(item.pk).seen
    assert seen.encode() in page.content
    answer = visit(
        alice, "approve", item.pk, seen=seen, audience="administrators", outlets=["page", "feed"], locales=["en"]
    )
    assert answer.status_code == 302
    page = visit(alice, "announcements")
    assert b"Ulmo is here" in page.content
    one = visit(alice, "announcement", item.pk)
    assert "Riverside College" in one.content.decode()
    assert "<strong>more</strong>" in one.content.decode()


def test_approving_with_a_stale_hash_gives_the_page_again_and_approves_nothing(arrive, alice, visit):
    document = announcement()
    item = arrive(document)
    seen = api.review(item.pk).seen
    arrive(revised(document, texts={"en": {"title": "Changed"}}))
    answer = visit(alice, "approve", item.pk, seen=seen, audience="administrators", outlets=["page"], locales=["en"])
    assert answer.status_code == 409
    assert b"inbox.stale" in answer.content
    assert not Approval.objects.exists()


@pytest.mark.parametrize(("audience", "asked"), [("administrators", False), ("instructors", True), ("learners", True)])
def test_approving_beyond_administrators_asks_again_who_is_there(arrive, alice, by, client, audience, asked):
    item = arrive(announcement())
    for wider in (Audience.INSTRUCTORS, Audience.LEARNERS):
        api.open_channel("community", wider, actor=by(alice), now=NOW)
    sign_in(client, alice, minutes_ago=20)
    choices = {"seen": api.review(item.pk).seen, "audience": audience, "outlets": ["page"], "locales": ["en"]}
    answer = client.post(reverse("inbox:approve", args=[item.pk]), choices)
    assert answer["Location"].startswith("/accounts/confirm") == asked
    assert Approval.objects.exists() != asked


@pytest.mark.parametrize("name", ["reject", "archive", "snooze", "start"])
def test_the_other_decisions_have_their_button(name, arrive, alice, visit):
    item = arrive(announcement())
    assert visit(alice, name, item.pk, days="7", reason="").status_code == 302
    item.refresh_from_db()
    assert item.decision in {Decision.REJECTED, Decision.ARCHIVED, Decision.SNOOZED, Decision.IN_REVIEW}


def test_editing_shows_original_and_local_text_side_by_side(arrive, alice, visit):
    item = arrive(announcement())
    assert visit(alice, "text", item.pk, "en").status_code == 200
    answer = visit(alice, "text", item.pk, "en", title="Ours", summary="", body="Body", version="0", base_revision="1")
    assert answer.status_code == 302
    page = visit(alice, "review", item.pk).content.decode()
    assert "Ours" in page
    assert "Ulmo is here" in page


@pytest.mark.parametrize("name", ["approve", "second", "withdraw", "keep"])
def test_a_reviewer_cannot_let_anything_through(name, arrive, rita, visit):
    item = arrive(announcement())
    seen = api.review(item.pk).seen
    answer = visit(rita, name, item.pk, seen=seen, audience="administrators", outlets=["page"], locales=["en"])
    assert answer.status_code == 403
    assert not Approval.objects.exists()


def test_instructors_and_learners_do_not_see_the_inbox(arrive, carol, dave, visit):
    item = arrive(announcement())
    for user in (carol, dave):
        assert visit(user, "list").status_code == 403
        assert visit(user, "review", item.pk).status_code == 403


def test_an_approved_revision_shows_the_three_texts(arrive, alice, visit, by):
    document = announcement()
    item = arrive(document)
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    arrive(revised(document, texts={"en": {"title": "Changed upstream"}}))
    page = visit(alice, "review", item.pk).content.decode()
    assert "What changed since you approved it" in page
    assert "Keep what was approved" in page


def test_what_was_withdrawn_is_gone_and_says_so(arrive, alice, visit, by):
    item = arrive(announcement())
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    api.withdraw(item.pk, actor=by(alice), now=NOW)
    assert visit(alice, "announcement", item.pk).status_code == 410
