import pytest

from sapwood.site.inbox import api
from sapwood.site.inbox.actions.approving import SurveyClosedError
from sapwood.site.inbox.actions.feedback import NotARequestError
from sapwood.site.inbox.data import Audience, Choices, Reader
from sapwood.site.inbox.links import IdentifyingLinkError
from sapwood.site.inbox.models import FeedbackAnswer
from sapwood.site.inbox.tests.given import DAY, NOW, announcement

pytestmark = pytest.mark.django_db
READER = Reader(Audience.ADMINISTRATORS, "en")


def request_for_feedback(**given):
    return announcement(
        channel="surveys",
        kind="feedback_request",
        feedback={"question": "Which editor?", "closes_at": "2026-11-25T00:00:00Z", "seeks": "authors"},
        **given,
    )


def test_an_administrator_answers_and_the_answer_stays(arrive, rita, by):
    item = arrive(request_for_feedback())
    api.answer(item.pk, "The visual one.", actor=by(rita), now=NOW)
    assert FeedbackAnswer.objects.get().text == "The visual one."


def test_the_same_answer_sent_twice_is_one(arrive, rita, by):
    item = arrive(request_for_feedback())
    for words in ("The visual one.", "The visual one.", "Or Markdown."):
        api.answer(item.pk, words, actor=by(rita), now=NOW)
    assert list(FeedbackAnswer.objects.order_by("pk").values_list("text", flat=True)) == [
        "The visual one.",
        "Or Markdown.",
    ]


def test_only_a_request_is_answered_and_only_while_it_is_open(arrive, alice, by):
    with pytest.raises(NotARequestError):
        api.answer(arrive(announcement()).pk, "x", actor=by(alice), now=NOW)
    item = arrive(request_for_feedback())
    with pytest.raises(SurveyClosedError):
        api.answer(item.pk, "x", actor=by(alice), now=NOW + 5 * DAY)


def test_a_hand_over_link_is_part_of_what_is_approved(arrive, alice, by):
    item = arrive(request_for_feedback())
    before = api.review(item.pk).seen
    api.hand_over(item.pk, "https://forms.riverside.example/{item}?l={locale}", actor=by(alice), now=NOW)
    assert api.review(item.pk).seen != before
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    (shown,) = api.announcements(READER, now=NOW).items
    assert shown.hand_over.startswith("https://forms.riverside.example/")
    api.hand_over(item.pk, "https://evil.example/{item}", actor=by(alice), now=NOW)
    assert api.announcements(READER, now=NOW).items[0].hand_over == shown.hand_over


def test_hard_case_49_a_hand_over_link_that_identifies_is_refused(arrive, alice, by):
    item = arrive(request_for_feedback())
    with pytest.raises(IdentifyingLinkError):
        api.hand_over(item.pk, "https://forms.example/?email={email}", actor=by(alice), now=NOW)


def test_hard_case_49_an_item_whose_survey_link_identifies_cannot_be_approved(arrive, alice, by):
    item = arrive(request_for_feedback(links=[{"kind": "survey", "url": "https://s.example/?site=riverside"}]))
    with pytest.raises(IdentifyingLinkError):
        api.approve(item.pk, Choices(), actor=by(alice), now=NOW)


def test_hard_case_50_a_survey_that_closes_before_its_window_is_not_delivered(arrive, alice, by, clock):
    from sapwood.site.inbox.data import Window
    from sapwood.site.inbox.models import Dispatch

    item = arrive(request_for_feedback())
    api.approve(item.pk, Choices(window=Window(NOW + 5 * DAY)), actor=by(alice), now=NOW)
    clock.advance(6 * DAY)
    api.deliver_due(clock=clock)
    assert {row.held_code for row in Dispatch.objects.all()} == {"gate.survey_over"}
    assert api.announcements(READER, now=clock.now()).items == []


def test_you_asked_we_did_is_bound_to_its_request_and_shown_with_it(arrive, alice, by):
    asked = request_for_feedback()
    request = arrive(asked)
    answer = arrive(announcement(closes=[asked["uuid"]], texts={"en": {"title": "We did"}}))
    assert [row.pk for row in api.review(answer.pk).requests] == [request.pk]
    assert [row.pk for row in api.review(request.pk).answers] == [answer.pk]
    for item in (request, answer):
        api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    assert [one.item for one in api.closing([request.pk], READER, now=NOW)[request.pk]] == [answer.pk]
    assert [one.item for one in api.asked(answer.pk, READER, now=NOW)] == [request.pk]


def test_an_answer_may_arrive_before_its_request(arrive):
    asked = request_for_feedback()
    answer = arrive(announcement(closes=[asked["uuid"]]))
    request = arrive(asked)
    assert [row.pk for row in api.review(answer.pk).requests] == [request.pk]
