"""Tables: what was found out about this site, and which catalogues it received."""

from django.db import models


class FactsSnapshot(models.Model):
    """Facts as they were found; a new row only when they changed."""

    document = models.JSONField()
    digest = models.CharField(max_length=64)
    source = models.CharField(max_length=40)
    taken_at = models.DateTimeField(db_index=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"facts of {self.taken_at:%Y-%m-%d %H:%M}"


class LastLook(models.Model):
    """The one row that says how the last look at this site went, and how far the channel was read."""

    attempted_at = models.DateTimeField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    read_up_to = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return "the last look"


class KnownCatalogue(models.Model):
    """A catalogue among what was received and verified; its bytes stay with the channel."""

    received_id = models.PositiveBigIntegerField(unique=True)
    uuid = models.CharField(max_length=36)
    revision = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"catalogue {self.uuid} revision {self.revision}"
