"""Publishing a folder: validated, approved, staged; nothing twice, nothing unapproved."""

import json

import pytest

from sapwood.commons.announcements.actions.approving import approve, stage
from sapwood.commons.announcements.actions.publishing import publish_folder
from sapwood.commons.announcements.actions.writing import save_draft
from sapwood.commons.announcements.data import Outcome
from sapwood.commons.announcements.documents import read_document
from sapwood.commons.announcements.errors import ChangedError, SecondPersonError, WrongStateError
from sapwood.commons.announcements.models import Announcement, Budget, Revision, State
from sapwood.commons.announcements.tests.conftest import ADVISORY, PLAIN, SPANISH, UUID_ONE, UUID_TWO
from sapwood.core.data import Actor
from sapwood.core.models import AuditRow

pytestmark = pytest.mark.django_db


def outcomes(report):
    return {line.slug: line.outcome for line in report.lines}


def test_a_valid_file_is_staged_as_canonical_bytes(folder, now):
    folder.write("verawood.md", PLAIN)
    report = publish_folder(folder.path, actor=Actor.command(), now=now)
    assert outcomes(report) == {"verawood": Outcome.STAGED}
    revision = Revision.objects.get()
    assert (revision.state, revision.number, revision.title) == (State.STAGED, 1, "Verawood is out")
    document = json.loads(bytes(revision.raw))
    assert (document["uuid"], document["revision"], document["type"]) == (UUID_ONE, 1, "announcement")
    assert AuditRow.objects.filter(action="announcements.stage", subject=UUID_ONE).exists()


def test_unchanged_files_become_no_revision(folder, now):
    folder.write("verawood.md", PLAIN)
    publish_folder(folder.path, actor=Actor.command(), now=now)
    rows = AuditRow.objects.count()
    report = publish_folder(folder.path, actor=Actor.command(), now=now)
    assert outcomes(report) == {"verawood": Outcome.UNCHANGED}
    assert (Revision.objects.count(), AuditRow.objects.count()) == (1, rows)


def test_a_changed_file_becomes_the_next_revision(folder, now):
    folder.write("verawood.md", PLAIN)
    publish_folder(folder.path, actor=Actor.command(), now=now)
    folder.write("verawood.md", PLAIN.replace("is out", "is here"))
    report = publish_folder(folder.path, actor=Actor.command(), now=now)
    assert [(line.revision, line.alert) for line in report.lines] == [(2, True)]
    assert [bytes(r.raw) != b"" for r in Revision.objects.all()] == [True, True]


def test_a_translation_alone_is_a_revision_without_a_new_alert(folder, now):
    folder.write("verawood.md", PLAIN)
    publish_folder(folder.path, actor=Actor.command(), now=now)
    folder.write("verawood.es-419.md", SPANISH)
    [line] = publish_folder(folder.path, actor=Actor.command(), now=now).lines
    assert (line.revision, line.alert) == (2, False)
    assert json.loads(bytes(Revision.objects.get(number=2).raw))["alert"] is False
    folder.write("verawood.md", PLAIN.replace("is out", "is here"))
    [line] = publish_folder(folder.path, actor=Actor.command(), now=now).lines
    assert (line.revision, line.alert) == (3, True)


def test_a_dry_run_says_the_same_and_changes_nothing(folder, now):
    folder.write("verawood.md", PLAIN)
    report = publish_folder(folder.path, actor=Actor.command(), now=now, dry_run=True)
    assert (outcomes(report), report.dry_run) == ({"verawood": Outcome.STAGED}, True)
    assert (Announcement.objects.count(), AuditRow.objects.count()) == (0, 0)


def test_a_bad_file_holds_up_no_other(folder, now):
    folder.write("verawood.md", PLAIN)
    folder.write("broken.md", PLAIN.replace(UUID_ONE, "no-uuid"))
    report = publish_folder(folder.path, actor=Actor.command(), now=now)
    assert outcomes(report) == {"broken": Outcome.INVALID, "verawood": Outcome.STAGED}
    assert [problem.place for problem in report.problems] == ["broken.md:2"]


def test_what_goes_to_security_waits_for_a_second_person(folder, now, bob):
    folder.write("pdf.md", ADVISORY)
    report = publish_folder(folder.path, actor=Actor.command(), now=now)
    assert outcomes(report) == {"pdf": Outcome.NEEDS_SECOND_PERSON}
    revision = Revision.objects.get()
    assert revision.state == State.IN_REVIEW
    approve(revision.announcement.uuid, sha256=revision.sha256, actor=bob, now=now)
    report = publish_folder(folder.path, actor=Actor.command(), now=now)
    assert outcomes(report) == {"pdf": Outcome.STAGED}


