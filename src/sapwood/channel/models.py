"""Tables of the receiving side: what is trusted, what was received, what was refused, and how each pull went."""

import uuid

from django.db import models

from sapwood.channel.data import ChannelState
from sapwood.formats.phrase import recalled

STATES = [(state.value, state.value) for state in ChannelState]


class Subscription(models.Model):
    """One publisher's repository that this site trusts, from a root that an administrator named."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.SlugField(max_length=60, unique=True)
    url = models.CharField(max_length=500)
    mirrors = models.JSONField(default=list)
    root_sha256 = models.CharField(max_length=64)
    allow_private = models.BooleanField(default=False)
    by_bundle = models.BooleanField(default=False, db_default=False)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    time_floor = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    puller = models.CharField(max_length=64, blank=True)
    puller_beat_at = models.DateTimeField(null=True, blank=True)
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    last_good_at = models.DateTimeField(null=True, blank=True)
    next_pull_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    error = models.JSONField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class SubscribedChannel(models.Model):
    """One channel of a subscription, with its own health."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="channels")
    name = models.CharField(max_length=20)
    active = models.BooleanField(default=True)
    since = models.DateTimeField()
    last_good_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    signed_by = models.JSONField(default=list)
    error = models.JSONField(null=True, blank=True)
    reported_state = models.CharField(max_length=10, choices=STATES, default=ChannelState.WAITING.value)
    withdrawal_at = models.DateTimeField(null=True, blank=True)
    withdrawal_count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subscription", "name"], name="channel_subscribedchannel_once")]

    def __str__(self) -> str:
        return f"{self.subscription}/{self.name}"


class TrustedFile(models.Model):
    """The newest verified bytes of one role, or of one index (then named by its path)."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="trusted_files")
    name = models.CharField(max_length=200)
    raw = models.BinaryField()
    stored_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subscription", "name"], name="channel_trustedfile_once")]

    def __str__(self) -> str:
        return self.name


class ReceivedDocument(models.Model):
    """A verified publication. Rows are never deleted; their ids grow in the order in which they became visible."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="documents")
    channel = models.CharField(max_length=20)
    path = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    raw = models.BinaryField()
    uuid = models.UUIDField()
    revision = models.PositiveIntegerField()
    type = models.CharField(max_length=40)
    received_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    verified_by = models.JSONField(default=list)
    signed_by = models.JSONField(default=list)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscription", "path"], name="channel_receiveddocument_path_once"),
            models.UniqueConstraint(
                fields=["subscription", "channel", "uuid", "revision"], name="channel_receiveddocument_revision_once"
            ),
        ]
        indexes = [models.Index(fields=["uuid", "revision"], name="channel_received_uuid")]

    def __str__(self) -> str:
        return self.path


class Refusal(models.Model):
    """A publication that was refused on its own, and why."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="refusals")
    channel = models.CharField(max_length=20)
    path = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    code = models.CharField(max_length=60)
    message = models.TextField()
    hint = models.TextField(blank=True)
    # Both once more, as phrases that a page can say in the reader's language; null in rows of an older Sapwood.
    said = models.JSONField(null=True, blank=True)
    unverified = models.BooleanField()
    raw = models.BinaryField(null=True, blank=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subscription", "path"], name="channel_refusal_once")]

    def __str__(self) -> str:
        return self.path

    @property
    def words(self) -> dict[str, str]:
        """Message and hint, as phrases if they were kept as such."""
        return recalled(self.said) or {"message": self.message, "hint": self.hint}


class PullLog(models.Model):
    """How one pull went."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="pulls")
    started_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField()
    source = models.CharField(max_length=500)
    good = models.BooleanField()
    new = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    withdrawn = models.PositiveIntegerField(default=0)
    requests = models.PositiveIntegerField(default=0)
    received_bytes = models.PositiveBigIntegerField(default=0)
    error = models.JSONField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.subscription} {self.started_at:%Y-%m-%d %H:%M}"


class HealthLog(models.Model):
    """A channel's state changed; whoever tells people about it reads these rows by id."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="health_changes")
    channel = models.CharField(max_length=20)
    before = models.CharField(max_length=10, choices=STATES)
    after = models.CharField(max_length=10, choices=STATES)
    at = models.DateTimeField()
    message = models.TextField()
    said = models.JSONField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.channel}: {self.before} to {self.after}"

    @property
    def words(self) -> str:
        """The message, as a phrase if it was kept as one."""
        return recalled(self.said) or self.message


class CommitTurn(models.Model):
    """One row, locked while documents are stored, so that ids become visible in order on every database."""

    last_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return "commit turn"
