"""A few rows by the release's own models, for the tables whose number does not matter but whose forms do."""

import datetime as dt
from uuid import uuid4

FEW = 20
COURSE = "course-v1:Campus+C{}+2024"


def few_by_the_orm(users):
    """Rows of the smaller apps, each as its own release writes it."""
    from django.contrib.auth.models import Group
    from edxval import models as videos
    from milestones import models as milestones
    from organizations import models as organizations
    from submissions.models import TeamSubmission
    from waffle import get_waffle_flag_model

    staff = Group.objects.create(name="Staff")
    courses = [COURSE.format(number) for number in range(FEW)]
    people = list(users.order_by("pk")[:FEW])
    staff.user_set.add(*people)
    flag = get_waffle_flag_model().objects.create(name="campus.new_page", percent=10)
    flag.groups.add(staff)
    organization = organizations.Organization.objects.create(name="Campus", short_name="Campus")
    kind = milestones.MilestoneRelationshipType.objects.get_or_create(name="requires")[0]
    profile = videos.Profile.objects.get_or_create(profile_name="campus_mp4")[0]
    for number, (course, person) in enumerate(zip(courses, people, strict=True)):
        organizations.OrganizationCourse.objects.create(course_id=course, organization=organization)
        milestone = milestones.Milestone.objects.create(namespace=course, name="entrance", display_name="Entrance")
        given = {"milestone": milestone, "milestone_relationship_type": kind}
        milestones.CourseMilestone.objects.create(course_id=course, **given)
        milestones.CourseContentMilestone.objects.create(course_id=course, content_id=f"block-{number}", **given)
        milestones.UserMilestone.objects.create(user_id=person.pk, milestone=milestone, source="")
        video = videos.Video.objects.create(
            edx_video_id=str(uuid4()), client_video_id="lecture.mp4", duration=61.5, status="file_complete"
        )
        videos.CourseVideo.objects.create(course_id=course, video=video)
        videos.EncodedVideo.objects.create(
            url="https://campus.example/lecture.mp4", file_size=1000, bitrate=100, profile=profile, video=video
        )
        TeamSubmission.objects.create(
            attempt_number=1, course_id=course, item_id=f"block-{number}", team_id=f"team-{number}", submitted_by=person
        )
        exams(course, number, person)
    assessments(people)


def exams(course, number, person):
    """A timed exam with an attempt, and the name that was verified for it."""
    from django.apps import apps
    from edx_name_affirmation.models import VerifiedName

    if not apps.is_installed("edx_proctoring"):
        return
    from edx_proctoring.models import ProctoredExam, ProctoredExamStudentAttempt

    exam = ProctoredExam.objects.create(
        course_id=course, content_id=f"exam-{number}", exam_name=f"Exam {number}", time_limit_mins=90, is_proctored=True
    )
    began = dt.datetime(2024, 2, 1, 9, tzinfo=dt.UTC)
    attempt = ProctoredExamStudentAttempt.objects.create(
        user=person, proctored_exam=exam, started_at=began, status="submitted", attempt_code=str(uuid4())
    )
    VerifiedName.objects.create(
        user=person, verified_name=f"Learner {number}", profile_name="", proctored_exam_attempt_id=attempt.pk
    )


def assessments(people):
    """A rubric with its criteria, and what a colleague said by it about submissions that exist."""
    from openassessment.assessment import models
    from submissions.models import Submission

    rubric = models.Rubric.objects.create(content_hash="a" * 40, structure_hash="b" * 40)
    criterion = models.Criterion.objects.create(rubric=rubric, name="Care", label="Care", order_num=0, prompt="How?")
    option = models.CriterionOption.objects.create(
        criterion=criterion, order_num=0, points=5, name="Good", label="Good", explanation="With care."
    )
    for person, submission in zip(people, Submission.objects.order_by("pk")[:FEW], strict=True):
        given = {"submission_uuid": submission.uuid, "scorer_id": f"{person.pk:032x}"}
        assessment = models.Assessment.objects.create(rubric=rubric, score_type="ST", **given)
        models.AssessmentPart.objects.create(assessment=assessment, criterion=criterion, option=option)
        models.StaffWorkflow.objects.create(
            course_id=submission.student_item.course_id, item_id=submission.student_item.item_id, **given
        )
