"""Tables: a mirror of each upgrade's journal, who may go on without a certificate, what the console asks for, what may
happen by itself, and what people should hear of.
"""

import datetime as dt

from django.conf import settings
from django.db import models


class UpgradeRun(models.Model):
    """One upgrade as its journal tells it; the file beside the lock is the truth."""

    key = models.CharField(max_length=40, unique=True)
    subject = models.CharField(max_length=200)
    place = models.CharField(max_length=12, default="", db_default="", db_index=True)
    stage = models.CharField(max_length=20)
    step = models.CharField(max_length=40, blank=True)
    message = models.TextField(blank=True)
    plan = models.CharField(max_length=64)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    predicted_downtime = models.JSONField(null=True, blank=True)
    predicted_rollback = models.JSONField(null=True, blank=True)
    downtime_s = models.FloatField(null=True, blank=True)
    rollback_s = models.FloatField(null=True, blank=True)
    postponed = models.JSONField(default=list)

    class Meta:
        indexes = [models.Index(fields=["subject", "-began_at"], name="upgrade_of_subject")]

    def __str__(self) -> str:
        return f"upgrade {self.key} of {self.subject}"


class JournalLine(models.Model):
    """One line of a journal, as it stands in the file."""

    run = models.ForeignKey(UpgradeRun, on_delete=models.CASCADE, related_name="lines")
    seq = models.PositiveIntegerField()
    at = models.DateTimeField()
    event = models.CharField(max_length=40)
    details = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="upgrade_line_once")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.seq} {self.event}"


class Override(models.Model):
    """Two administrators' word that exactly this plan may be applied without a certificate."""

    uuid = models.UUIDField(unique=True)
    subject = models.CharField(max_length=200)
    plan = models.CharField(max_length=64)
    reason = models.TextField()
    first = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    asked_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(second__isnull=True) | ~models.Q(first=models.F("second")), name="override_by_two"
            )
        ]

    def __str__(self) -> str:
        return f"override {self.uuid} of {self.subject}"


class Kind(models.TextChoices):
    """What the console may ask of the worker."""

    LOOK = "look"
    REHEARSE = "rehearse"
    APPLY = "apply"
    RESUME = "resume"
    ROLLBACK = "rollback"
    PAUSE = "pause"


