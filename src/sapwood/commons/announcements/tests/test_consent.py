"""A case study is visible to nobody outside the commons until the organisation agreed to exactly that text."""

import datetime as dt

import pytest
from django.core import mail

from sapwood.commons.announcements.actions.approving import stage, stage_for_test
from sapwood.commons.announcements.actions.consenting import answer_consent, ask_consent, consent_token
from sapwood.commons.announcements.actions.publishing import publish_folder
from sapwood.commons.announcements.actions.writing import save_draft, submit
from sapwood.commons.announcements.documents import read_document
from sapwood.commons.announcements.errors import ConsentLinkError, ConsentMissingError
from sapwood.commons.announcements.models import Answer, CaseStudyConsent, Revision, State
from sapwood.commons.announcements.tasks import mail_consent
from sapwood.commons.announcements.tests.conftest import PLAIN, UUID_ONE
from sapwood.core import jobs
from sapwood.core.clock import FixedClock
from sapwood.core.models import Job

pytestmark = pytest.mark.django_db

STUDY = PLAIN.replace(
    "kind: release_notes",
    "kind: case_study\norganisation:\n  name: Riverside College\n  email: press@riverside.example",
).replace("Verawood is out", "Four billion events at Riverside")


@pytest.fixture
def study(folder, alice, now):
    folder.write("riverside.md", STUDY)
    publish_folder(folder.path, actor=alice, now=now)
    return Revision.objects.get()


@pytest.fixture
def clock(monkeypatch, now):
    from sapwood.commons.announcements.views import consent, public

    fixed = FixedClock(now)
    monkeypatch.setattr(consent, "system_clock", lambda: fixed)
    monkeypatch.setattr(public, "system_clock", lambda: fixed)
    return fixed


def ask(study, alice, now):
    return ask_consent(
        study.announcement.uuid, sha256=study.sha256, email="press@riverside.example", actor=alice, now=now
    )


def nothing_leaks(client):
    pages = ["/announcements/", "/announcements/feed.atom", "/announcements/feed.json", "/announcements/riverside/"]
    return all(b"Four billion" not in client.get(path).content for path in pages)


def test_asking_twice_in_a_row_sends_one_mail(study, alice, now):
    first, second = ask(study, alice, now), ask(study, alice, now + dt.timedelta(seconds=3))
    assert first.pk == second.pk
    assert Job.objects.filter(name="announcements.ask_consent").count() == 1
    later = ask(study, alice, now + dt.timedelta(hours=1))  # the first mail may be lost
    assert later.pk != first.pk


def test_before_consent_no_page_feed_or_channel_carries_it(client, study, alice, now, clock):
    assert (study.state, study.number) == (State.APPROVED, 1)
    with pytest.raises(ConsentMissingError):
        stage(study.announcement.uuid, sha256=study.sha256, actor=alice, now=now)
    with pytest.raises(ConsentMissingError):
        stage_for_test(study.announcement.uuid, sha256=study.sha256, actor=alice, now=now)
    assert nothing_leaks(client)


def test_the_organisation_reads_exactly_that_text_and_agrees_once(client, study, alice, now, clock):
    row = ask(study, alice, now)
    address = f"/consent/{consent_token(row)}/"
    page = client.get(address)
    assert "Four billion events at Riverside" in page.content.decode()
    assert (page["Referrer-Policy"], "no-store" in page["Cache-Control"]) == ("no-referrer", True)
    client.get(address)
    answer = {"text_sha256": row.text_sha256, "name": "Carol", "answer": "agree"}
    assert "Thank you" in client.post(address, answer).content.decode()
    row.refresh_from_db()
    assert (row.answer, row.answered_by) == (Answer.AGREED, "Carol")
    again = client.post(address, {**answer, "answer": "refuse"})
    assert (again.status_code, b"Four billion" in again.content) == (404, False)
    closed = client.get(address)
    assert (closed.status_code, b"Four billion" in closed.content) == (404, False)
    assert nothing_leaks(client)
    assert stage(study.announcement.uuid, sha256=study.sha256, actor=alice, now=now).state == State.STAGED


def test_a_changed_word_needs_a_new_consent(client, study, alice, now, clock):
    row = ask(study, alice, now)
    answer_consent(consent_token(row), agreed=True, text_sha256=row.text_sha256, name="Carol", comment="", now=now)
    document = read_document(study.raw)
    document["texts"]["en"]["title"] = "Five billion events at Riverside"
    edited = save_draft(document, slug="riverside", actor=alice, now=now, organisation="Riverside College")
    submit(edited.announcement.uuid, sha256=edited.sha256, actor=alice, now=now)
    from sapwood.commons.announcements.actions.approving import approve

    approve(edited.announcement.uuid, sha256=edited.sha256, actor=alice, now=now)
    with pytest.raises(ConsentMissingError):
        stage(edited.announcement.uuid, sha256=edited.sha256, actor=alice, now=now)


def test_consent_for_another_organisation_does_not_count(study, alice, now):
    row = ask(study, alice, now)
    CaseStudyConsent.objects.update(organisation="Lakeside", answer=Answer.AGREED)
    assert row.organisation == "Riverside College"
    with pytest.raises(ConsentMissingError):
        stage(study.announcement.uuid, sha256=study.sha256, actor=alice, now=now)


def test_a_link_closes_when_the_text_changes_or_time_is_up(study, alice, now):
    row = ask(study, alice, now)
    with pytest.raises(ConsentLinkError, match="too old"):
        answer_consent(
            consent_token(row),
            agreed=True,
            text_sha256=row.text_sha256,
            name="",
            comment="",
            now=now + dt.timedelta(31),
        )
    document = read_document(study.raw)
    document["texts"]["en"]["summary"] = "Other words."
    save_draft(document, slug="riverside", actor=alice, now=now, organisation="Riverside College")
    with pytest.raises(ConsentLinkError, match="changed"):
        answer_consent(consent_token(row), agreed=True, text_sha256=row.text_sha256, name="", comment="", now=now)


@pytest.mark.parametrize("token", ["", "x", UUID_ONE, f"{UUID_ONE}:x"])
def test_a_made_up_link_opens_nothing(client, study, alice, now, clock, token):
    ask(study, alice, now)
    response = client.get(f"/consent/{token}/")
    assert (response.status_code, b"Four billion" in response.content) == (404, False)


def test_a_refusal_keeps_it_inside(client, study, alice, now, clock):
    row = ask(study, alice, now)
    answer_consent(
        consent_token(row), agreed=False, text_sha256=row.text_sha256, name="Carol", comment="Not our number.", now=now
    )
    with pytest.raises(ConsentMissingError):
        stage(study.announcement.uuid, sha256=study.sha256, actor=alice, now=now)


def test_the_link_goes_to_the_organisation_only(study, alice, now):
    row = ask(study, alice, now)
    job = Job.objects.get(name="announcements.ask_consent")
    assert consent_token(row) not in str(job.payload)
    mail_consent(jobs.JobContext(job, FixedClock(now)))
    [message] = mail.outbox
    assert message.to == ["press@riverside.example"]
    assert consent_token(row) in message.body
