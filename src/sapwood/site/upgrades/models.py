"""Tables: a mirror of each upgrade's journal for pages and comparisons, and who may go on without a certificate."""

from django.conf import settings
from django.db import models


class UpgradeRun(models.Model):
    """One upgrade as its journal tells it; the file beside the lock is the truth."""

    key = models.CharField(max_length=40, unique=True)
    subject = models.CharField(max_length=200)
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