class State(models.TextChoices):
    """How far a request is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


UNFINISHED = (State.WAITING, State.RUNNING)


class Request(models.Model):
    """What somebody asked for by a button. Only the worker acts on it."""

    uuid = models.UUIDField(unique=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    place = models.CharField(max_length=12)
    path = models.TextField()
    subject = models.CharField(max_length=200)
    options = models.JSONField(default=dict)
    state = models.CharField(max_length=20, choices=State.choices, default=State.WAITING)
    job = models.UUIDField(null=True, blank=True)
    run = models.CharField(max_length=40, blank=True)
    answer = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    asked_at = models.DateTimeField()
    begun_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["place", "kind", "-asked_at"], name="upgrade_asked")]
        constraints = [
            models.UniqueConstraint(
                fields=["place"],
                condition=models.Q(state__in=UNFINISHED) & ~models.Q(kind=Kind.PAUSE),
                name="upgrade_request_once",
            ),
            models.UniqueConstraint(
                fields=["place"],
                condition=models.Q(state__in=UNFINISHED, kind=Kind.PAUSE),
                name="upgrade_pause_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject} asked at {self.asked_at:%Y-%m-%d %H:%M}"

    @property
    def open(self) -> bool:
        """Whether there is something to wait for."""
        return self.state in UNFINISHED


class RehearsalRecord(models.Model):
    """What a rehearsal that the console asked for found. The certificate's file is the worker's; here is its text."""

    request = models.OneToOneField(Request, on_delete=models.CASCADE, related_name="rehearsal")
    verdict = models.CharField(max_length=10, blank=True)
    reasons = models.JSONField(default=list)
    plan = models.CharField(max_length=64, blank=True)
    document = models.JSONField(null=True, blank=True)
    folder = models.TextField(blank=True)
    certificate = models.TextField(blank=True)
    certificate_text = models.TextField(blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.verdict or 'no verdict'} of {self.request_id}"


class ForecastRecord(models.Model):
    """What a rehearsal foretold; a mirror of the file beside the journals, which is the truth.

    `labels` is the digest of the migrations that it is about; `intervals` are seconds of downtime and way back.
    """

    key = models.CharField(max_length=32, unique=True)
    place = models.CharField(max_length=12)
    subject = models.CharField(max_length=200)
    at = models.DateTimeField()
    technique = models.CharField(max_length=20)
    plan = models.CharField(max_length=64)
    labels = models.CharField(max_length=64)
    verdict = models.CharField(max_length=10)
    intervals = models.JSONField()
    basis = models.JSONField(default=dict)
    steps = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["place", "-at"], name="forecast_of_place")]

    def __str__(self) -> str:
        return f"forecast of {self.subject} at {self.at:%Y-%m-%d %H:%M}"


class Blackout(models.Model):
    """Days on which nothing happens by itself, such as exams: from the first to the end of the last, in one zone."""

    uuid = models.UUIDField(unique=True)
    first_day = models.DateField()
    last_day = models.DateField()
    zone = models.CharField(max_length=64)
    reason = models.CharField(max_length=200)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    added_at = models.DateTimeField()

    class Meta:
        ordering = ["first_day", "pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(last_day__gte=models.F("first_day")), name="blackout_in_order")
        ]

    def __str__(self) -> str:
        return f"black-out from {self.first_day} to {self.last_day}: {self.reason}"


class Automation(models.Model):
    """What an administrator allows to happen by itself with one deployment; everything is off at first."""

    place = models.CharField(max_length=12, unique=True)
    rehearses = models.BooleanField(default=False)
    candidates = models.BooleanField(default=False)
    in_blackouts = models.BooleanField(default=False)
    rehearsals_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    applies = models.BooleanField(default=False)
    day = models.PositiveSmallIntegerField(default=5)
    start = models.TimeField(default=dt.time(3))
    length_minutes = models.PositiveSmallIntegerField(default=180)
    zone = models.CharField(max_length=64, default="UTC")
    application_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    stopped_at = models.DateTimeField(null=True, blank=True)
    stopped_why = models.JSONField(null=True, blank=True)

    def __str__(self) -> str:
        return f"automation of {self.place}"


class ReleaseDocument(models.Model):
    """The newest revision of a release among what was received and verified; a retraction leaves its mark here."""

    subscription = models.CharField(max_length=200)
    channel = models.CharField(max_length=100)
    publication = models.CharField(max_length=36)
    revision = models.PositiveIntegerField(default=0)
    received_id = models.PositiveBigIntegerField(default=0)
    document = models.JSONField(null=True, blank=True)
    retracted = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscription", "channel", "publication"], name="upgrade_release_once")
        ]

    def __str__(self) -> str:
        return f"release {self.publication} revision {self.revision}"


class ReleasesRead(models.Model):
    """The one row that says how far the channel was read for releases."""

    read_up_to = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"read up to {self.read_up_to}"


class News(models.Model):
    """Something that people should hear of once: a release, a fix, what happened by itself."""

    uuid = models.UUIDField(unique=True)
    key = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=20)
    severity = models.CharField(max_length=10)
    subject = models.CharField(max_length=200, blank=True)
    words = models.JSONField()
    more = models.JSONField(default=list)
    url = models.CharField(max_length=200, blank=True)
    raised_at = models.DateTimeField(db_index=True)
    over_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)
    dismissed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-raised_at", "-pk"]
        verbose_name_plural = "news"

    def __str__(self) -> str:
        return self.key


class NewsMail(models.Model):
    """That a mail about it was handed to the mail server, written down before: nobody gets it twice."""

    news = models.ForeignKey(News, on_delete=models.CASCADE, related_name="mails")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["news", "person"], name="upgrade_news_mailed_once")]

    def __str__(self) -> str:
        return f"mail about {self.news_id}"