def test_case_35_an_author_is_never_the_second_person(folder, now, alice, bob):
    folder.write("pdf.md", ADVISORY)
    publish_folder(folder.path, actor=alice, now=now)
    revision = Revision.objects.get()
    with pytest.raises(SecondPersonError):
        approve(revision.announcement.uuid, sha256=revision.sha256, actor=alice, now=now)
    document = read_document(revision.raw)
    changed = {**document, "severity": "critical"}
    revision = save_draft(changed, slug="pdf", actor=bob, now=now)
    from sapwood.commons.announcements.actions.writing import submit

    submit(revision.announcement.uuid, sha256=revision.sha256, actor=bob, now=now)
    for author in (alice, bob):
        with pytest.raises(SecondPersonError):
            approve(revision.announcement.uuid, sha256=revision.sha256, actor=author, now=now)


def test_a_second_person_who_wrote_it_too_does_not_count(folder, now, alice):
    folder.write("pdf.md", ADVISORY)
    report = publish_folder(folder.path, actor=alice, second=alice, now=now)
    assert outcomes(report) == {"pdf": Outcome.INVALID}
    assert Revision.objects.count() == 0


def test_only_a_person_is_a_second_person(folder, now, alice):
    folder.write("pdf.md", ADVISORY)
    publish_folder(folder.path, actor=alice, now=now)
    revision = Revision.objects.get()
    for program in (Actor.command(), Actor.system("rule")):
        with pytest.raises(SecondPersonError):
            approve(revision.announcement.uuid, sha256=revision.sha256, actor=program, now=now)


def test_case_29_an_edit_between_review_and_approval_is_noticed(folder, now, alice, bob):
    folder.write("pdf.md", ADVISORY)
    publish_folder(folder.path, actor=alice, now=now)
    seen = Revision.objects.get().sha256
    folder.write("pdf.md", ADVISORY.replace("high", "critical"))
    publish_folder(folder.path, actor=alice, now=now)
    with pytest.raises(ChangedError):
        approve(UUID_TWO, sha256=seen, actor=bob, now=now)


def test_an_edit_voids_the_approval(folder, now, alice, bob):
    folder.write("pdf.md", ADVISORY)
    publish_folder(folder.path, actor=alice, now=now)
    revision = Revision.objects.get()
    approve(revision.announcement.uuid, sha256=revision.sha256, actor=bob, now=now)
    document = read_document(revision.raw)
    edited = save_draft({**document, "severity": "critical"}, slug="pdf", actor=alice, now=now)
    assert edited.state == State.DRAFT
    with pytest.raises(WrongStateError):
        stage(edited.announcement.uuid, sha256=edited.sha256, actor=alice, now=now)


def test_two_people_editing_the_same_draft_do_not_overwrite_each_other(folder, now, alice, bob):
    folder.write("pdf.md", ADVISORY)
    publish_folder(folder.path, actor=alice, now=now)
    revision = Revision.objects.get()
    document = read_document(revision.raw)
    save_draft({**document, "severity": "critical"}, slug="pdf", actor=bob, now=now, seen_sha256=revision.sha256)
    with pytest.raises(ChangedError):
        save_draft({**document, "severity": "low"}, slug="pdf", actor=alice, now=now, seen_sha256=revision.sha256)


def test_a_case_study_waits_for_consent(folder, now):
    study = PLAIN.replace(
        "kind: release_notes",
        "kind: case_study\norganisation:\n  name: Riverside College\n  email: press@riverside.example",
    )
    folder.write("verawood.md", study)
    assert outcomes(publish_folder(folder.path, actor=Actor.command(), now=now)) == {"verawood": Outcome.NEEDS_CONSENT}
    assert Revision.objects.get().state == State.APPROVED


def test_an_audience_with_too_much_to_read_is_a_warning(folder, now):
    Budget.objects.create(audience="administrators", live_items=1)
    folder.write("verawood.md", PLAIN)
    assert publish_folder(folder.path, actor=Actor.command(), now=now).warnings == ()
    folder.write("second.md", PLAIN.replace(UUID_ONE, UUID_TWO))
    report = publish_folder(folder.path, actor=Actor.command(), now=now)
    assert ["2 live items" in warning.message for warning in report.warnings] == [True]


def test_replacing_across_channels_has_no_effect_and_says_so(folder, now, alice, bob):
    folder.write("pdf.md", ADVISORY)
    folder.write("verawood.md", PLAIN.replace("kind: release_notes", "kind: news\nsupersedes: [pdf]"))
    report = publish_folder(folder.path, actor=alice, second=bob, now=now)
    assert [w.message for w in report.warnings] == ["It cannot replace pdf, which is in the channel security."]
