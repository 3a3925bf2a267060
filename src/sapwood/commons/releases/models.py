"""Tables: every catalogue that was proposed, and who looked at it; the reports that go with a release."""

from django.db import models
from django.db.models import Q


class State(models.TextChoices):
    """States of a catalogue revision."""

    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    REFUSED = "REFUSED"


class CatalogueRevision(models.Model):
    """A catalogue's final bytes: from APPROVED on what sites receive. `staged_at` is set once the signers have them."""

    project = models.CharField(max_length=100)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.PROPOSED, db_index=True)
    raw = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    # The document without its revision: the same content proposed again is no change.
    content_sha256 = models.CharField(max_length=64)
    as_of = models.DateField()
    findings = models.JSONField(default=list)
    note = models.CharField(max_length=500, blank=True)
    # The audit log's ids: enough to compare two people, and erasing a person there is enough.
    proposed_by = models.CharField(max_length=32)
    proposed_at = models.DateTimeField(db_index=True)
    decided_by = models.CharField(max_length=32, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    staged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "number"], condition=Q(state="APPROVED"), name="releases_one_approved_per_number"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project} catalogue, revision {self.number} ({self.state.lower()})"


class MigrationReportRevision(models.Model):
    """What the migrations between two releases cost: the final bytes. The newest revision of a uuid is the report.

    `staged_at` is set once the signers have it, `retracted_at` once they have the word that takes it back.
    """

    uuid = models.UUIDField()
    revision = models.PositiveIntegerField()
    release = models.CharField(max_length=100)
    previous = models.CharField(max_length=100)
    line = models.CharField(max_length=60)
    previous_line = models.CharField(max_length=60)
    raw = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    # The document without its envelope: the same content added again is no change.
    content_sha256 = models.CharField(max_length=64)
    added_by = models.CharField(max_length=32)
    added_at = models.DateTimeField(db_index=True)
    staged_at = models.DateTimeField(null=True, blank=True)
    withdrawn_by = models.CharField(max_length=32, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    retracted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["uuid", "revision"], name="releases_report_revision_once")]
        indexes = [models.Index(fields=["previous_line", "line"], name="releases_report_edge")]

    def __str__(self) -> str:
        return f"migrations {self.previous} > {self.release}, revision {self.revision}"
